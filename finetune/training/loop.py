"""The epochs of one stage."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterable

import numpy as np
import tensorflow as tf

from finetune.errors import RunError
from finetune.progress import track
from finetune.training.history import EpochRow, Mean
from finetune.training.trainer import StepResult, Trainer

Batches = Iterable[tuple[tf.Tensor, tf.Tensor]]
"""Of (features [b, ...], labels int64 [b])."""


@dataclasses.dataclass
class StageState:
    """How far a stage is: after `epoch`, with the best weights so far.

    Attributes:
        epoch: the last finished one, 0 before the first.
        step: training steps done in this stage.
        kept_epoch: of lowest validation loss, earliest on ties; the last where nothing is held back.
        kept: `{TF1 name: value}` of that epoch.
        best: its validation loss.
        rows: one an epoch.
    """

    epoch: int = 0
    step: int = 0
    kept_epoch: int = 0
    kept: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    best: float = math.inf
    rows: list[EpochRow] = dataclasses.field(default_factory=list)


def train(
    trainer: Trainer,
    state: StageState,
    batches: Callable[[int], Batches],
    n_batches: int,
    validation: Callable[[], Batches] | None,
    *,
    key: int,
    on_epoch: Callable[[StageState], None],
    check: Callable[[], None] = lambda: None,
) -> None:
    """Trains from `state` to the stage's end and leaves the kept epoch's weights in the model.

    Args:
        batches: gives an epoch's batches, the same for the same epoch.
        n_batches: how many these are.
        validation: gives the held-back batches, or None.
        key: of the stage's dropout; with the step's number it is used once in a run.
        on_epoch: called with the state after each epoch.
        check: called before each step; may raise to end the run there.

    Raises:
        RunError: the loss is not a finite number.
    """
    stage = trainer.stage
    while state.epoch < stage.epochs and not _stalled(stage.early_stopping, state):
        epoch = state.epoch + 1
        rate = stage.learning_rate.rate(epoch, stage.epochs)
        if rate is None:
            break
        start = time.monotonic()
        trained = Mean()
        for features, labels in track(batches(epoch), n_batches, f"{stage.name}, epoch {epoch} of {stage.epochs}"):
            check()
            state.step += 1
            result = trainer.step(features, labels, rate, (key, state.step))
            _must_be_finite(result.loss, f"stage {stage.name!r}, epoch {epoch}, step {state.step}: the loss", rate)
            trained.add(result, len(labels))
        held_back = _evaluate(trainer, validation) if validation else None
        if held_back:
            where = f"stage {stage.name!r}, epoch {epoch}: the validation loss"
            _must_be_finite(held_back.cross_entropy, where, rate)
        mean = trained.result()
        row = EpochRow(
            stage.name,
            epoch,
            rate,
            *mean,
            held_back.cross_entropy if held_back else None,
            held_back.correct if held_back else None,
            time.monotonic() - start,
        )
        state.epoch = epoch
        state.rows.append(row)
        if row.validation_loss is None or row.validation_loss < state.best:
            state.best = math.inf if row.validation_loss is None else row.validation_loss
            state.kept_epoch, state.kept = epoch, trainer.model.tensors(trainer.names)
        on_epoch(state)
    trainer.model.assign(state.kept)


def _evaluate(trainer: Trainer, batches: Callable[[], Batches]) -> StepResult:
    mean = Mean()
    for features, labels in batches():
        mean.add(trainer.evaluate(features, labels), len(labels))
    return mean.result()


def _must_be_finite(loss: float, what: str, rate: float) -> None:
    if not math.isfinite(loss):
        raise RunError(
            f"{what} became {loss}; the weights from before are kept; lower its learning_rate (now {rate:g})"
        )


def _stalled(patience: int | None, state: StageState) -> bool:
    return patience is not None and state.epoch - state.kept_epoch >= patience
