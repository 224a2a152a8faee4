"""FineTuner: one checkpoint, one dataset, stage after stage."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from finetune import checkpoint as checkpoints
from finetune.dataset.pipeline import evaluation_batches, iterate, training_batches
from finetune.errors import UserError
from finetune.evaluation import LFWResult
from finetune.model import Model
from finetune.recipe import Recipe, Stage
from finetune.runs import tables
from finetune.runs.certificate import FrozenTensors
from finetune.runs.environment import environment
from finetune.runs.folder import RunFolder
from finetune.runs.gate import decide
from finetune.runs.inputs import Inputs
from finetune.runs.results import BASELINE, StageResult, stored_results
from finetune.training import EpochRow, StageState, Trainer, train
from finetune.training.history import from_csv, to_csv


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
            `preprocessing`.

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
            values["lfw"] = lfw if isinstance(lfw, Mapping) else _lfw_section(Path(lfw).expanduser())
        recipe = Recipe.from_values(values | {"stages": ()})
        RunFolder(recipe.output).refuse_if_used()
        self._start(Inputs.open(recipe))

    @classmethod
    def from_inputs(cls, inputs: Inputs) -> FineTuner:
        """For inputs that are open already; the output may hold the run that is continued."""
        tuner = cls.__new__(cls)
        tuner._start(inputs)
        return tuner

    def _start(self, inputs: Inputs) -> None:
        # One seed, one result: TensorFlow otherwise picks the fastest kernel, of varying rounding.
        tf.config.experimental.enable_op_determinism()
        self.inputs = inputs
        self.recipe = inputs.recipe
        self.folder = RunFolder(inputs.recipe.output)
        self.results: list[StageResult] = []
        self.rows: list[EpochRow] = []
        self.baseline: LFWResult | None = None
        self.check: Callable[[], None] = lambda: None
        self._begun = False

    @property
    def model(self) -> Model:
        """The network with the weights as they stand."""
        return self.inputs.model

    def run(self, stage: Stage) -> StageResult:
        """Trains a stage, measures it on LFW, and keeps it or rolls it back.

        Before the first stage the baseline is measured. Afterwards the stage's folder lies in the
        run's folder.

        Raises:
            RecipeError: the stage does not go with those before it, or needs what was not given.
            RunError: the loss became NaN, or the disk is full; what was finished before stands.
        """
        index = len(self.results) + 1
        if index > len(self.recipe.stages):
            # The recipe's own checks of names and boundaries; on disk it grows with the run.
            self.recipe = dataclasses.replace(self.recipe, stages=(*self.recipe.stages, stage))
        self.begin()
        self.folder.write_text("recipe.yaml", self.recipe.to_yaml())
        before = self.results[-1].lfw if self.results else self.baseline
        trainer = Trainer(self.model, stage)
        frozen = FrozenTensors(self.model, trainer.names)
        started_from = self.model.tensors(trainer.names)
        state = self._resumed(index, trainer) or StageState()
        tables.stage_header(stage, index, trainer, len(self.inputs.train), state)
        self._train(index, trainer, state)
        digests = frozen.verify(self.model)
        measured = self.inputs.measure()
        verdict = decide(stage.accept, before, measured)
        if not verdict.accepted:
            self.model.assign(started_from)
        kept = state.rows[state.kept_epoch - 1] if state.rows else None
        steps_before = self.results[-1].step if self.results else 0
        result = StageResult(
            index=index,
            name=stage.name,
            train_from=stage.train_from,
            epochs=state.epoch,
            kept_epoch=state.kept_epoch,
            step=steps_before + (state.step if verdict.accepted else 0),
            cross_entropy=kept.cross_entropy if kept else None,
            accuracy=kept.accuracy if kept else None,
            validation_loss=kept.validation_loss if kept else None,
            validation_accuracy=kept.validation_accuracy if kept else None,
            accepted=verdict.accepted,
            reason=verdict.reason,
            folder=self.folder.stage_path(index, stage.slug),
            before=before,
            measured=measured,
        )
        self._finish(result, stage.slug, digests, trainer.names)
        self.rows += state.rows
        tables.stage_footer(result)
        return result

    def lfw(self) -> LFWResult:
        """LFW with the weights as they stand.

        Raises:
            UserError: no LFW pairs were given.
        """
        result = self.inputs.measure()
        if result is None:
            raise UserError("no LFW pairs were given; pass lfw={'dir': ..., 'pairs': ...} to FineTuner")
        return result

    def save(self, folder: str | Path) -> Path:
        """Writes the weights as they stand: a TF1 checkpoint with FaceNet's own names.

        Returns:
            The checkpoint's prefix.
        """
        folder = Path(folder).expanduser()
        return self.model.save(folder, name=folder.name, step=self.results[-1].step if self.results else 0)

    def begin(self) -> None:
        """Writes what the run starts from and measures the baseline, once."""
        if self._begun:
            return
        self.folder.write_text("recipe.yaml", self.recipe.to_yaml())
        self.folder.write_json("environment.json", environment())
        self.folder.write_json("data.json", self.inputs.data_summary())
        self.baseline = self.inputs.measure()
        with self.folder.finishing(0, BASELINE) as folder:
            if self.baseline:
                folder.write_json("lfw.json", self.baseline.to_json())
        tables.baseline(self.baseline)
        self._begun = True

    def resume(self) -> None:
        """Takes up the run in the output folder after its last finished stage.

        Raises:
            UserError: the folder holds another run, or the data changed since.
        """
        if not self.folder.stage_path(0, BASELINE).is_dir():
            return
        stored = json.loads((self.folder.path / "data.json").read_text(encoding="utf-8"))
        if stored["names_sha256"] != self.inputs.data_summary()["names_sha256"]:
            raise UserError(
                f"{self.recipe.data.train}: its images are not those that the run in "
                f"{self.folder.path} began with; restore them, or start a new run"
            )
        self.baseline, self.results = stored_results(self.folder, self.recipe.stages)
        if self.results:
            stored_weights = checkpoints.read(checkpoints.locate(self.results[-1].folder))
            self.model.assign(stored_weights.tensors(self.model.variables))
            finished = {result.name for result in self.results}
            history = self.folder.path / "history.csv"
            self.rows = [row for row in from_csv(history.read_text(encoding="utf-8")) if row.stage in finished]
        self._begun = True

    def _train(self, index: int, trainer: Trainer, state: StageState) -> None:
        recipe, inputs = self.recipe, self.inputs
        prefix = self.model.prefix(trainer.first)

        def batches(epoch: int) -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
            images = training_batches(
                inputs.train,
                preprocessing=inputs.preprocessing,
                augment=recipe.augment,
                batch_size=recipe.batch_size,
                seed=recipe.seed,
                stage=index,
                epoch=epoch,
            )
            return ((prefix(pixels), labels) for pixels, labels in iterate(images))

        def validation() -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
            labels = inputs.validation.labels
            batches = evaluation_batches(
                inputs.validation.paths, preprocessing=inputs.preprocessing, batch_size=recipe.batch_size
            )
            for number, pixels in enumerate(iterate(batches)):
                start = number * recipe.batch_size
                yield prefix(pixels), tf.constant(labels[start : start + recipe.batch_size])

        def on_epoch(state: StageState) -> None:
            self.folder.write_text("history.csv", to_csv(self.rows + state.rows))
            self.folder.write_state(index, state, trainer.state())
            tables.epoch(state, trainer.stage.epochs)

        train(
            trainer,
            state,
            batches,
            -(-len(inputs.train) // recipe.batch_size),
            validation if len(inputs.validation) else None,
            key=_key(recipe.seed, index),
            on_epoch=on_epoch,
            check=self.check,
        )

    def _finish(self, result: StageResult, slug: str, frozen: Mapping[str, str], trained: list[str]) -> None:
        with self.folder.finishing(result.index, slug) as folder:
            self.model.save(folder.path, name=self.folder.path.name, step=result.step)
            if result.lfw:
                folder.write_json("lfw.json", result.lfw.to_json())
            if result.measured and not result.accepted:
                folder.write_json("rejected_lfw.json", result.measured.to_json())
            folder.write_json("certificate.json", {"frozen_sha256": dict(frozen), "trained": trained})
            folder.write_json("result.json", result.to_json())
        self.results.append(result)
        summary = {
            "baseline_lfw_accuracy": self.baseline.accuracy if self.baseline else None,
            "stages": [r.to_json() for r in self.results],
        }
        self.folder.write_json("result.json", summary)

    def _resumed(self, index: int, trainer: Trainer) -> StageState | None:
        stored = self.folder.read_state(index)
        if stored is None:
            return None
        state, trained = stored
        trainer.load(trained)
        return state


def _key(seed: int, stage: int) -> int:
    """A number for the stage's dropout, of 31 bits."""
    return int(np.random.SeedSequence([seed, stage]).generate_state(1)[0] >> 1)


def _lfw_section(folder: Path) -> dict[str, str]:
    pairs = next((p for p in (folder / "pairs.txt", folder.parent / "pairs.txt") if p.is_file()), None)
    if pairs is None:
        raise UserError(f"{folder}: no pairs.txt in it or beside it; pass lfw={{'dir': ..., 'pairs': ...}}")
    return {"dir": str(folder), "pairs": str(pairs)}
