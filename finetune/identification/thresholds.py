"""Conservative thresholds: a further person's score exceeds them with at most a requested probability."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from finetune.arrays import Floats, Labels


class Conservative(NamedTuple):
    """Threshold for a false positive rate.

    Attributes:
        value: score that an accepted one must exceed.
        k: place of this score among those of the people, from the highest. A further person exceeds it with probability
            k / (people + 1).
        people: number of people that it comes from.
    """

    value: float
    k: float
    people: int


def conservative_threshold(scores: Floats, people: Labels, rate: float) -> Conservative | None:
    """Return the lowest threshold whose expected false positive rate is at most `rate`.

    Every person has the same weight in the rate: with several photos, each has its share of that weight. If each of n
    people has one photo, the threshold is the k-th highest score, with k = ⌊rate (n + 1)⌋. A further person exceeds it
    with probability k / (n + 1). The mean over draws of people thus keeps to the rate, which the ⌊rate n⌋-th score of
    the sample would not. This follows from order statistics and is the guarantee of conformal prediction. It only
    assumes that people are exchangeable.

    Args:
        scores: highest score of each photo, [s].
        people: label of each photo's person, int64 [s].
        rate: false positive rate, 0 < rate < 1.

    Returns:
        Threshold, or None if there are too few people: it takes 1 / rate - 1.
    """
    _, places, photos = np.unique(people, return_inverse=True, return_counts=True)
    n = len(photos)
    order = np.argsort(-scores, kind="stable")
    weights = (1 / photos)[places][order]
    ordered = scores[order]
    above = np.concatenate([[0.0], np.cumsum(weights)])[np.searchsorted(-ordered, -ordered, side="left")]
    # The lowest score for which the people above it and one further person are still few enough.
    fits = np.flatnonzero((above + 1) / (n + 1) <= rate + 1e-12)
    if not len(fits):
        return None
    return Conservative(float(ordered[fits[-1]]), float(above[fits[-1]]) + 1, n)
