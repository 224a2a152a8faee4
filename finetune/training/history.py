"""One row an epoch."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Iterable

from finetune.training.trainer import StepResult


@dataclasses.dataclass(frozen=True)
class EpochRow:
    """What one epoch gave.

    Attributes:
        stage: its name.
        epoch: counted from 1 within the stage.
        learning_rate: constant within an epoch.
        loss: mean over images of cross-entropy, weight decay and the prelogits-norm term.
        cross_entropy, prelogits_norm: means over images.
        accuracy: share of training images classified rightly as they were trained on, 0..1.
        validation_loss: mean cross-entropy of the held-back images; None where there are none.
        validation_accuracy: share of them classified rightly, 0..1.
        seconds: wall time of the epoch.
    """

    stage: str
    epoch: int
    learning_rate: float
    loss: float
    cross_entropy: float
    prelogits_norm: float
    accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    seconds: float


class Mean:
    """A mean of step results over the images of an epoch."""

    def __init__(self) -> None:
        self.images = 0
        self._sums = [0.0, 0.0, 0.0, 0.0]

    def add(self, result: StepResult, images: int) -> None:
        """Adds one batch."""
        self.images += images
        weights = (images, images, images, 1)
        self._sums = [total + value * weight for total, value, weight in zip(self._sums, result, weights, strict=True)]

    def result(self) -> StepResult:
        """The means; `correct` becomes a share."""
        return StepResult(*(total / max(self.images, 1) for total in self._sums))


def to_csv(rows: Iterable[EpochRow]) -> str:
    """The history as CSV, a header first."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in dataclasses.fields(EpochRow)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(dataclasses.asdict(row) for row in rows)
    return text.getvalue()


def from_csv(text: str) -> list[EpochRow]:
    """The rows that `to_csv` wrote."""
    whole = {"epoch": int, "stage": str}
    return [
        EpochRow(**{name: whole.get(name, float)(value) if value else None for name, value in row.items()})  # type: ignore[arg-type]
        for row in csv.DictReader(io.StringIO(text))
    ]
