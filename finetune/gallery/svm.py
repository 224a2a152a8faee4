"""Linear SVMs: one-against-rest SVMs that are retrained only where needed, and the published one-against-one SVM."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import SVC, LinearSVC

from finetune.arrays import Floats, Labels
from finetune.gallery.prototypes import Best, two_best
from finetune.progress import track

TOLERANCE = 0.05
"""Largest difference from the decision values of training again from scratch; the margin is 1 on each side."""


class LinearSVM(ClassifierMixin, BaseEstimator):
    """One linear SVM per person, against all others (squared hinge loss, liblinear's primal solver).

    A fit gives the same bytes each time, with any number of threads.

    Each SVM minimizes P(w) = ½|w|² + C Σ ξ². The intercept is the weight of a constant input 1. Added photos may make
    the old weights suboptimal:

    - Photos beyond the margin (ξ = 0) don't move the minimum, by the optimality conditions.
    - For other photos, P of the old weights exceeds the new minimum by at most C Σ ξ² over the new photos.
    - P is strongly convex, so the old weights are within √(2 C Σ ξ²) of the new ones.
    - The decision value of a unit embedding is then within √(4 C Σ ξ²).

    An SVM is trained again only when this bound exceeds the tolerance. Until then, the slack of new photos adds up.

    Args:
        C: weight of the slack.
        tolerance: largest error of the decision values, from 0. The solver's own error of about 1e-3 comes on top.

    Attributes:
        classes_: labels, int64 [p], sorted.
        coef_: weights, [p, E].
        intercept_: intercepts, [p].
        slack_: Σ ξ² of the photos added since each SVM was trained, [p].
        retrained_: number of SVMs that the last fit trained.
    """

    def __init__(self, C: float = 1.0, tolerance: float = TOLERANCE) -> None:  # noqa: N803
        self.C = C
        self.tolerance = tolerance

    def fit(self, X: Floats, y: Labels) -> LinearSVM:  # noqa: N803
        """Fit to unit embeddings [n, E] and labels [n] of at least two people."""
        self.classes_ = np.unique(y)
        self.coef_: Floats = np.zeros([len(self.classes_), X.shape[1]])
        self.intercept_: Floats = np.zeros(len(self.classes_))
        self.slack_: Floats = np.zeros(len(self.classes_))
        self._X, self._y = np.asarray(X), np.asarray(y)
        self._train(range(len(self.classes_)))
        return self

    def partial_fit(self, X: Floats, y: Labels) -> LinearSVM:  # noqa: N803
        """Add photos of known or new people."""
        if not hasattr(self, "classes_"):
            return self.fit(X, y)
        decisions = self.decision_function(X)
        theirs = y[:, np.newaxis] == self.classes_
        self.slack_ += (np.maximum(0, 1 - np.where(theirs, decisions, -decisions)) ** 2).sum(axis=0)
        self._X, self._y = np.concatenate([self._X, X]), np.concatenate([self._y, y])
        classes = np.unique(self._y)
        places = np.searchsorted(classes, self.classes_)
        shape = [len(classes), X.shape[1]]
        coef: Floats = np.zeros(shape)
        intercept: Floats = np.zeros(len(classes))
        slack: Floats = np.full(len(classes), np.inf)
        coef[places], intercept[places], slack[places] = self.coef_, self.intercept_, self.slack_
        self.classes_, self.coef_, self.intercept_, self.slack_ = classes, coef, intercept, slack
        self._train(np.flatnonzero(np.sqrt(4 * self.C * slack) > self.tolerance).tolist())
        return self

    def resume(self, X: Floats, y: Labels, coef: Floats, intercept: Floats, slack: Floats) -> LinearSVM:  # noqa: N803
        """Restore an earlier fit to these rows, from its `coef_`, `intercept_` and `slack_`."""
        self.classes_, self._X, self._y = np.unique(y), np.asarray(X), np.asarray(y)
        self.coef_, self.intercept_, self.slack_, self.retrained_ = coef, intercept, slack, 0
        return self

    def decision_function(self, X: Floats) -> Floats:  # noqa: N803
        """Return decision values [m, p]."""
        decisions: Floats = X @ self.coef_.T + self.intercept_
        return decisions

    def scores(self, X: Floats) -> Floats:  # noqa: N803
        """Return the decision values of all people, [m, p]."""
        return self.decision_function(X)

    def predict(self, X: Floats) -> Labels:  # noqa: N803
        """Return the label of the highest decision value for each row, [m]."""
        return self.best(X).labels[:, 0]

    def best(self, X: Floats) -> Best:  # noqa: N803
        """Return the two people with the highest decision values for each row."""
        return two_best(self.decision_function(X), self.classes_)

    def _train(self, places: Sequence[int]) -> None:
        rows = np.ascontiguousarray(self._X, np.float64)

        def one(place: int) -> tuple[Floats, float]:
            # The dual solver shares one random generator among all threads. The primal solver uses none.
            svm = LinearSVC(C=self.C, dual=False)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                svm.fit(rows, self._y == self.classes_[place])
            return svm.coef_[0], float(svm.intercept_[0])

        pool = Parallel(os.cpu_count(), prefer="threads", return_as="generator")
        fitted = track(pool(delayed(one)(place) for place in places), len(places), "training SVMs")
        for place, (coef, intercept) in zip(places, fitted, strict=True):
            self.coef_[place], self.intercept_[place], self.slack_[place] = coef, intercept, 0
        self.retrained_ = len(places)


class PublishedSVM(ClassifierMixin, BaseEstimator):
    """Classifier of FaceNet's `classifier.py`: one-against-one linear SVMs with calibrated probabilities.

    The probabilities (Platt 1999, coupled as in Wu, Lin and Weng 2004) come from a cross-validation with random folds.
    The accuracy therefore depends slightly on the seed.

    Args:
        random_state: seed of the folds.

    Attributes:
        classes_: labels, int64 [p], sorted.
    """

    def __init__(self, random_state: int = 0) -> None:
        self.random_state = random_state

    def fit(self, X: Floats, y: Labels) -> PublishedSVM:  # noqa: N803
        """Fit to unit embeddings [n, E] and labels [n] of at least two people."""
        with warnings.catch_warnings():
            # scikit-learn deprecates `probability`, but its replacement gives other probabilities.
            warnings.simplefilter("ignore", FutureWarning)
            self._svc: Any = SVC(kernel="linear", probability=True, random_state=self.random_state).fit(X, y)
        self.classes_ = self._svc.classes_
        return self

    def predict_proba(self, X: Floats) -> Floats:  # noqa: N803
        """Return probabilities [m, p]."""
        probabilities: Floats = self._svc.predict_proba(X)
        return probabilities

    def scores(self, X: Floats) -> Floats:  # noqa: N803
        """Return the probabilities of all people, [m, p]."""
        return self.predict_proba(X)

    def predict(self, X: Floats) -> Labels:  # noqa: N803
        """Return the most probable label for each row, [m], as the published script does."""
        return self.best(X).labels[:, 0]

    def best(self, X: Floats) -> Best:  # noqa: N803
        """Return the two most probable people for each row."""
        return two_best(self.predict_proba(X), self.classes_)
