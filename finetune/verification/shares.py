"""Shares of pairs that are decided wrongly, with intervals that allow for people who are in several pairs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from finetune.verification.comparison import Z_95
from finetune.verification.rate_interval import wilson

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

CONFIDENCE = 0.95
LEAST_PAIRS = 35
"""Least number of pairs for a share. With fewer, the 95 % interval of no error at all would reach beyond 10 %."""
LEAST_PEOPLE = 20
"""Least effective number of people for a share. With fewer, the dependence of their pairs can't be estimated."""


class Share(NamedTuple):
    """Share of some pairs, with its 95 % interval.

    Attributes:
        counted: number of the pairs that are counted, such as those decided wrongly.
        pairs: number of all pairs.
        people: number of people in the pairs.
        rate: `counted` divided by `pairs`, 0 to 1. None if the pairs are too few for a rate.
        low, high: 95 % interval of the rate among such pairs of such people; None without a rate.
    """

    counted: int
    pairs: int
    people: int
    rate: float | None = None
    low: float | None = None
    high: float | None = None


def share(counted: Bools, first: Indices, second: Indices) -> Share:
    """Return the share of the pairs that are counted, with its interval.

    The interval is Wilson's at the effective number of pairs, as Fogliato, Patil and Perona recommend (2024,
    "Confidence intervals for error rates in 1:1 matching tasks"). That number is the number of pairs divided by the
    ratio of two variances: one allows for pairs that share a person, the other takes all pairs as independent. If each
    person is in one pair alone, it is Wilson's plain interval. If all pairs are decided alike, the dependence can't be
    estimated. The number of people, or half of it for pairs of two, then bounds the number of pairs.

    Args:
        counted: True for each pair that is counted, bool [n].
        first, second: number of each pair's people, from 0, int [n]. They are equal for a pair of one person.
    """
    n, count = len(counted), int(np.count_nonzero(counted))
    uses = uses_of(first, second)
    people = int(np.count_nonzero(uses))
    if not enough(first, second):
        return Share(count, n, people)
    rate, effective = count / n, effective_people(uses)
    independent, z = float(n), Z_95
    if uses.max() > 1 and 0 < count < n:
        ratio = variance(counted.astype(np.float64) - rate, first, second) * n / (rate * (1 - rate))
        if ratio > 1:
            independent, z = n / ratio, quantile(effective)
    elif uses.max() > 1:
        independent = min(independent, effective if np.array_equal(first, second) else effective / 2)
    low, high = wilson(rate, independent, z).tolist()
    return Share(count, n, people, rate, low, high)


def enough(first: Indices, second: Indices) -> bool:
    """Return whether there are enough pairs, of enough people, for a share."""
    return len(first) >= LEAST_PAIRS and effective_people(uses_of(first, second)) >= LEAST_PEOPLE


def effective_people(uses: npt.NDArray[np.intp]) -> float:
    """Return the number of people who would give as much if all were in equally many pairs (Kish 1965).

    Args:
        uses: number of pairs that each person is in, int [people].
    """
    return float(uses.sum()) ** 2 / float(np.sum(uses.astype(np.float64) ** 2))


def variance(values: Floats, first: Indices, second: Indices) -> float:
    """Return the variance of the mean of pairs' values, which are centred, where pairs that share a person depend.

    It sums the products of the values of all pairs of pairs that share somebody (Fafchamps and Gubert 2007, "The
    formation of risk sharing networks"). Each person's sum is enlarged as in the jackknife, because the mean that was
    subtracted contains it.

    Args:
        values: values minus their mean, float [n].
        first, second: number of each pair's people, from 0, int [n]; equal for a pair of one person.
    """
    n, uses = len(values), uses_of(first, second)
    two = first != second
    enlarged = 1 / np.maximum(1 - uses / n, 1 / n)
    sums = enlarged * (np.bincount(first, values, len(uses)) + np.bincount(second[two], values[two], len(uses)))
    # Two pairs of the same two people share both of them, and are thus in the sums twice.
    couples = np.minimum(first, second)[two] * len(uses) + np.maximum(first, second)[two]
    _, couple = np.unique(couples, return_inverse=True)
    twice = np.bincount(couple, values[two], 1)
    return max(0.0, float(np.sum(sums**2) - np.sum(twice**2))) / n**2


def quantile(effective: float) -> float:
    """Return the number of standard errors to each end of a 95 % interval, by Student's t of that many people."""
    from scipy import stats  # takes most of a second

    return float(stats.t.ppf((1 + CONFIDENCE) / 2, effective - 1))


def uses_of(first: Indices, second: Indices) -> npt.NDArray[np.intp]:
    """Return the number of pairs that each person is in, int [people]."""
    people = int(max(first.max(), second.max())) + 1 if len(first) else 1
    return np.bincount(first, minlength=people) + np.bincount(second[first != second], minlength=people)
