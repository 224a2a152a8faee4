"""Difference between two results on the same pairs, and whether chance explains it."""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from finetune.errors import DataError, Problem
from finetune.verification.result import VerificationResult

Z_95 = 1.959963984540054
"""Quantile of the normal distribution at 0.975."""


@dataclasses.dataclass(frozen=True)
class Difference:
    """Difference of two results on the same pairs, `after` minus `before`.

    Attributes:
        accuracy: difference of the accuracies, -1 to 1.
        low: lower end of the 95 % interval of the paired difference in accuracy.
        high: upper end of this interval.
        gained: number of pairs that only `after` decides correctly.
        lost: number of pairs that only `before` decides correctly.
        p_value: p-value of the exact two-sided McNemar test: the probability that chance alone splits `gained` and
            `lost` at least this unevenly.
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
    """Difference of two shares of correct answers to the same questions.

    Attributes:
        difference: share after minus share before, -1 to 1.
        low, high: 95 % interval of the difference.
        gained: number of questions that are only answered correctly after.
        lost: number of questions that are only answered correctly before.
        p_value: p-value of the exact two-sided McNemar test.
    """

    difference: float
    low: float
    high: float
    gained: int
    lost: int
    p_value: float


def paired_interval(before: npt.NDArray[np.bool_], after: npt.NDArray[np.bool_]) -> PairedInterval:
    """Return the paired difference of two sets of answers, with its 95 % interval.

    The interval is that of Agresti and Min (2005, "Simple improved confidence intervals for comparing matched
    proportions"). It is valid even if few answers, or none, differ.

    Args:
        before, after: True for each correct answer, bool [n], n from 1.
    """
    from scipy import stats  # takes most of a second

    gained, lost = int(np.count_nonzero(after & ~before)), int(np.count_nonzero(before & ~after))
    n = len(before) + 2
    centre = (gained - lost) / n
    half = Z_95 * math.sqrt((gained + lost + 1) / n - centre**2) / math.sqrt(n)
    low, high = max(centre - half, -1.0), min(centre + half, 1.0)
    # McNemar's exact test: under the null hypothesis a changed answer is as likely gained as lost.
    p_value = float(stats.binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0
    return PairedInterval((gained - lost) / len(before), low, high, gained, lost, p_value)


def compare(before: VerificationResult, after: VerificationResult) -> Difference:
    """Return the difference of two results, compared pair by pair; see `paired_interval`.

    Raises:
        DataError: the results are not of the same pairs.
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
    """Raise a DataError if two results are not of the same pairs, or not by the same protocol."""
    if _pairs(before) != _pairs(after):
        raise DataError(
            Problem(
                "comparison",
                f"found results on different pairs ({before.n_pairs} before, {after.n_pairs} after)",
                "measure both on one pairs file and its images",
            )
        )
    if before.protocol != after.protocol:
        raise DataError(Problem("comparison", "found results of two protocols", "measure both by one protocol"))


def _pairs(result: VerificationResult) -> tuple[object, ...]:
    return result.n_pairs, result.n_same, result.pairs_sha256
