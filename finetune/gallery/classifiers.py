"""Classifiers of a gallery by name, and the short ones: k-nearest neighbours and the checkpoint's softmax head."""

from __future__ import annotations

from typing import Literal, Protocol, get_args

import numpy as np

from finetune.arrays import Floats, Labels
from finetune.errors import DataError, Problem
from finetune.gallery.estimator import Estimator
from finetune.gallery.prototypes import NOBODY, Best, ByScores, NearestPrototype
from finetune.identification import nearest

Name = Literal["prototype", "k-nearest", "svm", "logistic", "svc"]
NAMES: tuple[Name, ...] = get_args(Name)
NEIGHBOURS = 3
PLATT_FOLDS = 5
"""Folds of the cross-validation that gives the published SVM its probabilities."""
MOST_ONE_AGAINST_ONE = 500
"""Largest number of people for the published SVM, which trains one SVM per pair of people."""


class Classifier(Protocol):
    """Protocol of the classifiers that name faces."""

    classes_: Labels

    def fit(self, X: Floats, y: Labels) -> object:  # noqa: N803
        """Fit to unit embeddings [n, E] and labels [n]."""

    def best(self, X: Floats) -> Best:  # noqa: N803
        """Return the two people who score highest for each row."""

    def scores(self, X: Floats) -> Floats:  # noqa: N803
        """Return the scores of all people, [m, people], in the order of `classes_`."""


class KNearest(Estimator):
    """Vote of the k most similar photos, weighted by cosine similarity; negative similarities count as 0.

    A person's score is the sum of their photos' similarities among the k, divided by k: 0..1. People with fewer than k
    photos can't reach 1.

    Args:
        n_neighbors: k, the number of photos that vote.
    """

    def __init__(self, n_neighbors: int = NEIGHBOURS) -> None:
        self.n_neighbors = n_neighbors

    def fit(self, X: Floats, y: Labels) -> KNearest:  # noqa: N803
        """Store unit embeddings [n, E] and labels [n]."""
        self.classes_ = np.unique(y)
        self._X, self._y = np.ascontiguousarray(X, np.float32), np.asarray(y, np.int64)
        return self

    def partial_fit(self, X: Floats, y: Labels) -> KNearest:  # noqa: N803
        """Add photos of known or new people."""
        if not hasattr(self, "classes_"):
            return self.fit(X, y)
        return self.fit(np.concatenate([self._X, X]), np.concatenate([self._y, y]))

    def predict(self, X: Floats) -> Labels:  # noqa: N803
        """Return the label with the highest vote for each row, [m]."""
        return self.best(X).labels[:, 0]

    def best(self, X: Floats) -> Best:  # noqa: N803
        """Return the two people with the highest votes; the second is `NOBODY` where one person has all k photos."""
        labels, weights = self._neighbours(X)
        votes = (weights[:, np.newaxis, :] * (labels[:, :, np.newaxis] == labels[:, np.newaxis, :])).sum(axis=2)
        rows = np.arange(len(votes))
        first = votes.argmax(axis=1)
        winner = labels[rows, first]
        others = np.where(labels == winner[:, np.newaxis], -np.inf, votes)
        second = others.argmax(axis=1)
        scores = np.stack([votes[rows, first], others[rows, second]], axis=1)
        runner_up = np.where(np.isinf(scores[:, 1]), NOBODY, labels[rows, second])
        return Best(np.stack([winner, runner_up], axis=1), scores)

    def scores(self, X: Floats) -> Floats:  # noqa: N803
        """Return the votes of all people, [m, people]; 0 for people without a photo among the k."""
        labels, weights = self._neighbours(X)
        votes: Floats = np.zeros([len(labels), len(self.classes_)])
        np.add.at(votes, (np.arange(len(labels))[:, np.newaxis], np.searchsorted(self.classes_, labels)), weights)
        return votes

    def _neighbours(self, X: Floats) -> tuple[Labels, Floats]:  # noqa: N803
        """Return the labels of the k most similar photos, [m, k], and the weights of their votes, [m, k]."""
        found = nearest(self._X, X, min(self.n_neighbors, len(self._X)))
        return self._y[found.rows], np.maximum(found.similarities, 0) / self.n_neighbors


class SoftmaxHead(ByScores, Estimator):
    """Checkpoint's own classifier, over prelogits instead of embeddings, with probabilities as scores.

    Args:
        weights: weights of the logits layer, [E, classes].
        biases: biases of the logits layer, [classes].
    """

    def __init__(self, weights: Floats, biases: Floats) -> None:
        self.weights = weights
        self.biases = biases
        self.classes_ = np.arange(len(biases), dtype=np.int64)

    def fit(self, X: Floats, y: Labels) -> SoftmaxHead:  # noqa: N803
        """Do nothing: the head was trained with the network."""
        return self

    def scores(self, X: Floats) -> Floats:  # noqa: N803
        """Return the probabilities of all classes for prelogits [m, E]: [m, classes]."""
        logits = X @ self.weights + self.biases
        exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities: Floats = exponents / exponents.sum(axis=1, keepdims=True)
        return probabilities


def few_photos(name: str, labels: Labels) -> str | None:
    """Return a warning if somebody has too few photos for the published SVM's probabilities; else None."""
    fewest = int(np.unique(labels, return_counts=True)[1].min(initial=PLATT_FOLDS))
    if name != "svc" or fewest >= PLATT_FOLDS:
        return None
    return (
        f"svc: somebody has {fewest} of the {PLATT_FOLDS} photos that its probabilities need, which may then turn out "
        "the wrong way round; svm and prototype do without"
    )


def make(name: Name, people: int, seed: int = 0) -> Classifier:
    """Return an unfitted classifier for this number of people.

    Raises:
        DataError: the classifier can't tell that many, or that few, people apart.
    """
    if people < 2 and name in ("svm", "logistic", "svc"):
        raise DataError(
            Problem(
                name,
                f"tells two people or more apart, and there {'is one' if people else 'is nobody'}",
                "use prototype",
            )
        )
    if people > MOST_ONE_AGAINST_ONE and name == "svc":
        found = f"one SVM for each two of {people} people is too many"
        raise DataError(Problem("svc", found, "use svm, which has one for each person"))
    match name:
        case "prototype":
            return NearestPrototype()
        case "k-nearest":
            return KNearest()
        case "logistic":
            from finetune.gallery.logistic import Logistic

            return Logistic()
    from finetune.gallery.svm import LinearSVM, PublishedSVM

    return LinearSVM() if name == "svm" else PublishedSVM(seed)
