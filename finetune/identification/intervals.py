"""95 % intervals of rates: Wilson's, or a bootstrap over subjects if a subject has several images."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from finetune.arrays import Doubles, Labels
from finetune.verification import RESAMPLES, wilson

CONFIDENCE = 0.95
SEED = 0


class Rate(NamedTuple):
    """Rate with its 95 % interval.

    Attributes:
        value: rate, 0 to 1.
        low, high: ends of the interval, 0 to 1.
        n: number of images that the rate is counted on.
    """

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.value:.4f} (95 %: {self.low:.4f} to {self.high:.4f})"


def rate_of(hits: npt.NDArray[np.bool_], subjects: Labels | None = None) -> Rate:
    """Return the share of hits [n] with its interval; see `rate_intervals`."""
    low, high = rate_intervals(hits[:, np.newaxis], subjects)[0].tolist()
    return Rate(float(np.mean(hits)), low, high, len(hits))


def rate_intervals(hits: npt.NDArray[np.bool_], subjects: Labels | None = None) -> Doubles:
    """Return the 95 % interval of the share of hits in each column.

    Images of one subject depend on each other: a person who is hard to recognise is so on most photos. If a subject has
    several images, subjects are drawn with replacement, each with all of its images (ISO/IEC 19795-1 names this the
    subject-based bootstrap). The interval holds the middle 95 % of the rates of 1,000 draws. If all images are hits, or
    none is, every draw has the same rate. Wilson's interval for that many subjects then stands in.

    Args:
        hits: True where an image counts, bool [n, columns], n >= 1.
        subjects: label of each image's subject, int64 [n]; None if each image shows another subject.

    Returns:
        Lower and upper ends, float64 [columns, 2].
    """
    n = len(hits)
    if subjects is None or len(np.unique(subjects)) == n:
        return wilson(hits.mean(axis=0), n)
    _, places, images = np.unique(subjects, return_inverse=True, return_counts=True)
    people = len(images)
    theirs = np.zeros([people, hits.shape[1]])
    np.add.at(theirs, places, hits)  # [n, columns] -> [people, columns]
    draws = np.random.default_rng(SEED).multinomial(people, np.full(people, 1 / people), RESAMPLES)  # [draws, people]
    rates = (draws @ theirs) / (draws @ images)[:, np.newaxis]  # [draws, columns]
    ends: Doubles = np.quantile(rates, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0).T
    share = hits.mean(axis=0)
    alike = (share == 0) | (share == 1)
    ends[alike] = wilson(share[alike], people)
    return ends
