"""Whether two photos show one person: their distance, and the threshold that few pairs of different people pass."""

from __future__ import annotations

import numpy as np

from finetune.errors import DataError
from finetune.evaluation.operating_points import interval, least_rate
from finetune.gallery.calibration import Threshold
from finetune.gallery.gallery import Gallery

FAR = 0.01
MOST_PEOPLE = 3_000
"""Whose pairs are looked at, 4.5 million of them."""


def pair_threshold(gallery: Gallery, far: float = FAR) -> Threshold:
    """The cosine similarity that a share `far` of pairs of different people exceeds.

    The pairs are those of one photo each of everybody in the gallery, strangers too. Pairs of n people tell no more
    of the rate than n / 2 independent pairs would, at the least (Hoeffding 1948, of U-statistics), which the interval
    goes by.

    Args:
        far: above 0, below 1.

    Raises:
        DataError: there are too few people to promise this.
    """
    labels = np.concatenate([gallery.labels, -1 - gallery.stranger_labels])
    rows = np.unique(labels, return_index=True)[1]
    rows = rows[:: -(-len(rows) // MOST_PEOPLE)] if len(rows) else rows
    embeddings = np.concatenate([gallery.embeddings, gallery.strangers.embeddings])[rows]
    n = len(embeddings)
    if n < 2 or far < least_rate(n / 2):
        raise DataError(
            f"{n} people, enrolled and strangers, can promise a false accept rate of no less than "
            f"{least_rate(n / 2):.3g}, not {far:g}: enrol more, or strangers"
        )
    similarities = np.sort((embeddings @ embeddings.T)[np.triu_indices(n, 1)])[::-1]
    value = float(similarities[int(far * len(similarities))])
    low, high = interval(far * (n / 2 + 1), n / 2)
    return Threshold(value, far, low, high, n, "people, in pairs")
