"""scikit-learn's interface of a classifier, without importing scikit-learn.

Its import takes longer than the identification of a face. Classifiers of our own need it only where scikit-learn's
functions use them, which have imported it then.
"""

from __future__ import annotations

import inspect
from typing import Any, TypeVar

import numpy as np

from finetune.arrays import Floats, Labels

Self = TypeVar("Self", bound="Estimator")


class Estimator:
    """Base of the classifiers that do not compute with scikit-learn.

    Each has `fit`, `predict` and `classes_`. Its settings are the arguments of its constructor, stored unchanged.
    """

    _estimator_type = "classifier"
    """How scikit-learn before 1.6 knows a classifier."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002, FBT001, FBT002
        """Return the settings by name, as scikit-learn's `clone` asks."""
        named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        settings = inspect.signature(type(self)).parameters.values()
        return {one.name: getattr(self, one.name) for one in settings if one.kind in named}

    def set_params(self: Self, **settings: Any) -> Self:
        """Change settings by name."""
        for name, value in settings.items():
            if name not in self.get_params():
                raise ValueError(f"{type(self).__name__} has no setting {name!r}")
            setattr(self, name, value)
        return self

    def predict(self, X: Floats) -> Labels:  # noqa: N803
        """Return the label that scores highest for each row, [m]."""
        raise NotImplementedError

    def score(self, X: Floats, y: Labels) -> float:  # noqa: N803
        """Return the share of rows whose label is predicted."""
        return float(np.mean(self.predict(X) == y))

    def __sklearn_tags__(self) -> Any:
        from sklearn.base import BaseEstimator, ClassifierMixin

        return type("Tagged", (ClassifierMixin, BaseEstimator), {})().__sklearn_tags__()
