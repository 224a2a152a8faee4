"""The epochs of one stage."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from finetune.brief import Brief
from finetune.dataset import Batch
from finetune.errors import RunError
from finetune.progress import say, track
from finetune.recipe import Stage, Triplet
from finetune.training.figures import Means, StepResult
from finetune.training.history import EpochRow
from finetune.training.monitors import Collapse, Seen, parted
from finetune.training.sampling import Epoch, Sampler
from finetune.training.step import Trainer

MOST, BINS = 10.0, 1000
"""Of the published histogram of |prelogits|."""
Batches = Iterable[Batch]
Measure = Callable[[], Mapping[str, Any]]
"""Columns of the history that are measured after an epoch, with the weights that would be kept."""


class StageFailed(RunError):
    """The stage can't go on: its loss is no number, or its embeddings have collapsed."""


@dataclasses.dataclass(repr=False)
class StageState(Brief):
    """How far a stage is: after `epoch`, with the best weights so far.

    Attributes:
        attempt: counted from 1; a stage that was rolled back may be tried again.
        scale: what the learning rate is multiplied by in this attempt.
        epoch: the last finished one of the attempt, 0 before the first.
        step: training steps done in the attempt.
        kept_epoch: of lowest validation loss, earliest on ties; the last where nothing is held back.
        kept_step: the steps done by then.
        kept: `{TF1 name: value}` of that epoch.
        best: its validation loss.
        rows: one an epoch, of all attempts.
        rejected: why each attempt before this one was rolled back.
        steps: a row a step of the attempt, `STEP_COLUMNS`; kept where they are asked for.
        epoch_steps: how many of them each epoch had; likewise.
        spread: a row an epoch of the attempt, the histogram of |prelogits|; likewise.
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

    def again(self, factor: float, reason: str) -> StageState:
        """The start of the next attempt, at a lower rate, and why this one was rolled back."""
        return StageState(self.attempt + 1, self.scale * factor, rows=self.rows, rejected=[*self.rejected, reason])


def train(
    trainer: Trainer,
    state: StageState,
    batches: Callable[[Epoch], Batches],
    sampler: Sampler,
    validation: Callable[[], Batches] | None,
    *,
    key: int,
    on_epoch: Callable[[StageState], None],
    check: Callable[[], None] = lambda: None,
    targets: np.ndarray | None = None,
    measure: Measure = dict,
    keeps_steps: bool = False,
) -> None:
    """Trains from `state` to the stage's end and leaves the kept epoch's weights in the model.

    Args:
        batches: gives an epoch's batches, the same for the same epoch.
        sampler: draws the epochs.
        validation: gives the held-back batches, or None.
        key: of the stage's dropout; with the step's number it is used once in a run.
        on_epoch: called with the state after each epoch.
        check: called before each step; may raise to end the run there.
        targets: of a distillation: embeddings to stay near, a row a training image, float32 [n, E].
        measure: gives columns of an epoch's row.
        keeps_steps: whether the state collects `steps` and `spread`.

    Raises:
        StageFailed: the loss or the weights are no finite numbers, or the embeddings have collapsed. The state
            has what was kept before.
    """
    stage = trainer.stage
    watch = _watch(trainer, state)
    while state.epoch < stage.last_epoch and not _stalled(stage.early_stopping, state):
        number = state.epoch + 1
        rate = state.scale * (stage.learning_rate.rate(number, stage.epochs) or 0.0)
        start = time.monotonic()
        epoch = sampler.epoch(number, [row.triplet or 0.0 for row in state.current])
        means, last = _train_epoch(
            trainer, state, epoch, batches(epoch), sampler, rate, key, check, targets, keeps_steps
        )
        with trainer.averaged():
            weights = trainer.model.tensors(trainer.names)
            held_back = _held_back(trainer, state, weights, validation, last, rate)
            measured = measure()
        row = _row(trainer, state.attempt, number, rate, means, held_back, sampler, time.monotonic() - start)
        state.epoch = number
        state.rows.append(dataclasses.replace(row, **measured))
        if row.validation_loss is None or row.validation_loss < state.best:
            state.best = math.inf if row.validation_loss is None else row.validation_loss
            state.kept_epoch, state.kept_step, state.kept = number, state.step, weights
        on_epoch(state)
        if warning := parted(state.current):
            say(f"warning: {warning}")
        if watch is not None:
            _see(watch, row, state)
    if state.epoch < stage.epochs:
        say(_why_it_ends(stage, state))
    trainer.model.assign(state.kept)


def _why_it_ends(stage: Stage, state: StageState) -> str:
    """Say what ends a stage before the last of its epochs."""
    stalled = f"no lower validation loss in {state.epoch - state.kept_epoch} epochs"
    why = "its schedule stops there" if state.epoch == stage.last_epoch else stalled
    return f"stage {stage.name!r} ends after epoch {state.epoch} of {stage.epochs}: {why}"


def _train_epoch(
    trainer: Trainer,
    state: StageState,
    epoch: Epoch,
    batches: Batches,
    sampler: Sampler,
    rate: float,
    key: int,
    check: Callable[[], None],
    targets: np.ndarray | None,
    keeps_steps: bool,
) -> tuple[StepResult, Batch]:
    """The means of an epoch, and its last batch."""
    stage, means = trainer.stage, Means()
    what = f"{stage.name}, epoch {epoch.number} of {stage.last_epoch}"
    spread = np.zeros(BINS, np.float32)
    for batch in track(batches, epoch.n_batches, what):
        features, labels, rows = batch
        check()
        state.step += 1
        result = trainer.step(
            features,
            labels,
            rate * _warmed(stage.warmup_epochs * epoch.n_batches, state.step),
            (key, state.step),
            images=rows,
            targets=None if targets is None else targets[rows],
            negatives=epoch.negatives,
        )
        where = f"stage {stage.name!r}, epoch {epoch.number}, step {state.step}: the loss"
        _must_be_finite(result.loss, where, rate, state)
        means.add(result, len(labels))
        sampler.used(rows, trainer.seen)
        if keeps_steps:
            state.steps.append(_published(result, len(labels)))
            spread += _spread(trainer.seen())
    if keeps_steps:
        state.spread.append(spread)
        state.epoch_steps.append(epoch.n_batches)
    return means.result(), batch


def _spread(prelogits: np.ndarray) -> np.ndarray:
    """How many have an absolute value in each bin, those above the last one in it, as published."""
    return np.histogram(np.minimum(np.abs(prelogits), MOST), BINS, (0.0, MOST))[0]


def _warmed(steps: float, step: int) -> float:
    """The share of the learning rate that a step has, where it rises over so many steps."""
    return min(1.0, step / steps) if steps else 1.0


def _published(result: StepResult, images: int) -> tuple[float, ...]:
    """A step's figures in the order of `STEP_COLUMNS`; what is not the loss itself counts as regularization."""
    own = result.cross_entropy or result.triplet
    accuracy = result.correct / images
    return result.loss, result.center_loss, result.loss - own, own, result.prelogits_norm, accuracy


def _row(
    trainer: Trainer,
    attempt: int,
    number: int,
    rate: float,
    mean: StepResult,
    held_back: StepResult | None,
    sampler: Sampler,
    seconds: float,
) -> EpochRow:
    stage = trainer.stage
    mined = isinstance(stage.loss, Triplet)
    return EpochRow(
        stage=stage.name,
        attempt=attempt,
        epoch=number,
        learning_rate=rate,
        loss=mean.loss,
        cross_entropy=None if mined else mean.cross_entropy,
        triplet=mean.triplet if mined else None,
        prelogits_norm=mean.prelogits_norm,
        center_loss=mean.center_loss if stage.center_loss.factor else None,
        weight_decay=mean.weight_decay if stage.weight_decay else None,
        l2_sp=mean.l2_sp if stage.l2_sp else None,
        distillation=mean.distillation if stage.distillation else None,
        gradient_norm=mean.gradient_norm,
        accuracy=None if mined else mean.correct,
        active_triplets=mean.active if mined else None,
        positive_distance=mean.positive_distance if mined else None,
        negative_distance=mean.negative_distance if mined else None,
        drawn_mean=float(sampler.drawn.mean()),
        drawn_std=float(sampler.drawn.std()),
        validation_loss=_held_back_loss(trainer, held_back) if held_back else None,
        validation_accuracy=held_back.correct if held_back and not mined else None,
        seconds=seconds,
    )


def _held_back(
    trainer: Trainer,
    state: StageState,
    weights: Mapping[str, np.ndarray],
    validation: Callable[[], Batches] | None,
    last: Batch,
    rate: float,
) -> StepResult | None:
    """The figures of the held-back images, None without any.

    Raises:
        StageFailed: the weights, or the loss by them, are no finite numbers.
    """
    where = f"stage {trainer.stage.name!r}, epoch {state.epoch + 1}"
    if not all(np.isfinite(value).all() for value in weights.values()):
        raise StageFailed(_not_finite(f"{where}: the weights", "no finite numbers", rate, state))
    if validation is None:
        # What the last step made of the weights would show in the next loss only.
        _must_be_finite(trainer.evaluate(last.features, last.labels).loss, f"{where}: the loss", rate, state)
        return None
    means = Means()
    for features, labels, _ in validation():
        means.add(trainer.evaluate(features, labels), len(labels))
    _must_be_finite(_held_back_loss(trainer, means.result()), f"{where}: the validation loss", rate, state)
    return means.result()


def _held_back_loss(trainer: Trainer, held_back: StepResult) -> float:
    return held_back.triplet if isinstance(trainer.stage.loss, Triplet) else held_back.cross_entropy


def _must_be_finite(loss: float, what: str, rate: float, state: StageState) -> None:
    if not math.isfinite(loss):
        raise StageFailed(_not_finite(what, loss, rate, state))


def _not_finite(what: str, found: object, rate: float, state: StageState) -> str:
    kept = f"the weights of epoch {state.kept_epoch} are kept" if state.kept else "the weights from before are kept"
    return f"{what} became {found}; {kept}; lower its learning_rate (now {rate:g})"


def _watch(trainer: Trainer, state: StageState) -> Collapse | None:
    """What watches for collapse, having seen the epochs of this attempt."""
    loss = trainer.stage.loss
    if not isinstance(loss, Triplet):
        return None
    watch = Collapse(loss.distance)
    for row in state.current:
        _add(watch, row)
    return watch


def _add(watch: Collapse, row: EpochRow) -> Seen | None:
    return watch.add(row.active_triplets or 0.0, row.positive_distance or 0.0, row.negative_distance or 0.0)


def _see(watch: Collapse, row: EpochRow, state: StageState) -> None:
    seen = _add(watch, row)
    if seen and seen.stops:
        if row.validation_loss is None:
            state.kept = {}  # without held-back images the last epoch is kept, which has collapsed
        raise StageFailed(f"stage {row.stage!r}, epoch {row.epoch}: {seen.text}")
    if seen:
        say(f"warning: stage {row.stage!r}: {seen.text}")


def _stalled(patience: int | None, state: StageState) -> bool:
    return patience is not None and state.epoch - state.kept_epoch >= patience
