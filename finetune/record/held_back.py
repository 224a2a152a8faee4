"""The held-back images, each named correctly or not."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
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
    """The held-back images of the people in training, each named correctly or not.

    Attributes:
        correct: whether each image is named correctly, bool [n], with n of at least 1.
        people: names of the people, by label; empty if only `correct` is known.
        labels: label of the person in each image, int64 [n]; None if only `correct` is known.
        named: label that each image was given, int64 [n]; None if only `correct` is known.
    """

    correct: npt.NDArray[np.bool_]
    people: tuple[str, ...] = ()
    labels: npt.NDArray[np.int64] | None = None
    named: npt.NDArray[np.int64] | None = None

    @classmethod
    def of(cls, people: Sequence[str], labels: Labels, named: Labels) -> HeldBack:
        """Return the result of images with true labels `labels` and given labels `named`, both int64 [n]."""
        return cls(named == labels, tuple(people), labels, named)

    @property
    def accuracy(self) -> float:
        """The share of correctly named images, 0 to 1."""
        return float(self.correct.mean())

    def by_person(self) -> dict[str, tuple[int, int]]:
        """Return the number of correctly named images and of all images, by person."""
        if self.labels is None:
            return {}
        right = np.bincount(self.labels[self.correct], minlength=len(self.people))  # [n] -> [people]
        every = np.bincount(self.labels, minlength=len(self.people))  # [n] -> [people]
        return {name: (int(r), int(n)) for name, r, n in zip(self.people, right, every, strict=True) if n}

    def confusion(self) -> npt.NDArray[np.int64]:
        """Count the images by true person (row) and given name (column): int64 [people, people]."""
        counts = np.zeros([len(self.people)] * 2, np.int64)
        if self.labels is not None and self.named is not None:
            np.add.at(counts, (self.labels, self.named), 1)
        return counts

    def mistakes(self) -> list[tuple[str, str, int]]:
        """Return each mistake as (true person, given name, number of images), most frequent first."""
        if self.labels is None or self.named is None:
            return []
        wrong = zip(self.labels[~self.correct].tolist(), self.named[~self.correct].tolist(), strict=True)
        found = [(self.people[shown], self.people[named], n) for (shown, named), n in Counter(wrong).items()]
        return sorted(found, key=lambda mistake: (-mistake[2], mistake))

    def to_json(self) -> dict[str, Any]:
        """Return the accuracy and the single answers: a text of 0 and 1, and the labels if known."""
        known = {name: labels.tolist() for name in ("labels", "named") if (labels := getattr(self, name)) is not None}
        people = {"people": list(self.people)} if self.people else {}
        return {"accuracy": self.accuracy, "correct": digits(self.correct), **people, **known}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> HeldBack:
        """Return the object that `to_json` described.

        Raises:
            ValueError: the parts do not agree.
        """
        correct, people = decisions(stored["correct"]), tuple(stored.get("people", ()))
        if "labels" not in stored:
            return cls(correct)
        labels, named = (np.array(stored[name], np.int64) for name in ("labels", "named"))
        if not np.array_equal(labels == named, correct) or not people or max(labels.max(), named.max()) >= len(people):
            raise ValueError("answers that do not agree")
        return cls(correct, people, labels, named)


def by_nearest_mean(
    train: Embeddings, train_labels: Labels, held_back: Embeddings, labels: Labels, people: Sequence[str] = ()
) -> HeldBack:
    """Name each held-back image by the person with the most similar mean training embedding (cosine).

    Args:
        train: unit embeddings of the training images, [n, E].
        train_labels: labels of the training images, int64 [n], from 0.
        held_back: unit embeddings of the held-back images, [m, E], with m of at least 1.
        labels: labels of the held-back images, int64 [m].
        people: names by label, to keep the single answers; empty to keep only `correct`.
    """
    rows = nearest(unit_class_means(train, train_labels), held_back).rows[:, 0]
    named = np.unique(train_labels)[rows]
    return HeldBack.of(people, labels, named) if people else HeldBack(named == labels)
