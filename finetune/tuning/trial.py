"""Trials of a search, and the files that keep them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from finetune import files
from finetune.cells import csv_text

State = Literal["finished", "pruned", "failed"]
JOURNAL, TABLE = "trials.json", "trials.csv"
DAMAGED = "remove the folder to search again, or give another --output"


@dataclasses.dataclass(frozen=True)
class Trial:
    """A trial that has ended.

    Attributes:
        number: number of the trial. Trial 0 is the recipe as given.
        values: value of each searched key, by dotted key; empty for trial 0.
        state: `finished`, `pruned` (ended early, because it was worse than most) or `failed`.
        score: value of the objective; None unless the trial is finished.
        course: values of the objective on the way, by step; empty if the trial failed.
        reason: why the trial failed, in words; empty otherwise.
    """

    number: int
    values: Mapping[str, Any]
    state: State
    score: float | None = None
    course: Mapping[int, float] = dataclasses.field(default_factory=dict)
    reason: str = ""

    @property
    def outcome(self) -> str:
        """Score or state, in words."""
        return self.state if self.score is None else f"{self.score:.4f}"

    @property
    def texts(self) -> dict[str, str]:
        """Value of each searched key as the command line's `key=value` takes it."""
        return {key: value if isinstance(value, str) else json.dumps(value) for key, value in self.values.items()}


def best_of(trials: Iterable[Trial]) -> Trial | None:
    """Return the finished trial with the highest score, the earliest on ties; None if none is finished."""
    finished = [trial for trial in trials if trial.score is not None]
    return max(finished, key=lambda trial: (trial.score, -trial.number), default=None)


def write_trials(folder: Path, trials: Sequence[Trial], keys: Sequence[str]) -> None:
    """Write the journal and the table of all trials.

    Raises:
        RunError: the disk is full; what stood there before is whole.
    """
    header = ("trial", "state", "score", *keys, "reason")
    rows = [
        (trial.number, trial.state, trial.score, *(trial.texts.get(key, "") for key in keys), trial.reason)
        for trial in trials
    ]
    files.write_json(folder / JOURNAL, [dataclasses.asdict(trial) for trial in trials])
    files.write_text(folder / TABLE, csv_text([header, *rows]))


def read_trials(folder: Path) -> list[Trial]:
    """Return the trials that the journal holds; none if there is no journal yet.

    Raises:
        DataError: the journal is damaged.
    """
    path = folder / JOURNAL
    if not path.exists():
        return []
    with files.reading(path, DAMAGED):
        stored = json.loads(files.read(path))
        trials = [
            Trial(**one | {"course": {int(step): value for step, value in one["course"].items()}}) for one in stored
        ]
        if not trials or [trial.number for trial in trials] != list(range(len(trials))):
            raise ValueError("trials are missing")
    return trials
