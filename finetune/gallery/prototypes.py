"""Nearest-class-mean classifier: a person or a photo is added without training."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from finetune.arrays import Floats, Labels, add_rows, distinct, unit_rows
from finetune.gallery.estimator import Estimator
from finetune.identification import nearest

NOBODY = -1
"""Label in place of a runner-up if there is none."""


class Best(NamedTuple):
    """Two people who score highest for each face.

    Attributes:
        labels: labels of the best person and of the runner-up, int64 [m, 2]; `NOBODY` if there is none.
        scores: their scores, float64 [m, 2]; -inf for `NOBODY`.
    """

    labels: Labels
    scores: npt.NDArray[np.float64]


class ByScores:
    """Answers of a classifier that scores all people.

    Attributes:
        classes_: label of each person.
    """

    classes_: Labels

    def scores(self, X: Floats) -> Floats:  # noqa: N803
        """Return the scores of all people, [m, people]."""
        raise NotImplementedError

    def predict(self, X: Floats) -> Labels:  # noqa: N803
        """Return the label that scores highest for each row, [m]."""
        return self.best(X).labels[:, 0]

    def best(self, X: Floats) -> Best:  # noqa: N803
        """Return the two people who score highest for each row."""
        return two_best(self.scores(X), self.classes_)


def two_best(scores: Floats, classes: Labels) -> Best:
    """Return the two best classes of scores [m, classes]; of equal scores, the lower label comes first."""
    m, rows = len(scores), np.arange(len(scores))
    labels = np.full([m, 2], NOBODY, np.int64)
    best = np.full([m, 2], -np.inf)
    rest = np.array(scores, np.float64)
    for place in range(min(2, rest.shape[1])):
        columns = rest.argmax(axis=1)
        labels[:, place], best[:, place] = classes[columns], rest[rows, columns]
        rest[rows, columns] = -np.inf
    return Best(labels, best)


class NearestPrototype(Estimator):
    """Nearest-prototype classifier: the score is the cosine similarity to the mean of a person's embeddings.

    Attributes:
        classes_: labels, int64 [p], sorted.
        prototypes_: means of the embeddings, scaled to unit length, float32 [p, E].
    """

    def fit(self, X: Floats, y: Labels) -> NearestPrototype:  # noqa: N803
        """Fit to unit embeddings [n, E] and labels [n]."""
        self.classes_ = np.empty(0, np.int64)
        self._sums, self._counts = np.empty([0, X.shape[1]]), np.empty(0, np.int64)
        return self.partial_fit(X, y)

    def partial_fit(self, X: Floats, y: Labels) -> NearestPrototype:  # noqa: N803
        """Add photos of known or new people. Up to rounding, the result equals a fit of all photos, in any order."""
        if not hasattr(self, "classes_"):
            return self.fit(X, y)
        classes = distinct(np.concatenate([self.classes_, y]))
        sums, counts = (
            np.zeros([len(classes), X.shape[1]]),
            np.bincount(np.searchsorted(classes, y), minlength=len(classes)),
        )
        before = np.searchsorted(classes, self.classes_)
        sums[before] = self._sums
        counts[before] += self._counts
        add_rows(sums, np.searchsorted(classes, y), X)
        self.classes_, self._sums, self._counts = classes, sums, counts
        self.prototypes_ = unit_rows(sums).astype(np.float32)
        return self

    def decision_function(self, X: Floats) -> Floats:  # noqa: N803
        """Return cosine similarities [m, p]."""
        similarities: Floats = X.astype(np.float32, copy=False) @ self.prototypes_.T
        return similarities

    def scores(self, X: Floats) -> Floats:  # noqa: N803
        """Return the cosine similarities to all people, [m, p]."""
        return self.decision_function(X)

    def predict(self, X: Floats) -> Labels:  # noqa: N803
        """Return the label of the most similar person for each row, [m]."""
        return self.best(X).labels[:, 0]

    def best(self, X: Floats) -> Best:  # noqa: N803
        """Return the two most similar people for each row, by exact search in bounded memory."""
        k = min(2, len(self.classes_))
        found = nearest(self.prototypes_, X, k)
        missing = [[0, 0], [0, 2 - k]]
        return Best(
            np.pad(self.classes_[found.rows], missing, constant_values=NOBODY),
            np.pad(found.similarities, missing, constant_values=-np.inf),
        )

    def own_left_out(self, X: Floats, y: Labels) -> npt.NDArray[np.float64]:  # noqa: N803
        """Return the similarity of fitted photos to the mean of their person's other photos, [m].

        The similarity is -inf if the person has no other photo.
        """
        columns = np.searchsorted(self.classes_, y)
        own, several = np.full(len(X), -np.inf), self._counts[columns] >= 2
        rows = X[several]
        own[several] = (unit_rows(self._sums[columns[several]] - rows) * rows).sum(axis=1)
        return own

    def nearest_other(self, X: Floats, y: Labels) -> tuple[Labels, npt.NDArray[np.float64]]:  # noqa: N803
        """Return the person most similar to each photo except its own, [m], and the similarity, [m].

        For fitted photos, this is their score as strangers: as if their person were not enrolled.
        """
        best, rows = self.best(X), np.arange(len(X))
        place = (best.labels[:, 0] == y).astype(np.int64)
        return best.labels[rows, place], best.scores[rows, place]
