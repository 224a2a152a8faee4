"""The difference between two results on the same pairs, and whether chance explains it."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from finetune.errors import DataError
from finetune.evaluation.result import LFWResult

Z_95 = 1.959963984540054
"""The normal quantile of 0.975."""


@dataclasses.dataclass(frozen=True)
class Difference:
    """`after` less `before`, on the same pairs.

    Attributes:
        accuracy: difference of the accuracies, -1 to 1.
        low: lower end of the 95 % interval of the paired difference in accuracy.
        high: its upper end.
        gained: pairs that only `after` decides rightly.
        lost: pairs that only `before` decides rightly.
        p_value: exact McNemar test, two-sided: how likely chance alone splits `gained` and `lost`
            this unevenly.
        val: difference of the validation rates.
        auc: difference of the areas under the ROC curve.
    """

    accuracy: float
    low: float
    high: float
    gained: int
    lost: int
    p_value: float
    val: float
    auc: float


def compare(before: LFWResult, after: LFWResult) -> Difference:
    """How much better `after` is, judged pair by pair.

    The interval is that of Agresti and Min (2005, "Simple improved confidence intervals for comparing
    matched proportions"), which holds up where few pairs, or none, are decided differently.

    Raises:
        DataError: the two results are not of the same pairs.
    """
    if _pairs(before) != _pairs(after):
        raise DataError(
            f"comparison: found results on different pairs ({before.n_pairs} before, {after.n_pairs} after); "
            "measure both on one pairs file and its images"
        )
    gained = int(np.count_nonzero(after.correct & ~before.correct))
    lost = int(np.count_nonzero(before.correct & ~after.correct))
    n = before.n_pairs + 2
    centre = (gained - lost) / n
    half = Z_95 * math.sqrt((gained + lost + 1) / n - centre**2) / math.sqrt(n)
    return Difference(
        accuracy=after.accuracy - before.accuracy,
        low=max(centre - half, -1.0),
        high=min(centre + half, 1.0),
        gained=gained,
        lost=lost,
        p_value=_mcnemar(gained, lost),
        val=after.val - before.val,
        auc=after.auc - before.auc,
    )


def _pairs(result: LFWResult) -> tuple[object, ...]:
    return result.n_pairs, result.n_same, result.pairs_sha256


def _mcnemar(gained: int, lost: int) -> float:
    """Two-sided binomial test that a pair decided differently is as likely gained as lost."""
    n = gained + lost
    ways = total = 1
    for k in range(min(gained, lost)):
        ways = ways * (n - k) // (k + 1)
        total += ways
    return min(1.0, 2 * total / 2**n)
