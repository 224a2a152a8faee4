"""The difference between two results on the same pairs, and whether chance explains it."""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats

from finetune.errors import DataError, Problem
from finetune.verification.result import VerificationResult

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


class PairedInterval(NamedTuple):
    """The difference of two shares of right answers to the same questions.

    Attributes:
        difference: after less before, -1 to 1.
        low, high: its 95 % interval.
        gained, lost: questions that only the one after, only the one before, answers rightly.
        p_value: exact McNemar test, two-sided.
    """

    difference: float
    low: float
    high: float
    gained: int
    lost: int
    p_value: float


def paired_interval(before: npt.NDArray[np.bool_], after: npt.NDArray[np.bool_]) -> PairedInterval:
    """How much better `after` is, judged question by question.

    The interval is that of Agresti and Min (2005, "Simple improved confidence intervals for comparing
    matched proportions"), which holds up where few answers, or none, differ.

    Args:
        before, after: bool [n], whether each answer is right; n from 1.
    """
    gained, lost = int(np.count_nonzero(after & ~before)), int(np.count_nonzero(before & ~after))
    n = len(before) + 2
    centre = (gained - lost) / n
    half = Z_95 * math.sqrt((gained + lost + 1) / n - centre**2) / math.sqrt(n)
    low, high = max(centre - half, -1.0), min(centre + half, 1.0)
    # McNemar's exact test: an answer that changed is as likely gained as lost.
    p_value = float(stats.binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0
    return PairedInterval((gained - lost) / len(before), low, high, gained, lost, p_value)


def compare(before: VerificationResult, after: VerificationResult) -> Difference:
    """How much better `after` is, judged pair by pair; see `paired_interval`.

    Raises:
        DataError: the two results are not of the same pairs.
    """
    refuse_different(before, after)
    paired = paired_interval(before.correct, after.correct)
    return Difference(
        accuracy=after.accuracy - before.accuracy,
        low=paired.low,
        high=paired.high,
        gained=paired.gained,
        lost=paired.lost,
        p_value=paired.p_value,
        val=after.val - before.val,
        auc=after.auc - before.auc,
    )


def refuse_different(before: VerificationResult, after: VerificationResult) -> None:
    """Raises DataError where two results are not of the same pairs."""
    if _pairs(before) != _pairs(after):
        raise DataError(
            Problem(
                "comparison",
                f"found results on different pairs ({before.n_pairs} before, {after.n_pairs} after)",
                "measure both on one pairs file and its images",
            )
        )


def _pairs(result: VerificationResult) -> tuple[object, ...]:
    return result.n_pairs, result.n_same, result.pairs_sha256
