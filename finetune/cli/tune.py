"""Search a recipe's keys for better values, or test a range of learning rates.

Each trial trains the recipe with other values and is judged by the images that the recipe holds back. At the end the
best is compared with the recipe as given, on images that the search never saw.
"""

from __future__ import annotations

import argparse
import math
import shlex
from collections.abc import Mapping
from pathlib import Path

from finetune.cli.arguments import add_recipe, load_recipe, overrides_of
from finetune.cli.values import number, path, whole_number
from finetune.errors import Problem, UserError
from finetune.paths import find_file
from finetune.progress import say

EXAMPLES = (
    "finetune tune my.yaml --over ranges.yaml --trials 30",
    "finetune tune my.yaml --learning-rate-range 1e-5 1",
)
TRIALS, HELD_OUT, STEPS = 30, 0.2, 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the recipe, its overrides and the options."""
    add_recipe(parser)
    parser.add_argument(
        "--over",
        metavar="FILE",
        help="YAML file with the keys to search, named as in key=value, each with {low: …, high: …, log: true} or a "
        "list of choices",
    )
    parser.add_argument(
        "--trials",
        type=whole_number(1, 10_000),
        metavar="N",
        help=f"number of trials; the first is the recipe as given (default: {TRIALS})",
    )
    parser.add_argument(
        "--held-out",
        type=_share,
        metavar="SHARE",
        help="share of each person's images that the search never sees, to compare its best with the recipe as given "
        f"(default: {HELD_OUT}); 0 compares nothing",
    )
    parser.add_argument(
        "--learning-rate-range",
        nargs=2,
        type=_rate,
        metavar=("LOW", "HIGH"),
        help="in place of a search: train a stage while its learning rate rises from LOW to HIGH, and draw the loss",
    )
    parser.add_argument("--stage", metavar="NAME", help="stage of --learning-rate-range (default: the first)")
    parser.add_argument(
        "--steps",
        type=whole_number(20, 100_000),
        metavar="N",
        help=f"steps of --learning-rate-range (default: {STEPS})",
    )
    parser.add_argument(
        "--output",
        metavar="DIR",
        help="folder of the results (default: the recipe's output with -tune added); a search in it goes on",
    )


def run(options: argparse.Namespace) -> None:
    """Search, or test the range, and print the outcome."""
    _refuse_mixed(options)
    recipe = load_recipe(options)
    output = path(options.output) if options.output else recipe.output.with_name(f"{recipe.output.name}-tune")
    if options.learning_rate_range:
        _test_range(options, output)
    else:
        _search(options, output)


def _search(options: argparse.Namespace, output: Path) -> None:
    from finetune.interruption import interruptible
    from finetune.recipe import Document, Recipe
    from finetune.tuning import BEST, Plan, read_space, search

    source = find_file(options.recipe)
    numbered = Document(source).numbered
    given = {numbered(key): value for key, value in overrides_of(options).items()}

    def load(values: Mapping[str, object]) -> Recipe:
        return Recipe.load(source, {**given, **values})

    space = read_space(options.over, load, numbered)
    trials, held_out = options.trials or TRIALS, HELD_OUT if options.held_out is None else options.held_out
    command = shlex.join(["finetune", "tune", options.recipe, *options.overrides, "--over", options.over])
    with interruptible(f"go on with: {command} --trials {trials} --held-out {held_out:g} --output {output}"):
        found = search(Plan(load, space, trials, held_out, output))
    if found.contest:
        say(str(found.contest))
    elif not found.best.number:
        say("no trial was better than the recipe as given")
    say(f"best: trial {found.best.number}, {found.best.outcome} (as given: {found.trials[0].outcome})")
    say(f"next: finetune run {shlex.quote(str(output / BEST))}")


def _test_range(options: argparse.Namespace, output: Path) -> None:
    from finetune.tuning import find_rate_range, write_rate_range

    low, high = options.learning_rate_range
    recipe = load_recipe(options).model_copy(update={"output": output})
    found = find_rate_range(recipe, low, high, stage=options.stage or "", steps=options.steps or STEPS)
    table, picture = write_rate_range(output, found)
    say(f"{found}\nwritten: {table}, {picture}")


def _refuse_mixed(options: argparse.Namespace) -> None:
    """Refuse options that belong to two kinds of work, or to none.

    Raises:
        UserError: some options can't be used together; one line per option.
    """
    ranged = options.learning_rate_range is not None
    if not ranged and options.over is None:
        raise UserError(Problem("--over", "missing", "give a file of ranges, or --learning-rate-range LOW HIGH"))
    unused = ("over", "trials", "held_out") if ranged else ("stage", "steps")
    mode = "--learning-rate-range" if ranged else "--over"
    problems = [
        Problem(f"--{name.replace('_', '-')}", f"found it beside {mode}", "drop one of the two")
        for name in unused
        if getattr(options, name) is not None
    ]
    if ranged and options.learning_rate_range[0] >= options.learning_rate_range[1]:
        problems.append(Problem("--learning-rate-range", "the first rate is not the lower one", "give LOW HIGH"))
    if problems:
        raise UserError(*problems)


def _share(text: str) -> float:
    """Read an option's value: a share from 0, below 1."""
    return number(text, lambda value: 0 <= value < 1, "a number from 0, below 1")


def _rate(text: str) -> float:
    """Read an option's value: a learning rate."""
    return number(text, lambda value: 0 < value < math.inf, "a number above 0")
