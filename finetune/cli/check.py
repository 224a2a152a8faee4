"""Reads a recipe alone, without TensorFlow, and reports every problem, a line each."""

from __future__ import annotations

import argparse

from finetune.cli.arguments import add_recipe, load_recipe
from finetune.progress import say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The recipe and its overrides."""
    add_recipe(parser)


def run(options: argparse.Namespace) -> None:
    """Prints one line when the recipe is well-formed."""
    recipe = load_recipe(options)
    names = ", ".join(repr(stage.name) for stage in recipe.stages)
    say(f"{options.recipe}: no problems; stages: {names}")
