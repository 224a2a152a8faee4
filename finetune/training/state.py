"""Progress of a stage."""

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
    """State of a stage after `epoch`, with the best weights so far.

    Attributes:
        attempt: number of the attempt, from 1. A stage that was rolled back may be tried again.
        scale: retry factor of the learning rate in this attempt.
        epoch: last finished epoch of the attempt, 0 before the first.
        step: training steps done in the attempt.
        kept_epoch: epoch with the lowest validation loss, the earliest on ties. Without held-back images, the last
            epoch.
        kept_step: training steps done by the end of `kept_epoch`.
        kept: weights of `kept_epoch`, `{TF1 name: value}`.
        best: validation loss of `kept_epoch`.
        rows: one row per epoch, of all attempts.
        rejected: reason for the roll-back of each earlier attempt.
        steps: `STEP_COLUMNS` of each step of the attempt, if they are collected.
        epoch_steps: number of steps of each epoch, if `steps` are collected.
        spread: histogram of |prelogits| of each epoch of the attempt, if `steps` are collected.
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
        """Rows of this attempt."""
        return [row for row in self.rows if row.attempt == self.attempt]

    def again(self, stage: Stage, reason: str) -> StageState:
        """Return the initial state of the next attempt, at a lower rate, with the reason for the roll-back."""
        scale = after_retry(self.scale, stage)
        return StageState(self.attempt + 1, scale, rows=self.rows, rejected=[*self.rejected, reason])
