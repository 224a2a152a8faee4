"""Open all inputs of a recipe, and show what its run would train, freeze and cost."""

from __future__ import annotations

import argparse

from finetune.cli.arguments import add_recheck, add_recipe, load_recipe

EXAMPLES = (
    "finetune plan recipes/small.yaml data.train=~/faces",
    "finetune plan my.yaml batch_size=64",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the recipe, its overrides and --recheck."""
    add_recipe(parser)
    add_recheck(parser)


def run(options: argparse.Namespace) -> None:
    """Print the plan."""
    recipe = load_recipe(options)
    from finetune.record import RunFolder
    from finetune.runs import Inputs, show_plan
    from finetune.runtime import planned_strategy

    RunFolder(recipe.output).refuse_if_used()
    show_plan(Inputs.open(recipe, planned_strategy(recipe.strategy), recheck=options.recheck))
