"""The predictions of a classifier: people and probabilities."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from finetune.brief import Brief


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Predictions(Brief):
    """The predictions of a classifier for some images.

    Attributes:
        class_names: people of the classifier, in the order of the columns.
        probabilities: probabilities, float32 [n, classes], one row per image; each row sums to 1.
    """

    class_names: tuple[str, ...]
    probabilities: npt.NDArray[np.float32]

    @classmethod
    def of_logits(cls, logits: npt.NDArray[np.float32], class_names: tuple[str, ...]) -> Predictions:
        """Return the predictions from logits [n, classes]; without class names, the class numbers are used."""
        classes = logits.shape[1]
        wide = logits.astype(np.float64)
        shares = np.exp(wide - wide.max(axis=1, keepdims=True, initial=-np.inf))  # [n, classes]
        shares /= shares.sum(axis=1, keepdims=True)
        return cls(class_names or tuple(map(str, range(classes))), shares.astype(np.float32))

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """The most probable class of each image, int64 [n]."""
        return np.argmax(self.probabilities, axis=1)  # [n, classes] -> [n]

    @property
    def names(self) -> tuple[str, ...]:
        """The most probable person of each image."""
        return tuple(self.class_names[label] for label in self.labels)

    @property
    def probability(self) -> npt.NDArray[np.float32]:
        """The probability of the most probable person of each image, float32 [n]."""
        return self.probabilities.max(axis=1)  # [n, classes] -> [n]

    def __len__(self) -> int:
        return len(self.probabilities)
