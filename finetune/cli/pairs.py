"""Draws a pairs file in LFW's form from a folder of people; no identity is in two folds, no pair comes twice."""

from __future__ import annotations

import argparse

from finetune.cli.arguments import add_seed, say_left_out, whole_number
from finetune.folders import in_one_line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The folder, the file, and how many."""
    parser.add_argument("folder", metavar="FOLDER", help="images named NAME/NAME_0001.jpg, .jpeg or .png")
    parser.add_argument("out", metavar="OUT", help="a new file, such as pairs.txt")
    parser.add_argument("--folds", type=whole_number(2), default=10, metavar="N", help="10, as LFW")
    parser.add_argument(
        "--pairs", type=whole_number(1), default=300, metavar="N", help="of each kind in a fold; 300, as LFW"
    )
    add_seed(parser)


def run(options: argparse.Namespace) -> None:
    """Prints what was drawn; what was left out goes to stderr."""
    from finetune.evaluation.draw_pairs import write_pairs

    drawn = write_pairs(
        options.out, options.folder, folds=options.folds, pairs_per_fold=options.pairs, seed=options.seed
    )
    say_left_out(drawn.left_out)
    n = options.folds * options.pairs
    print(
        f"{in_one_line(options.out)}: {n:,} pairs of one person and {n:,} of two "
        f"in {options.folds} folds that share nobody, drawn from {drawn.images:,} images of {drawn.people:,} people, "
        f"seed {options.seed}"
    )
