"""The history of a stage: one row per epoch, whose columns are metrics by name."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Iterable, Mapping
from typing import Any

from finetune.training.objectives import all_metrics

WHOLE = ("attempt", "epoch")


@dataclasses.dataclass(frozen=True)
class EpochRow:
    """The numbers of one epoch, by the names of their columns.

    Attributes:
        stage: name of the stage.
        attempt: counted from 1; a stage that was rolled back may be tried again.
        epoch: counted from 1 within the attempt.
        numbers: what applies to the stage and was measured, by column; `history_columns` has them all.
    """

    stage: str
    attempt: int
    epoch: int
    numbers: Mapping[str, float]

    def __getitem__(self, column: str) -> float:
        return self.numbers[column]

    def get(self, column: str) -> float | None:
        """Return a number, or None where it does not apply or was not measured."""
        return self.numbers.get(column)

    def to_json(self) -> dict[str, Any]:
        """Return all values by column."""
        return {"stage": self.stage, "attempt": self.attempt, "epoch": self.epoch} | dict(self.numbers)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> EpochRow:
        """Read what `to_json` gave; None, and columns that are not known, are passed over."""
        known = number_columns()
        numbers = {name: float(value) for name, value in stored.items() if name in known and value is not None}
        return cls(stored["stage"], int(stored.get("attempt") or 1), int(stored["epoch"]), numbers)


def number_columns() -> tuple[str, ...]:
    """Return the columns of numbers in their order, those of every loss and term among them.

    - `learning_rate`: of the classifier, after the warm-up.
    - the metrics of losses and terms: means over the epoch, as each declares.
    - `drawn_mean`, `drawn_std`: how often each training image was drawn since the attempt began.
    - `validation_loss`: mean loss of the held-back images, without margin, smoothing and terms; then their metrics.
    - `learned_accuracy`: share of the held-back images that the nearest class mean of embeddings names correctly;
      `learned_low`, `learned_high`: 95 % interval of its difference to before the run.
    - `strangers_accuracy`: accuracy on pairs of people held out from training, with the same interval;
      `strangers_val`: validation rate on them, at FAR 0.001; `strangers_dir`: share of the held-back images that are
      named correctly, above the score that 1 % of strangers reach.
    - `seconds`: wall time of the epoch.
    """
    metrics = all_metrics()
    return (
        "learning_rate",
        *(metric.column for metric in metrics if metric.column),
        *("drawn_mean", "drawn_std"),
        *(metric.held_back for metric in metrics if metric.held_back),
        *("learned_accuracy", "learned_low", "learned_high"),
        *("strangers_accuracy", "strangers_low", "strangers_high", "strangers_val", "strangers_dir"),
        "seconds",
    )


def history_columns() -> tuple[str, ...]:
    """Return the columns of `history.csv`, in their order."""
    return "stage", *WHOLE, *number_columns()


def to_csv(rows: Iterable[EpochRow]) -> str:
    """Return the history as CSV, a header first."""
    text = io.StringIO()
    writer = csv.DictWriter(text, history_columns(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(row.to_json() for row in rows)
    return text.getvalue()


def from_csv(text: str) -> list[EpochRow]:
    """Read what `to_csv` gave; what an older finetune did not write is left out."""
    return [
        EpochRow.from_json({name: value for name, value in values.items() if value})
        for values in csv.DictReader(io.StringIO(text))
    ]
