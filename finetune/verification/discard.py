"""Error-versus-discard characteristic: error rates of pairs after the pairs of the lowest quality are left out."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from finetune.arrays import Doubles
from finetune.brief import Brief
from finetune.errors import DataError, Problem
from finetune.verification.operating_points import operating_point
from finetune.verification.pairs import ImagePairs
from finetune.verification.result import VerificationResult

DISCARD_FMR = 0.01
"""False match rate at which the characteristic gives the false non-match rate."""
LEAST = math.ceil(1 / DISCARD_FMR) - 1
"""Least number of pairs of two people for a rate at `DISCARD_FMR`."""
DISCARDED = (0.0, 0.05, 0.1, 0.2, 0.3)
"""Shares of the pairs that are discarded, unless others are asked for."""


class Discarded(NamedTuple):
    """Error rates of the pairs that are left after some were discarded.

    Attributes:
        share: share of the pairs that were discarded, 0 to 1.
        n_pairs: number of pairs that are left.
        n_same: number of pairs of one person among them.
        score: lowest quality of a pair that is left, 0 to 1.
        fnmr: false non-match rate at the threshold of `DISCARD_FMR`, chosen anew on the pairs that are left. None if
            too few pairs of two people are left for that rate, or none of one person; so are then the next two.
        low, high: 95 % interval of `fnmr` (Wilson).
        fixed_fnmr: false non-match rate at the threshold of all pairs; None if no pair of one person is left.
        fixed_fmr: false match rate at the threshold of all pairs; None if no pair of two people is left.
    """

    share: float
    n_pairs: int
    n_same: int
    score: float
    fnmr: float | None
    low: float | None
    high: float | None
    fixed_fnmr: float | None
    fixed_fmr: float | None


@dataclasses.dataclass(frozen=True, repr=False)
class DiscardCurve(Brief):
    """Error-versus-discard characteristic (ISO/IEC 29794-1; Grother and Tabassi, 2007).

    Attributes:
        threshold: distance below which pairs are accepted, for an FMR of `DISCARD_FMR` among all pairs.
        points: error rates by share, in ascending order of the shares. The first share is 0.
    """

    threshold: float
    points: tuple[Discarded, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the characteristic, ready for `json.dump`."""
        return {"fmr": DISCARD_FMR, "threshold": self.threshold, "points": [point._asdict() for point in self.points]}


def discard_curve(
    result: VerificationResult,
    pairs: ImagePairs,
    scores: Sequence[float] | Doubles,
    shares: Sequence[float] = DISCARDED,
) -> DiscardCurve:
    """Measure the error rates after the pairs of the lowest quality are discarded.

    The quality of a pair is the lower one of its two images. Pairs of one quality are discarded in the order of the
    pairs. Pairs of one person and of two are discarded alike.

    Args:
        result: result of the pairs, with their distances.
        pairs: the pairs.
        scores: quality of each image of the pairs, [images]; larger is better.
        shares: shares of the pairs to discard, from 0, below 1.

    Raises:
        DataError: the pairs are too few for a rate at `DISCARD_FMR`.
    """
    rows = np.asarray(scores, np.float64)
    quality = np.minimum(rows[pairs.index1], rows[pairs.index2])  # [pairs]
    order = np.argsort(quality, kind="stable")
    first = operating_point(result, DISCARD_FMR)
    if first is None:
        raise DataError(_too_few(pairs))
    points = []
    for share in sorted({0.0, *shares}):
        kept = np.sort(order[math.floor(share * len(order) + 1e-9) :])
        points.append(_point(result, kept, share, float(quality[kept].min()), first.threshold))
    return DiscardCurve(first.threshold, tuple(points))


def _point(
    result: VerificationResult, kept: npt.NDArray[np.intp], share: float, score: float, threshold: float
) -> Discarded:
    assert result.distances is not None
    assert result.is_same is not None
    distances, is_same = result.distances[kept], result.is_same[kept]
    anew = operating_point(dataclasses.replace(result, distances=distances, is_same=is_same), DISCARD_FMR)
    fnmr = low = high = None
    if anew:
        fnmr, low, high = 1 - anew.val, 1 - anew.val_high, 1 - anew.val_low
    accepted = distances < threshold
    fixed_fnmr = float(1 - accepted[is_same].mean()) if is_same.any() else None
    fixed_fmr = float(accepted[~is_same].mean()) if not is_same.all() else None
    return Discarded(share, len(kept), int(is_same.sum()), score, fnmr, low, high, fixed_fnmr, fixed_fmr)


def refuse_too_few(pairs: ImagePairs) -> None:
    """Raise a DataError if the pairs are too few for a rate at `DISCARD_FMR`."""
    if not pairs.is_same.any() or (~pairs.is_same).sum() < LEAST:
        raise DataError(_too_few(pairs))


def _too_few(pairs: ImagePairs) -> Problem:
    same, different = int(pairs.is_same.sum()), int((~pairs.is_same).sum())
    found = f"found {same} pairs of one person and {different} of two people"
    return Problem("--discard", found, f"an FMR of {DISCARD_FMR:g} takes {LEAST} pairs of two people, and one of one")
