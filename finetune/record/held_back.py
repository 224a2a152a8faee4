"""The held-back images, and which of them are named rightly."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from finetune.arrays import Labels
from finetune.brief import Brief
from finetune.identification import nearest, unit_class_means
from finetune.verification import decisions, digits

Embeddings = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class HeldBack(Brief):
    """The held-back images of the people who are trained on, each named rightly or not.

    Attributes:
        correct: bool [n], n from 1.
    """

    correct: npt.NDArray[np.bool_]

    @property
    def accuracy(self) -> float:
        """The share that is named rightly, 0 to 1."""
        return float(self.correct.mean())

    def to_json(self) -> dict[str, Any]:
        """Return the accuracy and the single answers, a text of 0 and 1."""
        return {"accuracy": self.accuracy, "correct": digits(self.correct)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> HeldBack:
        """Read what `to_json` gave."""
        return cls(decisions(stored["correct"]))


def by_nearest_mean(train: Embeddings, train_labels: Labels, held_back: Embeddings, labels: Labels) -> HeldBack:
    """Name each held-back image by the person whose mean training embedding is most similar to it (cosine).

    Args:
        train: unit embeddings [n, E] of the training images.
        train_labels: int64 [n], from 0.
        held_back: unit embeddings [m, E], m from 1.
        labels: int64 [m].
    """
    rows = nearest(unit_class_means(train, train_labels), held_back).rows[:, 0]
    return HeldBack(np.unique(train_labels)[rows] == labels)
