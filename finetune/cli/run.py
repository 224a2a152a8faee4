"""Run a recipe: check and plan it, train its stages one after another, and validate on LFW after each."""

from __future__ import annotations

import argparse
import shlex

from finetune.cli.arguments import add_recheck, add_recipe, load_recipe

EXAMPLES = (
    "finetune run recipes/small.yaml data.train=~/faces output=runs/mine",
    "finetune run runs/mine/recipe.yaml --resume",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the recipe, its overrides, --resume and --recheck."""
    add_recipe(parser)
    parser.add_argument(
        "--resume", action="store_true", help="resume the run in the recipe's output after its last finished epoch"
    )
    add_recheck(parser)


def run(options: argparse.Namespace) -> None:
    """Run the recipe, and print the plan, one line per epoch, and the table of stages."""
    recipe = load_recipe(options)
    from finetune.runs import run as run_recipe

    command = shlex.join(["finetune", "run", options.recipe, *options.overrides, "--resume"])
    run_recipe(recipe, resume=options.resume, how_to_resume=f"resume with: {command}", recheck=options.recheck)
