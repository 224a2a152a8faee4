"""One stage of a run: trained, measured, judged, and retried if the recipe says so."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np

from finetune.embedding import Embedder, FrozenFeatures
from finetune.errors import NotFinite
from finetune.progress import say
from finetune.recipe import Stage
from finetune.record import Evidence, StageResult
from finetune.report import tables
from finetune.runs.certificate import FrozenTensors
from finetune.runs.context import Context
from finetune.runs.gate import Decision, judge
from finetune.runs.suspects import Suspects, suspects
from finetune.runs.teacher import Teacher
from finetune.training import Data, EpochRow, Run, StageFailed, StageState, Trainer, prototypes, train
from finetune.verification import VerificationResult

OnEpoch: TypeAlias = Callable[[EpochRow], object]


class StageOutcome(NamedTuple):
    """Outcome of a stage.

    Attributes:
        result: result, measured and judged.
        state: state of the last attempt.
        frozen: sha256 of each tensor that the stage did not change.
        suspects: training images that seem to be under a wrong name; None if the loss names none.
    """

    result: StageResult
    state: StageState
    frozen: dict[str, str]
    suspects: Suspects | None = None


class StageRun:
    """Run of one stage from given weights.

    Args:
        context: context of the run. Its model has the weights that the stage starts from.
        stage: stage to run.
        start: measurements before the first stage.
        results: results of the earlier stages.
        on_epoch: function that is called with the row of each finished epoch.
    """

    def __init__(
        self,
        context: Context,
        stage: Stage,
        start: Evidence,
        results: Sequence[StageResult],
        on_epoch: OnEpoch | None = None,
    ) -> None:
        self._on_epoch = on_epoch
        self._inputs, self._model, self._evaluation = context.inputs, context.model, context.evaluation
        self._histories, self._folder = context.histories, context.folder
        self._stage, self._index = stage, len(results) + 1
        self._start = start
        self._began = results[-1].standing if results else start
        self._steps = results[-1].step if results else 0

    def run(self, trainer: Trainer, state: StageState, resumed: Mapping[str, np.ndarray] | None = None) -> StageOutcome:
        """Train from `state`, and leave the weights that are kept after the stage in the model.

        Args:
            resumed: stored state of trainer and sampler; None if the stage begins.

        Raises:
            StageFailed: the loss became NaN, or the embeddings collapsed, before any epoch was kept.
        """
        accept = self._stage.accept
        frozen = FrozenTensors(self._model, trainer.names)
        started_from = self._model.tensors(trainer.names)
        fresh = trainer.state() if accept and accept.attempts > 1 else {}
        embedder = self._evaluation.embedder(trainer)
        while True:
            failed = self._attempt(trainer, embedder, state, resumed)
            last = accept is None or state.attempt >= accept.attempts
            if failed and not state.kept:
                if last:
                    raise failed
                reason = str(failed)
            else:
                digests = frozen.verify(self._model)
                result = self._judged(embedder, state, str(failed or ""))
                named = self._suspects(embedder)
                if not result.accepted:
                    self._model.assign(started_from)
                if result.accepted or last:
                    return StageOutcome(result, state, digests, named)
                reason = result.reason
            state, resumed = state.again(self._stage, reason), None
            say(f"rolled back: {reason}\ntrying again, at {state.scale:g} times the learning rate")
            self._model.assign(started_from)
            trainer.load(fresh)

    def _attempt(
        self, trainer: Trainer, embedder: Embedder, state: StageState, resumed: Mapping[str, np.ndarray] | None
    ) -> StageFailed | None:
        """Train from `state` to the kept epoch's weights, and return the failure that ended it early, if any."""
        recipe, inputs, stage, index = self._inputs.recipe, self._inputs, self._stage, self._index
        sampler = inputs.sampler(stage, index, lambda: self._evaluation.embedder().embeddings(inputs.train.paths))
        if resumed is not None:
            trainer.load(resumed)
            sampler.load(resumed)
        else:
            if stage.init:
                self._write_head(self._evaluation.embedder())
            trainer.begin()
        tables.stage_header(stage, index, trainer, len(inputs.train), state)
        targets = Teacher(inputs).targets(stage, index, trainer.first)
        features = FrozenFeatures(embedder, recipe, index, inputs.train, inputs.validation, inputs.strategy.share)

        def measured(epoch: int) -> Mapping[str, float | None]:
            return self._evaluation.after_epoch(embedder, epoch, self._start)

        def on_epoch(state: StageState) -> None:
            self._histories.epoch(state)
            self._folder.write_state(index, stage, state, trainer.state() | sampler.state())
            tables.epoch(state, stage)
            if self._on_epoch:
                self._on_epoch(state.current[-1])

        data = Data(
            lambda epoch: features.training(epoch.number, epoch.order, epoch.batch_size),
            sampler,
            features.validation if len(inputs.validation) and stage.loss.judges else None,
            targets,
        )
        run = Run(_key(recipe.seed, index, state.attempt), on_epoch, measured, recipe.history.stat_h5)
        try:
            train(trainer, state, data, run)
        except StageFailed as error:
            self._model.assign(state.kept)
            return error
        return None

    def _judged(self, embedder: Embedder, state: StageState, failure: str) -> StageResult:
        """Return the result of an attempt, measured with the weights that it kept."""
        stage, kept = self._stage, state.current[state.kept_epoch - 1]
        if not stage.loss.has_head and self._model.num_classes:
            self._write_head(embedder)
        held_back = self._evaluation.held_back(embedder)
        sets: dict[str, VerificationResult] = {}
        trade_off, decision = None, Decision(accepted=True)
        try:
            sets = self._evaluation.sets(embedder)
            trade_off = self._evaluation.trade_off(embedder)
        except NotFinite as error:
            decision = Decision(accepted=False, reason=str(error))
        measured = Evidence(sets, trade_off, held_back)
        if decision.accepted:
            decision = judge(stage.accept, self._start, self._began, measured)
        accuracy = kept.get("validation_accuracy")
        if not stage.loss.has_head:
            accuracy = held_back.accuracy if held_back else None
        return StageResult(
            index=self._index,
            name=stage.name,
            train_from=stage.train_from,
            epochs=state.epoch,
            kept_epoch=state.kept_epoch,
            step=self._steps + (state.kept_step if decision.accepted else 0),
            cross_entropy=kept.get("cross_entropy"),
            accuracy=kept.get("accuracy"),
            validation_loss=kept.get("validation_loss"),
            validation_accuracy=accuracy,
            accepted=decision.accepted,
            reason=decision.reason,
            failure=failure,
            rejected=tuple(state.rejected),
            folder=self._folder.stage_path(self._index, stage.slug),
            start=self._start,
            began=self._began,
            trained=measured,
        )

    def _suspects(self, embedder: Embedder) -> Suspects | None:
        """Find the training images that seem to be under a wrong name, if the loss names such."""
        if not self._stage.loss.names_suspects:
            return None
        weights = self._model.variables[self._model.backbone.head_variables[0]].numpy()
        return suspects(self._inputs.train, embedder.embeddings(self._inputs.train.paths), weights)

    def _write_head(self, embedder: Embedder) -> None:
        """Make the classifier from the mean embeddings of the training images."""
        train = self._inputs.train
        prelogits, labels = embedder.prelogits(train.paths), train.labels
        weights, biases = prototypes(prelogits, labels, self._model.num_classes or 0)
        self._model.assign(dict(zip(self._model.backbone.head_variables, (weights, biases), strict=True)))


def _key(seed: int, stage: int, attempt: int) -> int:
    """Return a number of 31 bits for the dropout of a stage's attempt."""
    entropy = [seed, stage] if attempt == 1 else [seed, stage, attempt]
    return int(np.random.SeedSequence(entropy).generate_state(1)[0] >> 1)
