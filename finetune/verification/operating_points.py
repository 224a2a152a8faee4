"""Thresholds for false accept rates, with their uncertainty."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from finetune.verification.result import VerificationResult

CONFIDENCE = 0.95


def least_rate(independent: float) -> float:
    """Return the lowest false accept rate that this many independent strangers can promise: 1 of n + 1."""
    return 1 / (independent + 1)


def rounded_up(rate: float) -> str:
    """Format a rate with three digits, rounded up: it must not be below what can be promised."""
    unit = 10.0 ** (math.floor(math.log10(rate)) - 2)
    return f"{math.ceil(rate / unit - 1e-9) * unit:.3g}"


def interval(k: float, independent: float) -> tuple[float, float]:
    """Return the 95 % interval of the false accept rate at the k-th nearest of n = `independent` scores.

    That rate has the distribution Beta(k, n + 1 - k).
    """
    from scipy import stats  # takes most of a second

    low, high = stats.beta.ppf([(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], k, independent + 1 - k)
    return float(low), float(high)


@dataclasses.dataclass(frozen=True)
class OperatingPoint:
    """Rates at a threshold over all pairs of a result.

    Attributes:
        far: requested false accept rate.
        threshold: distance below which pairs are accepted.
        far_low, far_high: 95 % interval of the false accept rate among pairs like these.
        val: share of the pairs of one person that are accepted.
        val_low, val_high: 95 % interval of `val` (Wilson).
    """

    far: float
    threshold: float
    far_low: float
    far_high: float
    val: float
    val_low: float
    val_high: float


def operating_point(result: VerificationResult, far: float) -> OperatingPoint | None:
    """Return the largest threshold whose expected false accept rate is at most `far`, over all pairs at once.

    The threshold is the k-th smallest distance of the n pairs of two people, with k = ⌊far (n + 1)⌋. Further pairs then
    have an expected rate of k / (n + 1). The protocol's validation rate instead takes its thresholds from other folds.
    Pairs that share people carry less information than independent pairs, so the intervals are slightly too narrow.

    Returns:
        Operating point, or None if the pairs are too few for the rate, or their distances were not kept.
    """
    from scipy import stats  # takes most of a second

    if result.distances is None or result.is_same is None:
        return None
    different = np.sort(result.distances[~result.is_same])
    same = result.distances[result.is_same]
    k = math.floor(far * (len(different) + 1) + 1e-9)
    if k < 1 or not len(same):
        return None
    threshold = float(different[k - 1])
    accepted = int(np.count_nonzero(same < threshold))
    share = stats.binomtest(accepted, len(same)).proportion_ci(CONFIDENCE, "wilson")
    return OperatingPoint(
        far, threshold, *interval(k, len(different)), accepted / len(same), float(share.low), float(share.high)
    )
