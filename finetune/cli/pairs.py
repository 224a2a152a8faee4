"""Draw a pairs file in LFW's format from a folder of people. No identity is in two folds, and no pair appears twice."""

from __future__ import annotations

import argparse

from finetune.cli.arguments import add_seed, say_left_out, whole_number
from finetune.paths import in_one_line
from finetune.progress import say, say_aside
from finetune.words import counted

EXAMPLES = (
    "finetune pairs ~/faces_160 pairs.txt",
    "finetune pairs ~/faces_160 pairs.txt --folds 5",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the folder, the file, and the numbers of folds and pairs."""
    parser.add_argument("folder", metavar="FOLDER", help="folder with one folder of images per person")
    parser.add_argument("out", metavar="OUT", help="new file, such as pairs.txt")
    parser.add_argument(
        "--folds",
        type=whole_number(2),
        metavar="N",
        help="number of folds (default: 10 as in LFW, or fewer for few people)",
    )
    parser.add_argument(
        "--pairs",
        type=whole_number(1),
        metavar="N",
        help="number of pairs of each kind per fold (default: 300 as in LFW, or fewer for few images)",
    )
    add_seed(parser)


def run(options: argparse.Namespace) -> None:
    """Draw the pairs, and print their numbers; files left out go to stderr."""
    from finetune.verification import DEFAULT_FOLDS, PAIRS_PER_FOLD, write_pairs

    drawn = write_pairs(
        options.out, options.folder, folds=options.folds, pairs_per_fold=options.pairs, seed=options.seed
    )
    say_left_out(drawn.left_out)
    few = [
        f"{n} {what} in place of LFW's {usual}"
        for asked, n, usual, what in (
            (options.folds, drawn.folds, DEFAULT_FOLDS, "folds"),
            (options.pairs, drawn.pairs_per_fold, PAIRS_PER_FOLD, "pairs of each kind in a fold"),
        )
        if asked is None and n < usual
    ]
    if few:
        say_aside(f"few people or images: {' and '.join(few)}; the fewer, the less certain a result")
    if drawn.files:
        say_aside(
            f"{counted(drawn.files, 'image')} not named NAME_0001: the pairs name such files, which finetune reads and "
            "other programs may not; finetune import numbers them",
        )
    n = drawn.folds * drawn.pairs_per_fold
    say(
        f"{in_one_line(options.out)}: {counted(n, 'pair', ',')} of one person and {n:,} of two "
        f"in {drawn.folds} folds that share nobody, drawn from {counted(drawn.images, 'image', ',')} of "
        f"{counted(drawn.people, 'person', ',')}, "
        f"seed {options.seed}"
    )
