"""The option `--perturb` of `finetune validate`: figures of pairs whose second image is perturbed."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from finetune.cli.values import new_file
from finetune.errors import Problem, UserError
from finetune.images import PERTURBATIONS
from finetune.progress import say, show

if TYPE_CHECKING:
    from finetune.images import Perturbation
    from finetune.verification import EmbedChanged, PairSet, Robustness


def add_perturb(parser: argparse.ArgumentParser) -> None:
    """Add `--perturb [NAMES]` and `--picture FILE`."""
    parser.add_argument(
        "--perturb",
        nargs="?",
        const="all",
        metavar="NAMES",
        help="figures with the second image of each pair perturbed, level by level: all (default), or some of "
        f"{','.join(PERTURBATIONS)}",
    )
    parser.add_argument("--picture", metavar="FILE", help="curves of --perturb as a picture, FILE.png")


def chosen(options: argparse.Namespace) -> tuple[list[Perturbation], Path | None]:
    """Return the perturbations to measure and the path of their picture.

    Raises:
        UserError: a name is not one of a perturbation, or the picture can't be made; one line per problem.
    """
    from finetune.verification import choose_perturbations

    if options.picture and options.perturb is None:
        raise UserError(Problem("--picture", "given without --perturb", "give both, or neither"))
    if options.picture and not options.picture.lower().endswith(".png"):
        raise UserError(Problem("--picture", f"found {options.picture!r}", "give a file name that ends in .png"))
    picture = new_file(options.picture) if options.picture else None
    return ([] if options.perturb is None else choose_perturbations(options.perturb)), picture


def refuse_several(sets: Sequence[PairSet], perturbations: Sequence[Perturbation]) -> None:
    """Raise a UserError if there are several sets of pairs to perturb."""
    if perturbations and len(sets) > 1:
        raise UserError(Problem("--perturb", f"found {len(sets)} sets of pairs", "give one set"))


def show_robustness(
    embed: EmbedChanged, one: PairSet, perturbations: Sequence[Perturbation], size: int, picture: Path | None
) -> Robustness:
    """Measure the set with each perturbation, print a table each, and draw the picture."""
    from finetune.report import curve_table, write_picture
    from finetune.verification import measure_perturbed

    measured = measure_perturbed(embed, one, perturbations, size)
    for curve in measured.curves:
        show(curve_table(curve, measured))
    if picture:
        write_picture(picture, measured)
        say(f"{picture}: curves of {', '.join(curve.perturbation.name for curve in measured.curves)}")
    return measured
