"""Identity checks by embeddings: mislabelled images, and two folders that are one person.

Embeddings have the mean of the set subtracted and are scaled to unit length. A person's centre is the mean of their
embeddings. FaceNet filters a dataset by the distance of each image to its class centre
(calculate_filtering_metrics.py). This check does the same, with these differences:

- The centre is the mean of the person's other images only.
- Images that are nearer to another person are left out of all centres.
- An image is judged by its excess: how much nearer it is to another person than to its own.
- The threshold comes from the set itself. A percentile would report just as many images in a set without errors.

The threshold is chosen as follows. The distribution of the excess for mislabelled images is simulated: each image
gets a random other name. Candidates are the thresholds that find 80 to 98 percent of these images. The highest
candidate gives an estimate of the number of mislabelled images, and thus of the number that each lower candidate
should find. The lowest candidate is taken for which this number is at least 90 percent of what it finds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from finetune.arrays import Doubles, class_sums, unit_rows

LEAST = 4
"""Least number of images of a person who is judged: a centre of fewer than three others says little."""
ROUNDS = 3
BLOCK = 1024
SAMPLE = 2000
FOUND = np.arange(0.80, 0.981, 0.01)
"""Shares of images under a random other name that the candidate thresholds find, in ascending order."""
RIGHT = 0.9
"""Least share of mislabelled images among those that a threshold finds."""
BY_CHANCE = 0.02
"""False discovery rate of the pairs that are reported as one person."""
LEAST_PAIRS = 45
"""Least number of pairs for an estimate of how alike two people are by chance: the pairs of ten people."""


@dataclass(frozen=True, eq=False)
class IdentityCheck:
    """Cosine similarities of images to the centres of people; NaN for images that are not judged.

    Attributes:
        own: similarity to the centre of the person's other images, [n].
        other: similarity to the centre of the nearest other person, [n].
        nearest: label of the nearest other person, int64 [n]; -1 if not judged.
        threshold: `other - own` above which an image is mislabelled; infinite if it can't be estimated.
    """

    own: Doubles
    other: Doubles
    nearest: npt.NDArray[np.int64]
    threshold: float

    @property
    def mislabelled(self) -> npt.NDArray[np.int64]:
        """Rows of the mislabelled images, the worst first."""
        excess = np.nan_to_num(self.other - self.own, nan=-np.inf)
        rows = np.flatnonzero(excess > self.threshold)
        return rows[np.argsort(-excess[rows], kind="stable")]


def centred(embeddings: npt.NDArray[np.float32], mean: Doubles | None = None) -> Doubles:
    """Subtract a mean, by default that of the rows, and scale the rows to unit length."""
    rows = embeddings.astype(np.float64)
    return unit_rows(rows - (rows.mean(0) if mean is None else mean))


def check_identities(embeddings: Doubles, labels: npt.NDArray[np.int64]) -> IdentityCheck:
    """Judge the images of people with at least `LEAST` images.

    Args:
        embeddings: embeddings from `centred`, [n, E].
        labels: label of each image's person, from 0, [n].
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
    """Return the people's centres without the mislabelled images, [people, E]; NaN if no image is left.

    Images that are nearer to another person but not mislabelled are included. If a person has two folders, half of
    each folder's images may be nearer to the other folder.
    """
    rows = np.delete(np.arange(len(labels)), judged.mislabelled)
    sums = class_sums(embeddings[rows], labels[rows], people)
    sums[np.bincount(labels[rows], minlength=people) == 0] = np.nan
    return unit_rows(sums)


def means(embeddings: Doubles, labels: npt.NDArray[np.int64]) -> Doubles:
    """Return the centre of all images of each label, [labels, E]."""
    return unit_rows(class_sums(embeddings, labels, int(labels.max(initial=-1)) + 1))


def alike(first: Doubles, second: Doubles | None = None) -> list[tuple[int, int, float]]:
    """Find people who are the same person by their centres, within one set or between two sets.

    The cosines of two people's centres are approximately normal. Their mean and deviation are estimated from all pairs
    by median and MAD, which few matching pairs hardly affect. Pairs are reported up to a false discovery rate of
    `BY_CHANCE` (Benjamini and Hochberg, 1995).

    Args:
        first, second: centres from `centres`.

    Returns:
        Tuples (row, row, cosine), the most alike first; nothing if there are too few people.
    """
    from scipy.stats import norm

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
    if deviation == 0:  # the model can't tell anybody apart
        return []
    least = middle + deviation * norm.isf(min(0.5, BY_CHANCE * len(rows) / pairs))  # the limit if every row had a match
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
    """Return the cosine to the nearest centre of another person, and the index of that centre."""
    cosine, best = np.empty(len(x)), np.empty(len(x), np.intp)
    for start in range(0, len(x), BLOCK):
        block = slice(start, start + BLOCK)
        cosines = x[block] @ centre.T
        cosines[np.arange(len(cosines)), y[block]] = -np.inf
        best[block], cosine[block] = cosines.argmax(1), cosines.max(1)
    return cosine, best


def _fitting(own: Doubles, other: Doubles, y: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Return a mask of the images for the centres: those nearest to their own centre, at least half of a person's."""
    fits = own >= other
    order = np.lexsort([-own, y])
    place = np.empty(len(y), np.int64)
    place[order] = np.arange(len(y)) - np.searchsorted(y[order], y[order])
    enough = np.bincount(y[fits], minlength=y.max() + 1) * 2 >= np.bincount(y)
    return fits | (~enough[y] & (place * 2 < np.bincount(y)[y]))


def _threshold(excess: Doubles, under_strangers: Doubles) -> float:
    """Return the excess above which an image is mislabelled.

    Args:
        excess: how much nearer each image is to another person than to its own.
        under_strangers: the same excess if each image were under a random other name.
    """
    candidates = np.quantile(under_strangers, 1 - FOUND)
    finds = np.array([(excess > threshold).sum() for threshold in candidates])
    mislabelled = finds[0] / FOUND[0]  # nearly everything above the highest threshold is mislabelled
    good = np.flatnonzero(mislabelled * FOUND >= RIGHT * finds)
    return max(0.0, float(candidates[good[-1] if len(good) else 0]))
