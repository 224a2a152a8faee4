"""Pairs of strangers' images, and what embeddings give on them: accuracy with an interval, validation rate, names."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sklearn.metrics import roc_auc_score

PAIRS, FOLDS, DRAWS, FAR = 5_000, 10, 2_000, 0.01


class Pairs(NamedTuple):
    """Pairs of strangers' images: rows of the two, [n], whether they show one person, and the fold."""

    first: np.ndarray
    second: np.ndarray
    same: np.ndarray
    fold: np.ndarray


class Judged(NamedTuple):
    """Figures of embeddings on pairs: correctness of each pair, accuracy, validation rate, area under the curve."""

    correct: np.ndarray
    accuracy: float
    val: float
    auc: float


def draw_pairs(people: np.ndarray) -> Pairs:
    """Return all pairs of one person, and drawn pairs of two, in shuffled folds."""
    generator = np.random.default_rng(5)
    first, second = np.triu_indices(len(people), 1)
    same = people[first] == people[second]
    others = generator.choice(np.flatnonzero(~same), PAIRS - same.sum(), replace=False)
    rows = generator.permutation(np.concatenate([np.flatnonzero(same), others]))
    return Pairs(first[rows], second[rows], same[rows], np.arange(PAIRS) * FOLDS // PAIRS)


def judge(embeddings: np.ndarray, pairs: Pairs) -> Judged:
    """Judge pairs by cosines without the mean, in ten folds, with thresholds from the other nine.

    Accuracy is the mean of that on pairs of one person and that on pairs of two, of which there are many more.
    """
    correct, scores, accepted = np.zeros(PAIRS, bool), np.zeros(PAIRS), np.zeros(PAIRS, bool)
    thresholds = np.linspace(-1, 1, 2001)
    for fold in range(FOLDS):
        test = pairs.fold == fold
        seen = np.unique([pairs.first[~test], pairs.second[~test]])
        centred = embeddings - embeddings[seen].mean(0)
        centred /= np.linalg.norm(centred, axis=1, keepdims=True)
        cosines = np.sum(centred[pairs.first] * centred[pairs.second], axis=1)
        same, two = cosines[~test & pairs.same], cosines[~test & ~pairs.same]
        rates = [np.searchsorted(np.sort(values), thresholds, "right") / len(values) for values in (same, two)]
        correct[test] = ((cosines > thresholds[np.argmax(rates[1] - rates[0])]) == pairs.same)[test]
        accepted[test] = (cosines > np.quantile(two, 1 - FAR))[test]
        scores[test] = cosines[test]
    return Judged(
        correct, balanced(correct, pairs.same), float(accepted[pairs.same].mean()), roc_auc_score(pairs.same, scores)
    )


def balanced(values: np.ndarray, same: np.ndarray) -> float:
    """Return the mean over pairs of one person and over pairs of two, each with half of the weight."""
    return float((values[same].mean() + values[~same].mean()) / 2)


def interval(change: np.ndarray, pairs: Pairs, people: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of a mean change of correctness, by a bootstrap that draws people."""
    _, person = np.unique(people, return_inverse=True)
    generator, n, means = np.random.default_rng(0), person.max() + 1, []
    first, second = person[pairs.first], person[pairs.second]
    for _ in range(DRAWS):
        times = np.bincount(generator.integers(n, size=n), minlength=n)
        weights = np.where(pairs.same, times[first], times[first] * times[second])
        sides = [np.average(change[side], weights=weights[side]) for side in (pairs.same, ~pairs.same)]
        means.append(np.mean(sides))
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def identified(gallery: np.ndarray, probes: np.ndarray, people: np.ndarray) -> float:
    """Return the share of probes that are nearest to their own person among the first photos of all people."""
    names, first, counts = np.unique(people, return_index=True, return_counts=True)
    rest = np.flatnonzero(np.isin(people, names[counts > 1]) & ~np.isin(np.arange(len(people)), first))
    return float(np.mean(people[first][np.argmax(probes[rest] @ gallery[first].T, axis=1)] == people[rest]))
