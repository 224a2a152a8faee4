"""Loop over the epochs of one stage."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from finetune.dataset import Batch
from finetune.errors import Problem, RunError
from finetune.interruption import stop_if_asked
from finetune.progress import say, track
from finetune.training.history import EpochRow
from finetune.training.metrics import Means, held_back_columns, published_columns, training_columns
from finetune.training.monitors import overfitting
from finetune.training.objectives import LOSS, Alert
from finetune.training.rates import Rates
from finetune.training.sampling import Epoch, Sampler
from finetune.training.state import StageState
from finetune.training.step import Trainer

MOST, BINS = 10.0, 1000
"""Largest value and number of bins of the published histogram of |prelogits|."""
Batches = Iterable[Batch]


class StageFailed(RunError):
    """Error that ends a stage: its loss or its weights are not finite, or its embeddings have collapsed."""


@dataclasses.dataclass(frozen=True)
class Data:
    """Inputs of the epochs of a stage.

    Attributes:
        batches: function that gives the batches of an epoch, always the same ones for the same epoch.
        sampler: sampler that draws the epochs.
        validation: function that gives the held-back batches; None if nothing is held back.
        targets: function from a batch and the number of its epoch to the target embeddings of distillation, float32
            [b, E]; None without them.
    """

    batches: Callable[[Epoch], Batches]
    sampler: Sampler
    validation: Callable[[], Batches] | None = None
    targets: Callable[[Batch, int], np.ndarray | tf.Tensor] | None = None


@dataclasses.dataclass(frozen=True)
class Run:
    """Settings of the run that a stage belongs to.

    Attributes:
        key: number for the stage's dropout. Together with the step's number it is used once per run.
        on_epoch: function that is called with the state after each epoch.
        measure: function from the number of an epoch to further columns of its row. It measures the weights that would
            be kept.
        keeps_steps: True if the state collects `steps` and `spread`.
    """

    key: int
    on_epoch: Callable[[StageState], None] = lambda _: None
    measure: Callable[[int], Mapping[str, float | None]] = lambda _: {}
    keeps_steps: bool = False


class _Stage(NamedTuple):
    """Stage in training, with its inputs."""

    trainer: Trainer
    state: StageState
    data: Data
    run: Run

    @property
    def rates(self) -> Rates:
        return Rates(self.trainer.stage, self.state.scale)


def train(trainer: Trainer, state: StageState, data: Data, run: Run) -> None:
    """Train from `state` to the end of the stage, and leave the weights of the kept epoch in the model.

    Raises:
        StageFailed: the loss or the weights are not finite, or the embeddings have collapsed. The state has what was
            kept before.
    """
    stage = trainer.stage
    training = _Stage(trainer, state, data, run)
    monitor = stage.loss.monitor()
    if monitor:
        for row in state.current:
            monitor.add(row.numbers)
    while state.epoch < stage.last_epoch and not _stalled(stage.early_stopping, state):
        number = state.epoch + 1
        start = time.monotonic()
        epoch = data.sampler.epoch(number, [row.get(stage.loss.column) or 0.0 for row in state.current])
        columns, last = _train_epoch(training, epoch)
        with trainer.averaged():
            weights = trainer.model.tensors(trainer.names)
            columns |= _held_back(training, weights, last)
            measured = run.measure(number)
        columns |= {"seconds": time.monotonic() - start}
        columns |= {name: value for name, value in measured.items() if value is not None}
        row = EpochRow(stage.name, state.attempt, number, columns)
        state.epoch = number
        state.rows.append(row)
        validation_loss = row.get(LOSS.held_back)
        if validation_loss is None or validation_loss < state.best:
            state.best = math.inf if validation_loss is None else validation_loss
            state.kept_epoch, state.kept_step, state.kept = number, state.step, weights
        run.on_epoch(state)
        if warning := overfitting(state.current):
            say(f"warning: {warning}")
        if monitor and (alert := monitor.add(row.numbers)):
            _heed(alert, row, state)
    if state.epoch < stage.epochs:
        say(_why_it_ends(training))
    trainer.model.assign(state.kept)


def _why_it_ends(training: _Stage) -> str:
    """Return why a stage ends before the last of its epochs, in words."""
    stage, state = training.trainer.stage, training.state
    stalled = f"no lower validation loss in {state.epoch - state.kept_epoch} epochs"
    why = "its schedule stops there" if state.epoch == stage.last_epoch else stalled
    return f"stage {stage.name!r} ends after epoch {state.epoch} of {stage.epochs}: {why}"


def _train_epoch(training: _Stage, epoch: Epoch) -> tuple[dict[str, Any], Batch]:
    """Train one epoch, and return its columns and its last batch."""
    trainer, state, data, run = training
    stage, means = trainer.stage, Means(trainer.metrics)
    rate = training.rates.of_epoch(epoch.number)
    what = f"{stage.name}, epoch {epoch.number} of {stage.last_epoch}"
    spread = np.zeros(BINS, np.float32)
    for batch in track(data.batches(epoch), epoch.n_batches, what):
        features, labels, rows = batch
        stop_if_asked()
        state.step += 1
        result = trainer.step(
            features,
            labels,
            training.rates.of_step(epoch.number, epoch.n_batches, state.step),
            (run.key, state.step),
            images=rows,
            targets=data.targets(batch, epoch.number) if data.targets else None,
            negatives=epoch.negatives,
        )
        where = f"stage {stage.name!r}, epoch {epoch.number}, step {state.step}"
        _must_be_finite(result[LOSS.name], where, "the loss", rate, state)
        means.add(result, len(labels))
        data.sampler.used(rows, trainer.seen)
        if run.keeps_steps:
            state.steps.append(published_columns(stage.loss, result, len(labels)))
            spread += _spread(trainer.seen())
    if run.keeps_steps:
        state.spread.append(spread)
        state.epoch_steps.append(epoch.n_batches)
    drawn = data.sampler.drawn
    columns = {"learning_rate": rate} | training_columns(trainer.metrics, means.result())
    return columns | {"drawn_mean": float(drawn.mean()), "drawn_std": float(drawn.std())}, batch


def _spread(prelogits: np.ndarray) -> np.ndarray:
    """Return the histogram of magnitudes, [BINS]. As published, larger values count in the last bin."""
    return np.histogram(np.minimum(np.abs(prelogits), MOST), BINS, (0.0, MOST))[0]


def _held_back(training: _Stage, weights: Mapping[str, np.ndarray], last: Batch) -> dict[str, float]:
    """Compute the columns of the held-back images; there are none if nothing is held back.

    Raises:
        StageFailed: the weights, or the loss with them, are not finite.
    """
    trainer, state, data, _ = training
    loss, rate = trainer.stage.loss, training.rates.of_epoch(state.epoch + 1)
    where = f"stage {trainer.stage.name!r}, epoch {state.epoch + 1}"
    if not all(np.isfinite(value).all() for value in weights.values()):
        raise StageFailed(_not_finite(where, "the weights became no finite numbers", rate, state))
    if data.validation is None:
        # A fault of the last update would only show in the next loss.
        found = trainer.evaluate(last.features, last.labels)
        _must_be_finite(found[LOSS.name], where, "the loss", rate, state)
        return {}
    means = Means(trainer.metrics)
    for features, labels, _ in data.validation():
        means.add(trainer.evaluate(features, labels), len(labels))
    columns = held_back_columns(loss, means.result())
    _must_be_finite(columns[LOSS.held_back], where, "the validation loss", rate, state)
    return columns


def _must_be_finite(loss: float, where: str, what: str, rate: float, state: StageState) -> None:
    if not math.isfinite(loss):
        raise StageFailed(_not_finite(where, f"{what} became {loss}", rate, state))


def _not_finite(where: str, found: str, rate: float, state: StageState) -> Problem:
    kept = f"the weights of epoch {state.kept_epoch} are kept" if state.kept else "the weights from before are kept"
    return Problem(where, f"{found}; {kept}", f"lower its learning_rate (now {rate:g})")


def _heed(alert: Alert, row: EpochRow, state: StageState) -> None:
    """Print the warning of a monitor, or end the stage.

    Raises:
        StageFailed: the stage must not go on.
    """
    if alert.stops:
        if row.get(LOSS.held_back) is None:
            state.kept = {}  # without held-back images this is the last epoch, which has collapsed
        raise StageFailed(alert.problem.within(f"stage {row.stage!r}, epoch {row.epoch}"))
    say(f"warning: {alert.problem.within(f'stage {row.stage!r}')}")


def _stalled(patience: int | None, state: StageState) -> bool:
    return patience is not None and state.epoch - state.kept_epoch >= patience
