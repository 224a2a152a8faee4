"""Prints the JSON schema of recipes, by which editors complete and check them: finetune schema > recipe.schema.json."""

from __future__ import annotations

import argparse
import json

from finetune.progress import say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add none."""


def run(_: argparse.Namespace) -> None:
    """Print the schema."""
    from finetune.recipe import recipe_schema

    say(json.dumps(recipe_schema(), indent=2, ensure_ascii=False))
