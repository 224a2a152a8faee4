"""Thresholds for false accept rates, and how sure one can be of them."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from scipy import stats

from finetune.verification.result import VerificationResult

CONFIDENCE = 0.95


def least_rate(independent: float) -> float:
    """The lowest false accept rate that so many independent strangers can promise: that of their nearest one."""
    return 1 / (independent + 1)


def interval(k: float, independent: float) -> tuple[float, float]:
    """Between which the false accept rate lies, 95 % of the time, at the k-th nearest of so many independent scores.

    That rate has the distribution Beta(k, independent + 1 - k).
    """
    low, high = stats.beta.ppf([(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], k, independent + 1 - k)
    return float(low), float(high)


@dataclasses.dataclass(frozen=True)
class OperatingPoint:
    """What a threshold on all pairs of a result gives.

    Attributes:
        far: the false accept rate that was asked for.
        threshold: a distance; pairs nearer than it are accepted.
        far_low, far_high: 95 % interval of the false accept rate among pairs like these.
        val: share of the pairs of one person that are accepted.
        val_low, val_high: its 95 % interval (Wilson's).
    """

    far: float
    threshold: float
    far_low: float
    far_high: float
    val: float
    val_low: float
    val_high: float


def operating_point(result: VerificationResult, far: float) -> OperatingPoint | None:
    """The largest threshold whose expected false accept rate is at most `far`, from all pairs at once.

    It is the k-th smallest distance of the n pairs of two people, k = ⌊far (n + 1)⌋: the rate of further pairs is
    then k / (n + 1) in the mean. The protocol's own validation rate chooses its thresholds on other folds instead.
    Pairs that share people say less than independent ones would, so that the intervals are a little narrow.

    Returns:
        None where the pairs are too few for the rate, or their distances were not kept.
    """
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
