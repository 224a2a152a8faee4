"""The paired bootstrap: how far chance alone would move a validation rate, or an area under the ROC curve."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from finetune.errors import DataError, Problem
from finetune.verification.comparison import refuse_different
from finetune.verification.protocols import ACCURACY_THRESHOLDS, VAL_THRESHOLDS, area, val_threshold
from finetune.verification.result import VerificationResult

Metric = Literal["val", "auc"]
Floats = npt.NDArray[np.float64]
RESAMPLES = 1000


class Interval(NamedTuple):
    """The difference of a figure, after less before, and the interval that the resamples give it."""

    difference: float
    low: float
    high: float


def bootstrap(
    before: VerificationResult,
    after: VerificationResult,
    metric: Metric,
    *,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """The percentile interval of the paired bootstrap (Efron and Tibshirani 1993, "An introduction to the bootstrap").

    Pairs are drawn again with replacement, within each fold those of one person and those of two by themselves, and
    the same ones for both results; each time the figure is found as the protocol finds it, with its thresholds from the
    other folds, so that what their choice leaves to chance counts too. A pair keeps the distance that it has in its own
    fold.

    Args:
        before, after: on the same pairs, with their distances.
        metric: the validation rate at the results' FAR, or the area under the ROC curve.
        confidence: of the interval, above 0, below 1.
        resamples: from 1.
        seed: of the draws; the same gives the same interval.

    Raises:
        DataError: not the same pairs, or a result from before distances were kept.
    """
    refuse_different(before, after)
    sides = [_Distances(result, metric) for result in (before, after)]
    strata = _strata(before)
    generator = np.random.default_rng(seed)
    differences = np.empty(resamples)
    for sample in range(resamples):
        weights = np.zeros(before.n_pairs)
        for rows in strata:
            weights[rows] = np.bincount(generator.integers(len(rows), size=len(rows)), minlength=len(rows))
        first, second = (side.figure(weights) for side in sides)
        differences[sample] = second - first
    low, high = np.quantile(differences, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(getattr(after, metric) - getattr(before, metric), float(low), float(high))


def _strata(result: VerificationResult) -> list[npt.NDArray[np.intp]]:
    """The rows of each fold's pairs of one person, and of each fold's pairs of two."""
    assert result.folds is not None
    assert result.is_same is not None
    kinds = (result.is_same, ~result.is_same)
    return [np.flatnonzero((result.folds == fold) & kind) for fold in range(result.n_folds) for kind in kinds]


class _Distances:
    """A result's distances, each by the first threshold of the grid that accepts it, and weighed anew each time."""

    def __init__(self, result: VerificationResult, metric: Metric) -> None:
        if result.distances is None or result.is_same is None or result.folds is None:
            raise DataError(Problem("bootstrap", "found a result without its distances", "measure it again"))
        self._metric, self._far, self._n_folds = metric, result.far_target, result.n_folds
        self._grid = VAL_THRESHOLDS if metric == "val" else ACCURACY_THRESHOLDS
        width = len(self._grid) + 1  # the last: accepted by none
        accepted = np.searchsorted(self._grid, result.distances.astype(np.float64), side="right")
        self._place = (result.folds.astype(np.intp) * 2 + result.is_same) * width + accepted
        self._shape = (result.n_folds, 2, width)

    def figure(self, weights: Floats) -> float:
        """The validation rate or the area, where each pair counts `weights` times."""
        counts = np.bincount(self._place, weights, minlength=int(np.prod(self._shape))).reshape(self._shape)
        below = counts.cumsum(axis=2)
        different, same = below[:, 0, :-1], below[:, 1, :-1]
        n_different, n_same = below[:, 0, -1:], below[:, 1, -1:]
        if self._metric == "auc":
            return area(np.mean(different / n_different, axis=0), np.mean(same / n_same, axis=0))
        rates = []
        for fold in range(self._n_folds):
            others = (different.sum(axis=0) - different[fold]) / (n_different.sum() - n_different[fold])
            threshold = val_threshold(others, self._far)
            # Between two thresholds of the grid the pairs are taken as spread evenly.
            rates.append(float(np.interp(threshold, self._grid, same[fold] / n_same[fold])))
        return float(np.mean(rates))
