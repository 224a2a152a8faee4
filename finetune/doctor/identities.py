"""Whose face an image shows, by embeddings: mislabelled images, and two folders that are one person.

Embeddings have the mean of the set subtracted and unit length; a person's centre is the mean of
theirs. As in FaceNet's filtering of a dataset by the distance to the class centre
(calculate_filtering_metrics.py), an image is judged by its distance to its person's centre; but that
centre is of the person's other images alone, images that were nearer to another person are left out
of all centres, and what counts is how much nearer another person is, against a threshold that the
set itself gives, not a percentile, which would call as many wrong in a set without a fault.

The threshold: each image is put under a random other name, in thought, and how much nearer its right
person then is gives the distribution for mislabelled images. Thresholds that find 80 to 98 percent of
those come into question. What the highest finds among the real names tells how many mislabelled images
there are, and so how many each lower one should find: the lowest is taken of which at least 90 percent
of what it finds is accounted for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from finetune.arrays import Doubles, class_sums, unit_rows

LEAST = 4
"""Images that a person needs to be judged: a centre of fewer than three others says little."""
ROUNDS = 3
BLOCK = 1024
SAMPLE = 2000
FOUND = np.arange(0.80, 0.981, 0.01)
"""Of images under a random other name, the share that a threshold would find; the least comes first."""
RIGHT = 0.9
"""Of what a threshold finds, the share that is to be mislabelled."""
BY_CHANCE = 0.02
"""Of the pairs that are taken for one person, the share that may be two who are alike by chance."""
LEAST_PAIRS = 45
"""Of people, whose likenesses show how alike two people are by chance: ten people."""


@dataclass(frozen=True, eq=False)
class IdentityCheck:
    """Images by the centres of people, as cosines; of those that are not judged, NaN.

    Attributes:
        own: to their person's, of the other images [n].
        other: to the nearest other person's [n].
        nearest: that person's label, int64 [n]; -1 where not judged.
        threshold: `other - own` above which an image is mislabelled; infinite where it can't be told.
    """

    own: Doubles
    other: Doubles
    nearest: npt.NDArray[np.int64]
    threshold: float

    @property
    def mislabelled(self) -> npt.NDArray[np.int64]:
        """Rows, the worst first."""
        excess = np.nan_to_num(self.other - self.own, nan=-np.inf)
        rows = np.flatnonzero(excess > self.threshold)
        return rows[np.argsort(-excess[rows], kind="stable")]


def centred(embeddings: npt.NDArray[np.float32], mean: Doubles | None = None) -> Doubles:
    """Unit rows after a mean, that of the rows where none is given, was subtracted."""
    rows = embeddings.astype(np.float64)
    return unit_rows(rows - (rows.mean(0) if mean is None else mean))


def check_identities(embeddings: Doubles, labels: npt.NDArray[np.int64]) -> IdentityCheck:
    """Judges the images of people with `LEAST` images and more.

    Args:
        embeddings: what `centred` gave, [n, E].
        labels: of people, from 0, [n].
    """
    n = len(labels)
    own, other = np.full(n, np.nan), np.full(n, np.nan)
    nearest = np.full(n, -1, np.int64)
    people, counts = np.unique(labels, return_counts=True)
    people = people[counts >= LEAST]
    rows = np.flatnonzero(np.isin(labels, people))
    if len(people) < 2:
        return IdentityCheck(own, other, nearest, np.inf)
    x, y = embeddings[rows], np.searchsorted(people, labels[rows])
    fits = np.ones(len(rows), bool)
    for _ in range(ROUNDS):
        sums = class_sums(x[fits], y[fits], len(people))
        own[rows] = (x * unit_rows(sums[y] - x * fits[:, np.newaxis])).sum(1)
        other[rows], best = _nearest_other(x, y, unit_rows(sums))
        nearest[rows] = people[best]
        fits = _fitting(own[rows], other[rows], y)
    strangers = (y + np.random.default_rng(0).integers(1, len(people), len(y))) % len(people)
    to_stranger = (x * unit_rows(sums)[strangers]).sum(1)
    threshold = _threshold(other[rows] - own[rows], np.maximum(own[rows], other[rows]) - to_stranger)
    return IdentityCheck(own, other, nearest, threshold)


def centres(embeddings: Doubles, labels: npt.NDArray[np.int64], judged: IdentityCheck, people: int) -> Doubles:
    """The people's centres, [people, E], without the mislabelled; NaN where nothing is left.

    Images that are nearer to another person, but not by enough to be mislabelled, stay: of a person
    in two folders, half of each may be nearer to the other.
    """
    rows = np.delete(np.arange(len(labels)), judged.mislabelled)
    sums = class_sums(embeddings[rows], labels[rows], people)
    sums[np.bincount(labels[rows], minlength=people) == 0] = np.nan
    return unit_rows(sums)


def means(embeddings: Doubles, labels: npt.NDArray[np.int64]) -> Doubles:
    """The centres of all images of each label, [labels, E]."""
    return unit_rows(class_sums(embeddings, labels, int(labels.max(initial=-1)) + 1))


def alike(first: Doubles, second: Doubles | None = None) -> list[tuple[int, int, float]]:
    """People that are one, by their centres: within one set, or between two sets.

    The cosines of two people's centres are about normal. Mean and deviation are taken from the pairs
    themselves (median and MAD, on which the few pairs that are looked for weigh nothing); found are as
    many of the most alike as hold `BY_CHANCE` at the most that so many pairs would give by chance
    (Benjamini and Hochberg, 1995).

    Args:
        first, second: what `centres` gave.

    Returns:
        (row, row, cosine), the most alike first; nothing where there are too few people to tell.
    """
    other = first if second is None else second
    rows, columns = (np.flatnonzero(~np.isnan(c[:, 0])) for c in (first, other))
    pairs = len(rows) * (len(rows) - 1) // 2 if second is None else len(rows) * len(columns)
    if pairs < LEAST_PAIRS:
        return []
    generator = np.random.default_rng(0)
    sample = first[_some(rows, generator)] @ other[_some(columns, generator)].T
    sample = sample[sample < 1 - 1e-9]  # a person with themselves
    middle = float(np.median(sample)) if sample.size else 1.0
    deviation = 1.4826 * float(np.median(np.abs(sample - middle))) if sample.size else 0.0
    if deviation == 0:  # all are one to this model
        return []
    least = middle + deviation * norm.isf(min(0.5, BY_CHANCE * len(rows) / pairs))  # were each row's person found
    found: list[tuple[int, int, float]] = []
    for start in range(0, len(rows), BLOCK):
        cosines = first[rows[start : start + BLOCK]] @ other[columns].T
        for i, j in zip(*np.nonzero(cosines > least), strict=True):
            row, column = int(rows[start + i]), int(columns[j])
            if second is not None or row < column:
                found.append((row, column, float(cosines[i, j])))
    found.sort(key=lambda pair: -pair[2])
    by_chance = pairs * norm.sf((np.array([cosine for *_, cosine in found]) - middle) / deviation)
    good = np.flatnonzero(by_chance <= BY_CHANCE * np.arange(1, len(found) + 1))
    return found[: good[-1] + 1] if len(good) else []


def _some(rows: npt.NDArray[np.intp], generator: np.random.Generator) -> npt.NDArray[np.intp]:
    return rows if len(rows) <= SAMPLE else np.sort(generator.choice(rows, SAMPLE, replace=False))


def _nearest_other(x: Doubles, y: npt.NDArray[np.int64], centre: Doubles) -> tuple[Doubles, npt.NDArray[np.intp]]:
    """The cosine to the nearest centre of another person, and whose it is."""
    cosine, best = np.empty(len(x)), np.empty(len(x), np.intp)
    for start in range(0, len(x), BLOCK):
        block = slice(start, start + BLOCK)
        cosines = x[block] @ centre.T
        cosines[np.arange(len(cosines)), y[block]] = -np.inf
        best[block], cosine[block] = cosines.argmax(1), cosines.max(1)
    return cosine, best


def _fitting(own: Doubles, other: Doubles, y: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Which images a centre is made of: those nearer to it than to another, and half of a person's at the least."""
    fits = own >= other
    order = np.lexsort([-own, y])
    place = np.empty(len(y), np.int64)
    place[order] = np.arange(len(y)) - np.searchsorted(y[order], y[order])
    enough = np.bincount(y[fits], minlength=y.max() + 1) * 2 >= np.bincount(y)
    return fits | (~enough[y] & (place * 2 < np.bincount(y)[y]))


def _threshold(excess: Doubles, under_strangers: Doubles) -> float:
    """Above which excess an image is mislabelled.

    Args:
        excess: of each image, how much nearer another person is than its own.
        under_strangers: what that would be, were the image under a random other name.
    """
    candidates = np.quantile(under_strangers, 1 - FOUND)
    finds = np.array([(excess > threshold).sum() for threshold in candidates])
    mislabelled = finds[0] / FOUND[0]  # at the highest threshold nearly all that is found is
    good = np.flatnonzero(mislabelled * FOUND >= RIGHT * finds)
    return max(0.0, float(candidates[good[-1] if len(good) else 0]))
