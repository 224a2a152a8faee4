"""History of a stage: one row per epoch, with one column per metric."""

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
    """Numbers of one epoch, by column.

    Attributes:
        stage: name of the stage.
        attempt: number of the attempt, from 1. A stage that was rolled back may be tried again.
        epoch: number of the epoch within the attempt, from 1.
        numbers: numbers that apply to the stage and were measured, by column. `history_columns` has all columns.
    """

    stage: str
    attempt: int
    epoch: int
    numbers: Mapping[str, float]

    def __getitem__(self, column: str) -> float:
        return self.numbers[column]

    def get(self, column: str) -> float | None:
        """Return a number, or None if it does not apply or was not measured."""
        return self.numbers.get(column)

    def to_json(self) -> dict[str, Any]:
        """Return all values by column."""
        return {"stage": self.stage, "attempt": self.attempt, "epoch": self.epoch} | dict(self.numbers)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> EpochRow:
        """Read a result of `to_json`, without None and unknown columns."""
        known = number_columns()
        numbers = {name: float(value) for name, value in stored.items() if name in known and value is not None}
        return cls(stored["stage"], int(stored.get("attempt") or 1), int(stored["epoch"]), numbers)


def number_columns() -> tuple[str, ...]:
    """Return the columns of numbers in their order, including those of every loss and term.

    - `learning_rate`: rate of the classifier after the warm-up.
    - metrics of losses and terms: means over the epoch, as each metric declares.
    - `drawn_mean`, `drawn_std`: mean and standard deviation of the draws per training image since the attempt began.
    - `validation_loss`: mean loss of the held-back images, without margin, smoothing and terms; the other metrics on
      these images follow.
    - `learned_accuracy`: share of the held-back images whose nearest class mean of embeddings is the right one.
      `learned_low`, `learned_high`: 95 % interval of its change since before the run.
    - `strangers_accuracy`: accuracy on pairs of held-out identities, with the same kind of interval.
    - `strangers_val`: validation rate on these pairs at a false accept rate of 0.001.
    - `strangers_dir`: share of the held-back images that are named correctly, with a score above the one that 1 % of
      strangers reach.
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
    """Return the history as CSV, with a header."""
    text = io.StringIO()
    writer = csv.DictWriter(text, history_columns(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(row.to_json() for row in rows)
    return text.getvalue()


def from_csv(text: str) -> list[EpochRow]:
    """Read a result of `to_csv`. Columns that an older finetune did not write are left out."""
    return [
        EpochRow.from_json({name: value for name, value in values.items() if value})
        for values in csv.DictReader(io.StringIO(text))
    ]
