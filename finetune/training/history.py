"""History of a stage: one row per epoch, with one column per metric."""

from __future__ import annotations

import csv
import dataclasses
import io
import re
from collections.abc import Iterable, Mapping
from typing import Any

from finetune.training.objectives import all_metrics

KEYS = ("stage", "attempt", "epoch")
"""The columns that say which epoch a row is of."""
OF_SET = re.compile(r"[a-z0-9_-]+\.(accuracy|low|high|val)")
"""Column of a set of `measure`. Other columns have no dot."""


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
        read = {name: value for name, value in stored.items() if name in known or OF_SET.fullmatch(name)}
        numbers = {name: float(value) for name, value in read.items() if value is not None}
        return cls(stored["stage"], int(stored.get("attempt") or 1), int(stored["epoch"]), numbers)


def column_meanings() -> dict[str, str]:
    """Return the meaning of each column of `history.csv`, in the order of the columns.

    Losses and terms declare the meanings of their own columns, which are means over the epoch.
    """
    metrics = all_metrics()
    return {
        "stage": "Name of the stage.",
        "attempt": "Number of the attempt, from 1. A stage that was rolled back may be tried again.",
        "epoch": "Number of the epoch within the attempt, from 1.",
        "learning_rate": "Learning rate of the classifier, after the warm-up.",
        **{metric.column: metric.meaning for metric in metrics if metric.column},
        "drawn_mean": "Mean number of times that a training image was drawn since the attempt began.",
        "drawn_std": "Standard deviation of that number over the training images.",
        **{metric.held_back: metric.held_back_meaning for metric in metrics if metric.held_back},
        "lfw_accuracy": "Accuracy on LFW's pairs, or on the sample of them, after the epochs that `verification` says.",
        "lfw_low": "Lower end of the 95 % interval of the change of `lfw_accuracy` since before the run.",
        "lfw_high": "Upper end of the 95 % interval of the change of `lfw_accuracy`.",
        "lfw_val": "Validation rate on LFW's pairs, at a false accept rate of 0.001.",
        "learned_accuracy": "Share of the held-back images whose nearest class mean of embeddings is their person's.",
        "learned_low": "Lower end of the 95 % interval of the change of `learned_accuracy` since before the run.",
        "learned_high": "Upper end of the 95 % interval of the change of `learned_accuracy`.",
        "strangers_accuracy": "Accuracy on pairs of held-out identities.",
        "strangers_low": "Lower end of the 95 % interval of the change of `strangers_accuracy` since before the run.",
        "strangers_high": "Upper end of the 95 % interval of the change of `strangers_accuracy`.",
        "strangers_val": "Validation rate on pairs of held-out identities, at a false accept rate of 0.001.",
        "strangers_dir": "Share of the held-back images that are named correctly, "
        "with a score above the one that 1 % of the held-out identities' images reach.",
        "seconds": "Wall time of the epoch in seconds.",
    }


def set_meanings(name: str) -> dict[str, str]:
    """Return the meanings of the columns of a set of `measure`, which follow all others."""
    return {
        f"{name}.accuracy": f"Accuracy on the pairs of {name}, after the epochs that `verification` says.",
        f"{name}.low": f"Lower end of the 95 % interval of the change of `{name}.accuracy` since before the run.",
        f"{name}.high": f"Upper end of the 95 % interval of the change of `{name}.accuracy`.",
        f"{name}.val": f"Validation rate on the pairs of {name}, at the false accept rate of its protocol.",
    }


def sets_of(row: EpochRow) -> tuple[str, ...]:
    """Return the sets of `measure` that were measured after an epoch."""
    return tuple(name.rpartition(".")[0] for name in row.numbers if name.endswith(".accuracy"))


def history_columns(sets: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the columns of `history.csv`, in their order; `column_meanings` says what each holds.

    Args:
        sets: names of the recipe's sets of `measure`.
    """
    return (*column_meanings(), *(column for name in sets for column in set_meanings(name)))


def number_columns(sets: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the columns of numbers in their order, those of every loss and term among them."""
    return tuple(name for name in history_columns(sets) if name not in KEYS)


def to_csv(rows: Iterable[EpochRow], sets: Iterable[str] = ()) -> str:
    """Return the history as CSV, with a header.

    Args:
        rows: rows of the epochs.
        sets: names of the recipe's sets of `measure`.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, history_columns(sets), lineterminator="\n")
    writer.writeheader()
    writer.writerows(row.to_json() for row in rows)
    return text.getvalue()


def from_csv(text: str) -> list[EpochRow]:
    """Read a result of `to_csv`. Columns that an older finetune did not write are left out."""
    return [
        EpochRow.from_json({name: value for name, value in values.items() if value})
        for values in csv.DictReader(io.StringIO(text))
    ]
