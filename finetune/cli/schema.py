"""Print the JSON schema of recipes, for completion and checks in editors: finetune schema > recipe.schema.json."""

from __future__ import annotations

import argparse
import json

from finetune.progress import say

EXAMPLES = (
    "finetune schema",
    "finetune schema > recipe.schema.json",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add no argument."""


def run(_: argparse.Namespace) -> None:
    """Print the schema."""
    from finetune.recipe import recipe_schema

    say(json.dumps(recipe_schema(), indent=2, ensure_ascii=False))
