"""Check a recipe by itself, without TensorFlow, and report all problems, one per line."""

from __future__ import annotations

import argparse

from finetune.cli.arguments import add_recipe, load_recipe
from finetune.progress import say

EXAMPLES = (
    "finetune check recipes/small.yaml",
    "finetune check my.yaml data.train=~/faces stages.head.epochs=3",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the recipe and its overrides."""
    add_recipe(parser)


def run(options: argparse.Namespace) -> None:
    """Check the recipe, and print one line if it is well-formed."""
    recipe = load_recipe(options)
    names = ", ".join(repr(stage.name) for stage in recipe.stages)
    say(f"{options.recipe}: no problems; stages: {names}")
