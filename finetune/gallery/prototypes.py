"""The nearest class mean: a classifier that a person, or a photo, is added to at once."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin

from finetune.evaluation.search import nearest

Floats = npt.NDArray[np.floating[Any]]
Labels = npt.NDArray[np.int64]
BLOCK = 2**22
"""Scores that are held at a time, 32 MiB."""
NOBODY = -1
"""The label where there is no runner-up."""


class Best(NamedTuple):
    """The two people who score highest for each face.

    Attributes:
        labels: int64 [m, 2]: the first, and the runner-up or `NOBODY`.
        scores: float64 [m, 2]; -inf for nobody.
    """

    labels: Labels
    scores: npt.NDArray[np.float64]


def two_best(scores: Floats, classes: Labels) -> Best:
    """From scores [m, classes]; of equal ones, the lower label first."""
    m, rows = len(scores), np.arange(len(scores))
    labels = np.full([m, 2], NOBODY, np.int64)
    best = np.full([m, 2], -np.inf)
    rest = np.array(scores, np.float64)
    for place in range(min(2, rest.shape[1])):
        columns = rest.argmax(axis=1)
        labels[:, place], best[:, place] = classes[columns], rest[rows, columns]
        rest[rows, columns] = -np.inf
    return Best(labels, best)


class NearestPrototype(ClassifierMixin, BaseEstimator):
    """A person is the mean of their embeddings, of unit length; a score is the cosine similarity to it.

    Attributes:
        classes_: int64 [p], sorted.
        prototypes_: float32 [p, E].
    """

    def fit(self, X: Floats, y: Labels) -> NearestPrototype:  # noqa: N803
        """From unit embeddings [n, E] and labels [n]."""
        self.classes_ = np.empty(0, np.int64)
        self._sums = np.empty([0, X.shape[1]])
        return self.partial_fit(X, y)

    def partial_fit(self, X: Floats, y: Labels) -> NearestPrototype:  # noqa: N803
        """Adds photos, of people known or new; equal to a fit of all, whatever the order, to rounding."""
        if not hasattr(self, "classes_"):
            return self.fit(X, y)
        classes = np.union1d(self.classes_, y)
        sums = np.zeros([len(classes), X.shape[1]])
        sums[np.searchsorted(classes, self.classes_)] = self._sums
        np.add.at(sums, np.searchsorted(classes, y), X)
        self.classes_, self._sums = classes, sums
        self.prototypes_ = _unit(sums).astype(np.float32)
        return self

    def decision_function(self, X: Floats) -> Floats:  # noqa: N803
        """Similarities [m, p]."""
        similarities: Floats = X.astype(np.float32, copy=False) @ self.prototypes_.T
        return similarities

    def predict(self, X: Floats) -> Labels:  # noqa: N803
        """The most similar person's label, [m]."""
        return self.best(X).labels[:, 0]

    def best(self, X: Floats) -> Best:  # noqa: N803
        """The two most similar people, exactly, in bounded memory."""
        k = min(2, len(self.classes_))
        found = nearest(self.prototypes_, X, k)
        missing = [[0, 0], [0, 2 - k]]
        return Best(
            np.pad(self.classes_[found.rows], missing, constant_values=NOBODY),
            np.pad(found.similarities, missing, constant_values=-np.inf),
        )

    def left_out(self, X: Floats, y: Labels) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:  # noqa: N803
        """What the photos that this was fitted to would score, were they not in it.

        Returns:
            own: [n], similarity to the mean of the person's other photos; -inf where there is no other.
            others: [n], the highest similarity to anybody else: what the photo of a stranger would score who is as
                like the enrolled people as these are to one another.
        """
        own, others = np.empty(len(X)), np.empty(len(X))
        columns = np.searchsorted(self.classes_, y)
        counts = np.bincount(columns)
        for block in _blocks(len(X), len(self.classes_)):
            place = columns[block]
            rows = np.arange(len(place))
            similarities = self.decision_function(X[block])
            similarities[rows, place] = -np.inf
            others[block] = similarities.max(axis=1)
            own[block] = (_unit(self._sums[place] - X[block]) * X[block]).sum(axis=1)
        own[counts[columns] < 2] = -np.inf
        return own, others


def _blocks(rows: int, columns: int) -> list[slice]:
    size = max(1, BLOCK // max(1, columns))
    return [slice(start, start + size) for start in range(0, rows, size)]


def _unit(rows: Floats) -> Floats:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: Floats = rows / np.maximum(lengths, 1e-12)
    return unit
