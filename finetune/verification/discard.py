"""Error-versus-discard characteristic: error rates of pairs after the pairs of the lowest quality are left out."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats

from finetune.arrays import Doubles
from finetune.brief import Brief
from finetune.errors import DataError, Problem
from finetune.verification.operating_points import CONFIDENCE
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
        fnmr: false non-match rate at the threshold of all pairs; None if no pair of one person is left. The next two
            are None then too.
        low, high: 95 % interval of `fnmr` (Wilson).
        fmr: false match rate at the threshold of all pairs; None if no pair of two people is left.
        fnmr_anew: false non-match rate at the threshold for `DISCARD_FMR` among the pairs that are left. None if these
            are too few.
    """

    share: float
    n_pairs: int
    n_same: int
    score: float
    fnmr: float | None
    low: float | None
    high: float | None
    fmr: float | None
    fnmr_anew: float | None


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
    refuse_too_few(pairs)
    if result.distances is None:
        raise ValueError("the result has no distances")
    distances = result.distances
    threshold = _threshold(distances[~pairs.is_same])
    points = []
    for share in sorted({0.0, *shares}):
        kept = np.sort(order[math.floor(share * len(order) + 1e-9) :])
        same, different = (distances[kept[pairs.is_same[kept] == which]] for which in (True, False))
        points.append(
            Discarded(share, len(kept), len(same), float(quality[kept].min()), *_rates(same, different, threshold))
        )
    return DiscardCurve(threshold, tuple(points))


def _rates(
    same: npt.NDArray[np.floating], different: npt.NDArray[np.floating], threshold: float
) -> tuple[float | None, float | None, float | None, float | None, float | None]:
    """Return the last five fields of `Discarded`."""
    fmr = float(np.mean(different < threshold)) if len(different) else None
    if not len(same):
        return None, None, None, fmr, None
    rejected = int(np.count_nonzero(same >= threshold))
    interval = stats.binomtest(rejected, len(same)).proportion_ci(CONFIDENCE, "wilson")
    anew = float(np.mean(same >= _threshold(different))) if len(different) >= LEAST else None
    return rejected / len(same), float(interval.low), float(interval.high), fmr, anew


def _threshold(different: npt.NDArray[np.floating]) -> float:
    """Return the distance below which a further pair of two people lies with probability `DISCARD_FMR`.

    It is interpolated between the nearest distances, so that it depends little on the number of pairs (Weibull, 1939).
    """
    return float(np.quantile(different.astype(np.float64), DISCARD_FMR, method="weibull"))


def refuse_too_few(pairs: ImagePairs) -> None:
    """Raise a DataError if the pairs are too few for a rate at `DISCARD_FMR`."""
    if not pairs.is_same.any() or (~pairs.is_same).sum() < LEAST:
        raise DataError(_too_few(pairs))


def _too_few(pairs: ImagePairs) -> Problem:
    same, different = int(pairs.is_same.sum()), int((~pairs.is_same).sum())
    found = f"found {same} pairs of one person and {different} of two people"
    return Problem("--discard", found, f"an FMR of {DISCARD_FMR:g} takes {LEAST} pairs of two people, and one of one")
