"""Multinomial logistic regression as a classifier of a gallery."""

from __future__ import annotations

import warnings

from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression

from finetune.arrays import Floats, Labels
from finetune.gallery.prototypes import ByScores


class Logistic(ByScores, ClassifierMixin, BaseEstimator):
    """Multinomial logistic regression, with probabilities as scores.

    Args:
        C: inverse strength of the L2 penalty.
    """

    def __init__(self, C: float = 10.0) -> None:  # noqa: N803
        self.C = C

    def fit(self, X: Floats, y: Labels) -> Logistic:  # noqa: N803
        """Fit to unit embeddings [n, E] and labels [n] of at least two people."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The number of unique classes")  # most people have few photos
            self._model = LogisticRegression(C=self.C, max_iter=1000).fit(X, y)
        self.classes_ = self._model.classes_
        return self

    def scores(self, X: Floats) -> Floats:  # noqa: N803
        """Return the probabilities of all people, [m, people]."""
        probabilities: Floats = self._model.predict_proba(X)
        return probabilities
