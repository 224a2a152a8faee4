"""Paired bootstrap: the variation by chance of a validation rate, or of an area under the ROC curve."""

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
    """Difference of a figure, after minus before, and its bootstrap interval."""

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
    """Return the percentile interval of the paired bootstrap.

    The method is that of Efron and Tibshirani 1993, "An introduction to the bootstrap". Pairs are drawn with
    replacement within each fold, separately for pairs of one person and of two. Both results get the same draws. Each
    time, the figure is computed as in the protocol, with thresholds from the other folds. The interval thus includes
    the variation of the thresholds. A pair keeps the distance that it has in its own fold.

    Args:
        before, after: results on the same pairs, with their distances.
        metric: validation rate at the results' false accept rate, or area under the ROC curve.
        confidence: confidence of the interval, above 0, below 1.
        resamples: number of resamples, from 1.
        seed: seed of the draws. The same seed gives the same interval.

    Raises:
        DataError: the pairs differ, or a result has no distances, because an older version wrote it.
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
    """Return the rows of each fold's pairs of one person, and of each fold's pairs of two people."""
    assert result.folds is not None
    assert result.is_same is not None
    kinds = (result.is_same, ~result.is_same)
    return [np.flatnonzero((result.folds == fold) & kind) for fold in range(result.n_folds) for kind in kinds]


class _Distances:
    """Distances of a result, as counts per threshold of the grid that can be weighted anew for each resample."""

    def __init__(self, result: VerificationResult, metric: Metric) -> None:
        if result.distances is None or result.is_same is None or result.folds is None:
            raise DataError(Problem("bootstrap", "found a result without its distances", "measure it again"))
        self._metric, self._far, self._n_folds = metric, result.far_target, result.n_folds
        self._grid = VAL_THRESHOLDS if metric == "val" else ACCURACY_THRESHOLDS
        width = len(self._grid) + 1  # the last one: accepted by no threshold
        accepted = np.searchsorted(self._grid, result.distances.astype(np.float64), side="right")
        self._place = (result.folds.astype(np.intp) * 2 + result.is_same) * width + accepted
        self._shape = (result.n_folds, 2, width)

    def figure(self, weights: Floats) -> float:
        """Compute the validation rate or the area, with each pair counted `weights` times."""
        counts = np.bincount(self._place, weights, minlength=int(np.prod(self._shape))).reshape(self._shape)
        below = counts.cumsum(axis=2)
        different, same = below[:, 0, :-1], below[:, 1, :-1]
        n_different, n_same = below[:, 0, -1:], below[:, 1, -1:]
        if self._metric == "auc":
            return area(np.mean(different / n_different, axis=0), np.mean(same / n_same, axis=0))
        rates = []
        for fold in range(self._n_folds):
            own = (different[fold], n_different[fold]) if self._n_folds > 1 else (0, 0)  # without folds, no others
            others = (different.sum(axis=0) - own[0]) / (n_different.sum() - own[1])
            threshold = val_threshold(others, self._far)
            # The pairs are assumed to be spread evenly between two thresholds of the grid.
            rates.append(float(np.interp(threshold, self._grid, same[fold] / n_same[fold])))
        return float(np.mean(rates))
