"""The nearest class mean: a classifier that a person, or a photo, is added to at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin

from finetune.arrays import Floats, Labels, unit_rows
from finetune.identification import nearest

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
        self._sums, self._counts = np.empty([0, X.shape[1]]), np.empty(0, np.int64)
        return self.partial_fit(X, y)

    def partial_fit(self, X: Floats, y: Labels) -> NearestPrototype:  # noqa: N803
        """Adds photos, of people known or new; equal to a fit of all, whatever the order, to rounding."""
        if not hasattr(self, "classes_"):
            return self.fit(X, y)
        classes = np.union1d(self.classes_, y)
        sums, counts = (
            np.zeros([len(classes), X.shape[1]]),
            np.bincount(np.searchsorted(classes, y), minlength=len(classes)),
        )
        before = np.searchsorted(classes, self.classes_)
        sums[before] = self._sums
        counts[before] += self._counts
        np.add.at(sums, np.searchsorted(classes, y), X)
        self.classes_, self._sums, self._counts = classes, sums, counts
        self.prototypes_ = unit_rows(sums).astype(np.float32)
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

    def own_left_out(self, X: Floats, y: Labels) -> npt.NDArray[np.float64]:  # noqa: N803
        """Of photos [m] that this was fitted to: the similarity to the mean of their person's others; -inf without."""
        columns = np.searchsorted(self.classes_, y)
        own: npt.NDArray[np.float64] = (unit_rows(self._sums[columns] - X) * X).sum(axis=1)
        own[self._counts[columns] < 2] = -np.inf
        return own

    def nearest_other(self, X: Floats, y: Labels) -> tuple[Labels, npt.NDArray[np.float64]]:  # noqa: N803
        """Whom each photo [m] resembles most beside its own person, and how much.

        For photos that this was fitted to that is what they would score as a stranger's: without their person.
        """
        best, rows = self.best(X), np.arange(len(X))
        place = (best.labels[:, 0] == y).astype(np.int64)
        return best.labels[rows, place], best.scores[rows, place]
