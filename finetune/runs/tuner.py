"""FineTuner: one checkpoint, one dataset, stage after stage."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from finetune import checkpoint as checkpoints
from finetune import network
from finetune.architecture import HEAD
from finetune.dataset.scan import Dataset
from finetune.errors import DataError, NotFinite, RunError, UserError
from finetune.evaluation import LFWResult
from finetune.features.central import CentralFeatures
from finetune.features.frozen import FrozenFeatures
from finetune.model import LOGITS, Model, is_head
from finetune.network import strategy
from finetune.progress import say
from finetune.recipe import Recipe, Stage
from finetune.runs import tables
from finetune.runs.certificate import FrozenTensors
from finetune.runs.curve import Curve, CurvePoint, columns, finite
from finetune.runs.environment import environment
from finetune.runs.folder import ReadOnlyFolder, RunFolder
from finetune.runs.gate import Verdict, decide
from finetune.runs.inputs import Inputs
from finetune.runs.results import BASELINE, StageResult, stored_results
from finetune.runs.stat_h5 import Stat
from finetune.runs.tensorboard import TensorBoard
from finetune.training import EpochRow, StageFailed, StageState, Trainer, train
from finetune.training.head import prototypes
from finetune.training.history import from_csv, to_csv
from finetune.training.replicated import build
from finetune.training.sampler import Sampler


class FineTuner:
    """Fine-tunes one checkpoint on one dataset.

    Args:
        checkpoint: a directory, a prefix, any of the checkpoint's files, or a frozen `.pb`.
        data: the folder with one folder of aligned faces per person, or a recipe's `data` section
            as a mapping: `{"train": ..., "validation_split": 0.1}`.
        output: the run's folder, missing or empty.
        lfw: a recipe's `lfw` section as a mapping, or the folder of aligned LFW faces with its
            `pairs.txt` inside or beside it. Without it nothing is validated on pairs.
        settings: any other top-level key of a recipe: `seed`, `batch_size`, `augment`,
            `cache`, `precision`, `runtime`, `strategy`, `preprocessing`.

    Raises:
        UserError: some input can't be used; one line for every problem.
    """

    def __init__(
        self,
        checkpoint: str | Path,
        data: str | Path | Mapping[str, Any],
        output: str | Path,
        lfw: str | Path | Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        values = settings | {"checkpoint": str(checkpoint), "output": str(output)}
        values["data"] = data if isinstance(data, Mapping) else {"train": str(data)}
        if lfw is not None:
            values["lfw"] = lfw if isinstance(lfw, Mapping) else _lfw_section(Path(os.path.expanduser(lfw)))
        recipe = Recipe.from_values(values | {"stages": ()})
        if strategy.planned(recipe.strategy).is_chief:
            RunFolder(recipe.output).refuse_if_used()
        self._start(Inputs.open(recipe, strategy.create(recipe.strategy)))

    @classmethod
    def from_inputs(cls, inputs: Inputs, check: Callable[[], None] = lambda: None) -> FineTuner:
        """For inputs that are open already; the output may hold the run that is continued.

        Args:
            check: called before each step and around each measurement; may raise to end the run there.
        """
        tuner = cls.__new__(cls)
        tuner._start(inputs, check)
        return tuner

    def _start(self, inputs: Inputs, check: Callable[[], None] = lambda: None) -> None:
        self.inputs = inputs
        self.recipe = inputs.recipe
        self.strategy = inputs.strategy
        self.folder = (RunFolder if self.strategy.is_chief else ReadOnlyFolder)(inputs.recipe.output)
        self.results: list[StageResult] = []
        self.rows: list[EpochRow] = []
        self.baseline: LFWResult | None = None
        self.point: CurvePoint | None = None
        self._tensorboard: TensorBoard | None = None
        self._stat = Stat.empty()
        strangers = inputs.strangers
        self._curve = Curve(self.recipe, inputs.train, inputs.validation, strangers) if strangers else None
        self.check = check
        self._begun = False
        self._resuming: int | None = None

    @property
    def model(self) -> Model:
        """The network with the weights as they stand."""
        return self.inputs.model

    def run(self, stage: Stage) -> StageResult:
        """Trains a stage, measures it on LFW and on strangers, and keeps it or rolls it back.

        Before the first stage the baseline is measured. Afterwards the stage's folder lies in the
        run's folder.

        Raises:
            RecipeError: the stage does not go with those before it, or needs what was not given.
            StageFailed: the loss became NaN, or the embeddings collapsed. Where an epoch was kept before, the stage
                ends with its weights, measured, judged and saved like any other; else it never was.
            RunError: the disk is full, or an image can no longer be read; what was finished before stands.
        """
        index = len(self.results) + 1
        # The recipe checks the stage against those before it; on disk it grows with the run.
        stages = (*self.recipe.stages[: index - 1], stage, *self.recipe.stages[index:])
        self.recipe = dataclasses.replace(self.recipe, stages=stages)
        self.begin()
        self.folder.write_text("recipe.yaml", self.recipe.to_yaml())
        trainer = build(self.model, stage, self.strategy)
        started_from = self.model.tensors(trainer.names)
        try:
            result = self._run(index, stage, trainer, started_from)
        except BaseException:
            # What was finished before stands, in memory as on disk.
            self.model.assign(started_from)
            raise
        tables.stage_footer(result)
        if result.failure:
            raise StageFailed(result.failure)
        return result

    def _run(self, index: int, stage: Stage, trainer: Trainer, started_from: Mapping[str, np.ndarray]) -> StageResult:
        frozen = FrozenTensors(self.model, trainer.names)
        state = self._resumed_state(index, stage) or StageState()
        fresh = trainer.state() if stage.accept and stage.accept.attempts > 1 else {}
        while True:
            failure = self._attempt(index, trainer, state)
            last = state.attempt >= (stage.accept.attempts if stage.accept else 1)
            if failure and not state.kept:
                if last:
                    raise StageFailed(failure)
                verdict = Verdict(False, failure)
            else:
                digests = frozen.verify(self.model)
                result = self._judged(index, stage, state, trainer, failure)
                verdict = Verdict(result.accepted, result.reason)
            if not verdict.accepted:
                self.model.assign(started_from)
            if verdict.accepted or last:
                break
            assert stage.accept is not None
            state = state.again(stage.accept.slower, verdict.reason)
            say(f"{tables.rolled_back(verdict.reason)}\ntrying again, at {state.scale:g} times the learning rate")
            trainer.load(fresh)
        self._finish(result, stage.slug, digests, trainer.names)
        self.rows += state.rows
        self._stat = self._write_stat(state, result.measured)
        return result

    def _judged(self, index: int, stage: Stage, state: StageState, trainer: Trainer, failure: str) -> StageResult:
        """The result of an attempt, measured with the weights that it kept."""
        previous = self.results[-1] if self.results else None
        before = previous.lfw if previous else self.baseline
        point_before = previous.point if previous else self.point
        kept = state.current[state.kept_epoch - 1]
        accuracy = kept.validation_accuracy
        if not stage.loss.has_head:
            accuracy = self._name_by_prototypes(trainer)
        measured, point, verdict = None, None, Verdict(True, "")
        try:
            measured = self._measure_with(trainer)
            point = self._curve.at(self.model, trainer, self.check)() if self._curve else None
        except NotFinite as error:
            verdict = Verdict(False, f"{error}; rolled back")
        else:
            if stage.accept and stage.accept.pairs == "strangers":
                old, new = (at.strangers if at else None for at in (point_before, point))
            else:
                old, new = before, measured
            verdict = decide(stage.accept, old, new)
        return StageResult(
            index=index,
            name=stage.name,
            train_from=stage.train_from,
            epochs=state.epoch,
            kept_epoch=state.kept_epoch,
            step=(previous.step if previous else 0) + (state.kept_step if verdict.accepted else 0),
            cross_entropy=kept.cross_entropy,
            accuracy=kept.accuracy,
            validation_loss=kept.validation_loss,
            validation_accuracy=accuracy,
            accepted=verdict.accepted,
            reason=verdict.reason,
            failure=failure,
            rejected=tuple(state.rejected),
            folder=self.folder.stage_path(index, stage.slug),
            before=before,
            measured=measured,
            point_before=point_before,
            measured_point=point,
        )

    @property
    def unlike(self) -> str:
        """What to say where the workers don't find the same run to continue."""
        return (
            f"{self.folder.path}: the workers do not find the same run there; "
            "to resume, give them all the folder of the chief, under the same path"
        )

    def measure(self) -> LFWResult | None:
        """LFW with the weights as they stand; None where no pairs were given.

        Raises:
            RunError: an image can no longer be read, or the embeddings are no numbers.
        """
        return self._measured(self.inputs.measure)

    def _measure_with(self, trainer: Trainer | None) -> LFWResult | None:
        """Likewise in a stage (None: before the first one): what its frozen units give is taken from the store."""
        if self.strategy.workers > 1:
            return self.measure()
        first = trainer.first if trainer else LOGITS
        suffix = trainer.embed if trainer else lambda prelogits: np.asarray(network.l2_normalize(prelogits))

        def embed(paths: Sequence[Path], flip: bool) -> np.ndarray:
            sides = [
                CentralFeatures(self.model, first, paths, flip=side, cache=self.recipe.cache, check=self.check)
                for side in ((False, True) if flip else (False,))
            ]
            return finite(np.concatenate([side.embed(suffix) for side in sides], axis=1))

        return self._measured(lambda: self.inputs.measure(embed))

    def _measured(self, measure: Callable[[], LFWResult | None]) -> LFWResult | None:
        self.check()
        try:
            result = measure()
        except DataError as error:
            raise RunError(
                f"LFW could not be measured: {error.problems[0]}; what was finished before stands"
            ) from error
        self.check()
        return result

    def lfw(self) -> LFWResult:
        """LFW with the weights as they stand.

        Raises:
            UserError: no LFW pairs were given.
        """
        result = self.measure()
        if result is None:
            raise UserError("no LFW pairs were given; pass lfw={'dir': ..., 'pairs': ...} to FineTuner")
        return result

    def save(self, folder: str | Path) -> Path:
        """Writes the weights as they stand: a TF1 checkpoint with FaceNet's own names.

        Returns:
            The checkpoint's prefix.
        """
        folder = Path(os.path.expanduser(folder))
        return self.model.save(folder, name=folder.name, step=self.results[-1].step if self.results else 0)

    def begin(self) -> None:
        """Writes what the run starts from and measures the baseline, once."""
        if self._begun:
            return
        self.folder.write_text("recipe.yaml", self.recipe.to_yaml())
        self.folder.write_json("environment.json", environment())
        self.folder.write_json("inputs.json", self.inputs.summary())
        self.baseline = self._measure_with(None)
        self.point = self._restored_point()
        with self.folder.finishing(0, BASELINE) as folder:
            if self.baseline:
                folder.write_json("lfw.json", self.baseline.to_json())
            if self.point:
                folder.write_json("strangers.json", self.point.to_json())
        tables.baseline(self.baseline, self.point)
        self._begun = True

    def resume(self) -> None:
        """Takes up the run in the output folder after its last finished stage.

        Raises:
            UserError: the folder holds another run, or the data changed since.
        """
        self._resuming = 1
        if not self.folder.stage_path(0, BASELINE).is_dir():
            return
        stored = json.loads((self.folder.path / "inputs.json").read_text(encoding="utf-8"))
        now = self.inputs.summary()
        what = {
            "checkpoint": self.recipe.checkpoint,
            "data": self.recipe.data.train,
            "strangers": "the strangers",
            "lfw": "the LFW pairs",
        }
        begun = stored | {"strangers": stored.get("strangers", {"sha256": None})}
        changed = [name for name in what if begun[name]["sha256"] != now[name]["sha256"]]
        if changed:
            raise UserError(
                *(
                    f"{what[name]}: not what the run in {self.folder.path} began with; put it back, or start a new run"
                    for name in changed
                )
            )
        self.baseline, self.point, self.results = stored_results(self.folder, self.recipe.stages)
        if self.results:
            stored_weights = checkpoints.read(checkpoints.locate(self.results[-1].folder))
            self.model.assign(stored_weights.tensors(self.model.variables))
            finished = {result.name for result in self.results}
            history = self.folder.path / "history.csv"
            self.rows = [row for row in from_csv(history.read_text(encoding="utf-8")) if row.stage in finished]
            if self.recipe.history.stat_h5:
                kept = {result.name: len(result.rejected) + 1 for result in self.results}
                current = [row for row in self.rows if row.attempt == kept[row.stage]]
                self._stat = self.folder.read_stat().first(len(current))
            # A kill may have come between a stage's folder and what follows it.
            self._write_summary()
            self.folder.drop_state(len(self.results))
        self._begun = True
        self._resuming = len(self.results) + 1

    def _attempt(self, index: int, trainer: Trainer, state: StageState) -> str:
        """Trains from `state` and leaves the kept epoch's weights in the model; what ended it early, or nothing."""
        recipe, inputs, stage = self.recipe, self.inputs, trainer.stage
        sampler = Sampler(
            stage, inputs.train.labels, recipe.batch_size, recipe.seed, index, lambda: self._embeddings(inputs.train)
        )
        if state.epoch:
            stored = self.folder.read_state(index, stage)
            assert stored is not None
            trainer.load(stored[1])
            sampler.load(stored[1])
        else:
            if stage.init:
                self._write_head(self._prelogits(inputs.train))
            trainer.begin()
        tables.stage_header(stage, index, trainer, len(inputs.train), state)
        features = FrozenFeatures(
            self.model,
            recipe,
            trainer.first,
            index,
            inputs.train,
            inputs.validation,
            self.check,
            self.strategy.share,
        )
        measure = self._curve.at(self.model, trainer, self.check) if self._curve else None

        def on_epoch(state: StageState) -> None:
            self._write_history(state)
            self.folder.write_state(index, stage, state, trainer.state() | sampler.state())
            tables.epoch(state, stage.epochs)

        try:
            train(
                trainer,
                state,
                lambda epoch: features.training(epoch.number, epoch.order, epoch.batch_size),
                sampler,
                features.validation if len(inputs.validation) else None,
                key=_key(recipe.seed, index, state.attempt),
                on_epoch=on_epoch,
                check=self.check,
                targets=self._restored_embeddings(inputs.train) if stage.distillation else None,
                measure=lambda: columns(self.point, measure()) if measure and self.point else {},
                keeps_steps=recipe.history.stat_h5,
            )
        except StageFailed as error:
            self.model.assign(state.kept)
            return str(error)
        return ""

    def _write_history(self, state: StageState) -> None:
        """The history so far, in each form that is asked for."""
        self.folder.write_text("history.csv", to_csv(self.rows + state.rows))
        if self.recipe.history.tensorboard:
            self._tensorboard = self.folder.add_to_tensorboard(self._tensorboard, self.rows + state.rows)
        self._write_stat(state, None)

    def _write_stat(self, state: StageState, lfw: LFWResult | None) -> Stat:
        if not self.recipe.history.stat_h5:
            return self._stat
        figures = (lfw.accuracy, lfw.val) if lfw else (0.0, 0.0)
        stat = self._stat.joined(state.current, state.steps, state.epoch_steps, state.spread, figures)
        self.folder.write_stat(stat)
        return stat

    def _prelogits(self, dataset: Dataset) -> np.ndarray:
        """Those of a dataset's images by the weights as they stand, from the store."""
        cache = self.recipe.cache
        return CentralFeatures(self.model, LOGITS, dataset.paths, cache=cache, check=self.check).embed(np.asarray)

    def _embeddings(self, dataset: Dataset) -> np.ndarray:
        return np.asarray(network.l2_normalize(self._prelogits(dataset)))

    def _restored_embeddings(self, dataset: Dataset) -> np.ndarray:
        """Embeddings of a dataset's images by the restored checkpoint, whatever the model has learned since."""
        source = checkpoints.read(self.model.source)
        names = [name for name in self.model.variables if not is_head(name)]
        now = self.model.tensors(names)
        self.model.assign(source.tensors(names))
        try:
            return self._embeddings(dataset)
        finally:
            self.model.assign(now)

    def _restored_point(self) -> CurvePoint | None:
        """The restored checkpoint's point of the curve; None without strangers."""
        return self._curve.point(self._restored_embeddings) if self._curve else None

    def _write_head(self, prelogits: np.ndarray) -> None:
        """Makes the classifier from the mean embeddings of the training images."""
        labels = self.inputs.train.labels
        weights, biases = prototypes(prelogits, labels, self.model.num_classes or 0)
        self.model.assign({f"{HEAD}/weights": weights, f"{HEAD}/biases": biases})

    def _name_by_prototypes(self, trainer: Trainer) -> float | None:
        """Makes the classifier anew after a stage that trained none; its accuracy on the held-back images."""

        def given(dataset: Dataset) -> np.ndarray:
            paths, cache = dataset.paths, self.recipe.cache
            return CentralFeatures(self.model, trainer.first, paths, cache=cache, check=self.check).embed(
                trainer.prelogits
            )

        self._write_head(given(self.inputs.train))
        held_back = self.inputs.validation
        if not len(held_back):
            return None
        logits = network.forward(tf.constant(given(held_back)), self.model.variables, LOGITS, LOGITS + 1)
        return float(np.mean(np.argmax(logits, 1) == held_back.labels))

    def _finish(self, result: StageResult, slug: str, frozen: Mapping[str, str], trained: list[str]) -> None:
        with self.folder.finishing(result.index, slug) as folder:
            folder.write_model(self.model, self.folder.path.name, result.step)
            if result.lfw:
                folder.write_json("lfw.json", result.lfw.to_json())
            if result.measured and not result.accepted:
                folder.write_json("rejected_lfw.json", result.measured.to_json())
            if result.point:
                folder.write_json("strangers.json", result.point.to_json())
            if result.measured_point and not result.accepted:
                folder.write_json("rejected_strangers.json", result.measured_point.to_json())
            certificate = {
                "stage": result.name,
                "train_from": result.train_from,
                "accepted": result.accepted,
                "trained": trained,
                "frozen_sha256": dict(frozen),
            }
            folder.write_json("certificate.json", certificate)
            folder.write_json("result.json", result.to_json())
        self.results.append(result)
        self._write_summary()

    def _write_summary(self) -> None:
        summary = {
            "baseline_lfw_accuracy": self.baseline.accuracy if self.baseline else None,
            "stages": [result.to_json() for result in self.results],
        }
        self.folder.write_json("result.json", summary)

    def _resumed_state(self, index: int, stage: Stage) -> StageState | None:
        if self.strategy.workers > 1 and index != self._resuming:
            return None  # what lies there now is the chief's, of this run
        stored = self.folder.read_state(index, stage)
        self.strategy.must_agree(str(stored and stored[0].step), self.unlike)
        return stored[0] if stored else None


def _key(seed: int, stage: int, attempt: int) -> int:
    """A number for the dropout of a stage's attempt, of 31 bits."""
    entropy = [seed, stage] if attempt == 1 else [seed, stage, attempt]
    return int(np.random.SeedSequence(entropy).generate_state(1)[0] >> 1)


def _lfw_section(folder: Path) -> dict[str, str]:
    pairs = next((p for p in (folder / "pairs.txt", folder.parent / "pairs.txt") if p.is_file()), None)
    if pairs is None:
        raise UserError(f"{folder}: no pairs.txt in it or beside it; pass lfw={{'dir': ..., 'pairs': ...}}")
    return {"dir": str(folder), "pairs": str(pairs)}
