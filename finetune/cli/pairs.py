"""Draw pairs from a folder of people, or write all of them. No identity is in two folds, and no pair appears twice."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from finetune.cli.arguments import add_seed, say_left_out
from finetune.cli.values import path, whole_number
from finetune.errors import Problem, UserError
from finetune.paths import in_one_line
from finetune.progress import say, say_aside
from finetune.words import counted

if TYPE_CHECKING:
    from finetune.verification import Drawn

EXAMPLES = (
    "finetune pairs ~/faces_160 pairs.txt",
    "finetune pairs ~/family_160 pairs.csv --all",
)
TO = ("text", "csv", "bin")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the folder, the file with its form, and the numbers of folds and pairs."""
    parser.add_argument("folder", metavar="FOLDER", help="folder with one folder of images per person")
    parser.add_argument("out", metavar="OUT", help="new file, such as pairs.txt, pairs.csv or pairs.bin")
    parser.add_argument(
        "--to",
        choices=TO,
        help="form of the file (default: by its suffix, else text); text: LFW's pairs.txt; csv: a table of paths, 0 "
        "or 1, and folds; bin: InsightFace's file, with the images in it",
    )
    parser.add_argument("--all", action="store_true", help="write all pairs there are, without folds; draw none")
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
    """Write the pairs, and print their numbers; files left out go to stderr."""
    from finetune.verification import write_pairs

    if options.all:
        _write_all(options)
        return
    drawn = write_pairs(
        options.out,
        options.folder,
        folds=options.folds,
        pairs_per_fold=options.pairs,
        seed=options.seed,
        to=options.to,
    )
    say_left_out(drawn.left_out)
    _say_few(options, drawn)
    _say_form(options, drawn)
    n = drawn.folds * drawn.pairs_per_fold
    folds = f"in {drawn.folds} folds that share nobody" if drawn.folds > 1 else "without folds"
    say(
        f"{in_one_line(options.out)}: {counted(n, 'pair', ',')} of one person and {n:,} of two "
        f"{folds}, drawn from {_source(drawn)}, seed {options.seed}"
    )


def _write_all(options: argparse.Namespace) -> None:
    from finetune.verification import count_pairs, write_all_pairs

    given = [f"--{name}" for name in ("folds", "pairs") if getattr(options, name) is not None]
    if given:
        raise UserError(*(Problem(name, "given with --all, which draws nothing", "leave one out") for name in given))
    same, different = count_pairs(options.folder)
    say_aside(f"{in_one_line(options.folder)}: {counted(same, 'pair', ',')} of one person and {different:,} of two")
    drawn = write_all_pairs(options.out, options.folder, to=options.to)
    say_left_out(drawn.left_out)
    say(
        f"{in_one_line(options.out)}: all {counted(drawn.same, 'pair', ',')} of one person and all "
        f"{drawn.different:,} of two, without folds, from {_source(drawn)}"
    )


def _source(drawn: Drawn) -> str:
    return f"{counted(drawn.images, 'image', ',')} of {counted(drawn.people, 'person', ',')}"


def _say_few(options: argparse.Namespace, drawn: Drawn) -> None:
    """Print what few people or images have fewer of than LFW."""
    from finetune.verification import DEFAULT_FOLDS, PAIRS_PER_FOLD

    few = [
        f"{counted(n, what)}{more} in place of LFW's {usual}"
        for asked, n, usual, what, more in (
            (options.folds, drawn.folds, DEFAULT_FOLDS, "fold", ""),
            (options.pairs, drawn.pairs_per_fold, PAIRS_PER_FOLD, "pair", " of each kind in a fold"),
        )
        if asked is None and n < usual
    ]
    if few:
        say_aside(f"few people or images: {' and '.join(few)}; the fewer, the less certain a result")


def _say_form(options: argparse.Namespace, drawn: Drawn) -> None:
    """Print what other programs may not read, and what the form can't hold."""
    from finetune.verification import DEFAULT_FOLDS
    from finetune.verification.formats import form_of

    if drawn.files and drawn.in_lfw_form:
        say_aside(
            f"{counted(drawn.files, 'image')} not named NAME_0001: the pairs name such files, which finetune reads and "
            "other programs may not; finetune import numbers them",
        )
    if (options.to or form_of(path(options.out))) == "bin" and drawn.folds != DEFAULT_FOLDS:
        say_aside("a .bin file holds no folds: its readers cut it into ten")
