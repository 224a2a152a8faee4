"""Threshold of the similarity of two photos: few pairs of different people exceed it."""

from __future__ import annotations

import math

import numpy as np

from finetune.errors import DataError, Problem
from finetune.gallery.calibration import Threshold
from finetune.gallery.gallery import Gallery
from finetune.verification import interval, least_rate

FAR = 0.01
MOST_PEOPLE = 3_000
"""Largest number of people whose pairs are compared: 4.5 million pairs."""


def pair_threshold(gallery: Gallery, far: float = FAR) -> Threshold:
    """Return the cosine similarity that a share `far` of the pairs of different people exceeds.

    The pairs use one photo of each person in the gallery, strangers included. Pairs of n people are at least as
    informative as n / 2 independent pairs (Hoeffding 1948, on U-statistics). The interval assumes n / 2.

    Args:
        far: false accept rate, 0 < far < 1.

    Raises:
        DataError: there are too few people to promise this rate. The message says how many more are needed, and which
            rate is possible.
    """
    labels = np.concatenate([gallery.labels, -1 - gallery.stranger_labels])
    rows = np.unique(labels, return_index=True)[1]
    people = len(rows)
    rows = rows[:: -(-people // MOST_PEOPLE)] if people else rows
    embeddings = np.concatenate([gallery.embeddings, gallery.strangers.embeddings])[rows]
    n = len(embeddings)
    if n < 2 or far < least_rate(n / 2):
        needed = max(2, math.ceil(2 * (1 / far - 1) - 1e-9))
        ways = []
        if people < needed <= MOST_PEOPLE:
            ways.append(f"add {needed - people} strangers (finetune enroll GALLERY FOLDER --strangers)")
        if n >= 2:
            ways.append(f"give --far {_rounded_up(least_rate(n / 2))} or more")
        found = (
            f"a false accept rate of {far:g} takes {needed} people, enrolled and strangers, where {n} can be compared"
        )
        raise DataError(Problem("", found, ", or ".join(ways or ["enrol people"])))
    similarities = np.sort((embeddings @ embeddings.T)[np.triu_indices(n, 1)])[::-1]
    value = float(similarities[int(far * len(similarities))])
    low, high = interval(far * (n / 2 + 1), n / 2)
    return Threshold(value, far, low, high, n, "people, in pairs")


def _rounded_up(rate: float) -> str:
    """Format a rate with three digits, rounded up: it must not be below what can be promised."""
    unit = 10.0 ** (math.floor(math.log10(rate)) - 2)
    return f"{math.ceil(rate / unit - 1e-9) * unit:.3g}"
