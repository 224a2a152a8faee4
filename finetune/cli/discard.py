"""The option `--discard` of `finetune validate`: error rates without the pairs of the lowest quality."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from finetune.errors import Problem, UserError, bounded
from finetune.progress import show

if TYPE_CHECKING:
    from finetune.images import Records
    from finetune.verification import DiscardCurve, PairSet, VerificationResult

DEFAULT = "5,10,20,30"


def add_discard(parser: argparse.ArgumentParser) -> None:
    """Add `--discard [PERCENTS]`."""
    parser.add_argument(
        "--discard",
        nargs="?",
        const=DEFAULT,
        type=_shares,
        metavar="PERCENTS",
        help="FNMR at an FMR of 0.01 after the pairs with the lowest quality are discarded, by the worse of their two "
        f"images (default: {DEFAULT} percent)",
    )


def refuse_sets_to_discard(sets: Sequence[PairSet], shares: Sequence[float] | None) -> None:
    """Raise a UserError if there are several sets of pairs to discard from, or too few pairs."""
    from finetune.verification import refuse_too_few

    if not shares:
        return
    if len(sets) > 1:
        raise UserError(Problem("--discard", f"found {len(sets)} sets of pairs", "give one set"))
    refuse_too_few(sets[0].pairs)


def show_discard(one: PairSet, result: VerificationResult, records: Records, shares: Sequence[float]) -> DiscardCurve:
    """Measure the quality of the images and the error rates after each share is discarded, and print the table."""
    from finetune.align import recorded_faces
    from finetune.quality import measure_quality
    from finetune.report import discard_table
    from finetune.verification import discard_curve

    paths = one.pairs.paths
    qualities = measure_quality([records[path] for path in dict.fromkeys(paths)], recorded_faces(one.section.dir))
    changed = [Problem(path, "changed while it was used", "start again") for path in paths if path not in qualities]
    if changed:
        raise UserError(*bounded(changed, "images", "start again"))
    curve = discard_curve(result, one.pairs, [qualities[path].score for path in paths], shares)
    show(discard_table(curve))
    return curve


def _shares(text: str) -> tuple[float, ...]:
    """Read percents, separated by commas, as shares in ascending order."""
    try:
        percents = [float(word) for word in text.split(",")]
    except ValueError:
        percents = [-1.0]
    if not all(0 <= percent < 100 for percent in percents):
        wanted = f"give percents from 0 to below 100, separated by commas, such as {DEFAULT}"
        raise argparse.ArgumentTypeError(f"found {text!r}; {wanted}")
    return tuple(sorted({percent / 100 for percent in percents}))
