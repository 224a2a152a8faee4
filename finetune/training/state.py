"""How far a stage is."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from finetune.brief import Brief
from finetune.recipe import Stage
from finetune.training.history import EpochRow
from finetune.training.rates import after_retry


@dataclasses.dataclass(repr=False)
class StageState(Brief):
    """The state of a stage after `epoch`, with the best weights so far.

    Attributes:
        attempt: counted from 1; a stage that was rolled back may be tried again.
        scale: retry factor of the learning rate in this attempt.
        epoch: the last finished one of the attempt, 0 before the first.
        step: training steps done in the attempt.
        kept_epoch: the epoch of lowest validation loss, the earliest on ties; the last where nothing is held back.
        kept_step: the steps done by then.
        kept: `{TF1 name: value}` of that epoch.
        best: its validation loss.
        rows: one per epoch, of all attempts.
        rejected: why each attempt before this one was rolled back.
        steps: `STEP_COLUMNS` of each step of the attempt; kept where they are asked for.
        epoch_steps: the number of steps of each epoch; kept where `steps` are.
        spread: the histogram of |prelogits| of each epoch of the attempt; kept where `steps` are.
    """

    attempt: int = 1
    scale: float = 1.0
    epoch: int = 0
    step: int = 0
    kept_epoch: int = 0
    kept_step: int = 0
    kept: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    best: float = math.inf
    rows: list[EpochRow] = dataclasses.field(default_factory=list)
    rejected: list[str] = dataclasses.field(default_factory=list)
    steps: list[tuple[float, ...]] = dataclasses.field(default_factory=list)
    epoch_steps: list[int] = dataclasses.field(default_factory=list)
    spread: list[np.ndarray] = dataclasses.field(default_factory=list)

    @property
    def current(self) -> list[EpochRow]:
        """The rows of this attempt."""
        return [row for row in self.rows if row.attempt == self.attempt]

    def again(self, stage: Stage, reason: str) -> StageState:
        """Return the start of the next attempt, at a lower rate, and why this one was rolled back."""
        scale = after_retry(self.scale, stage)
        return StageState(self.attempt + 1, scale, rows=self.rows, rejected=[*self.rejected, reason])
