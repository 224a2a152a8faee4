"""FineTuner: one checkpoint, one dataset, stage after stage."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from finetune import checkpoint as checkpoints
from finetune.errors import DataError, RunError, UserError
from finetune.evaluation import LFWResult
from finetune.features.frozen import FrozenFeatures
from finetune.model import Model
from finetune.network import strategy
from finetune.recipe import Recipe, Stage
from finetune.runs import tables
from finetune.runs.certificate import FrozenTensors
from finetune.runs.environment import environment
from finetune.runs.folder import ReadOnlyFolder, RunFolder
from finetune.runs.gate import decide
from finetune.runs.inputs import Inputs
from finetune.runs.results import BASELINE, StageResult, stored_results
from finetune.training import EpochRow, StageState, Trainer, train
from finetune.training.history import from_csv, to_csv
from finetune.training.replicated import build


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
        self.check = check
        self._begun = False
        self._resuming: int | None = None

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
        return result

    def _run(self, index: int, stage: Stage, trainer: Trainer, started_from: Mapping[str, np.ndarray]) -> StageResult:
        before = self.results[-1].lfw if self.results else self.baseline
        frozen = FrozenTensors(self.model, trainer.names)
        state = self._resumed(index, trainer) or StageState()
        tables.stage_header(stage, index, trainer, len(self.inputs.train), state)
        self._train(index, trainer, state)
        digests = frozen.verify(self.model)
        measured = self.measure()
        verdict = decide(stage.accept, before, measured)
        if not verdict.accepted:
            self.model.assign(started_from)
        kept = state.rows[state.kept_epoch - 1]
        steps_before = self.results[-1].step if self.results else 0
        steps_kept = state.kept_epoch * self.n_batches if verdict.accepted else 0
        result = StageResult(
            index=index,
            name=stage.name,
            train_from=stage.train_from,
            epochs=state.epoch,
            kept_epoch=state.kept_epoch,
            step=steps_before + steps_kept,
            cross_entropy=kept.cross_entropy,
            accuracy=kept.accuracy,
            validation_loss=kept.validation_loss,
            validation_accuracy=kept.validation_accuracy,
            accepted=verdict.accepted,
            reason=verdict.reason,
            folder=self.folder.stage_path(index, stage.slug),
            before=before,
            measured=measured,
        )
        self._finish(result, stage.slug, digests, trainer.names)
        self.rows += state.rows
        return result

    @property
    def unlike(self) -> str:
        """What to say where the workers don't find the same run to continue."""
        return (
            f"{self.folder.path}: the workers do not find the same run there; "
            "to resume, give them all the folder of the chief, under the same path"
        )

    @property
    def n_batches(self) -> int:
        """Training steps in an epoch."""
        return -(-len(self.inputs.train) // self.recipe.batch_size)

    def measure(self) -> LFWResult | None:
        """LFW with the weights as they stand; None where no pairs were given.

        Raises:
            RunError: an image can no longer be read, or the embeddings are no numbers.
        """
        self.check()
        try:
            result = self.inputs.measure()
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
        self.baseline = self.measure()
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
        self._resuming = 1
        if not self.folder.stage_path(0, BASELINE).is_dir():
            return
        stored = json.loads((self.folder.path / "inputs.json").read_text(encoding="utf-8"))
        now = self.inputs.summary()
        what = {"checkpoint": self.recipe.checkpoint, "data": self.recipe.data.train, "lfw": "the LFW pairs"}
        changed = [name for name in what if stored[name]["sha256"] != now[name]["sha256"]]
        if changed:
            raise UserError(
                *(
                    f"{what[name]}: not what the run in {self.folder.path} began with; put it back, or start a new run"
                    for name in changed
                )
            )
        self.baseline, self.results = stored_results(self.folder, self.recipe.stages)
        if self.results:
            stored_weights = checkpoints.read(checkpoints.locate(self.results[-1].folder))
            self.model.assign(stored_weights.tensors(self.model.variables))
            finished = {result.name for result in self.results}
            history = self.folder.path / "history.csv"
            self.rows = [row for row in from_csv(history.read_text(encoding="utf-8")) if row.stage in finished]
            # A kill may have come between a stage's folder and what follows it.
            self._write_summary()
            self.folder.drop_state(len(self.results))
        self._begun = True
        self._resuming = len(self.results) + 1

    def _train(self, index: int, trainer: Trainer, state: StageState) -> None:
        recipe, inputs = self.recipe, self.inputs
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

        def on_epoch(state: StageState) -> None:
            self.folder.write_text("history.csv", to_csv(self.rows + state.rows))
            self.folder.write_state(index, trainer.stage, state, trainer.state())
            tables.epoch(state, trainer.stage.epochs)

        train(
            trainer,
            state,
            features.training,
            self.n_batches,
            features.validation if len(inputs.validation) else None,
            key=_key(recipe.seed, index),
            on_epoch=on_epoch,
            check=self.check,
        )

    def _finish(self, result: StageResult, slug: str, frozen: Mapping[str, str], trained: list[str]) -> None:
        with self.folder.finishing(result.index, slug) as folder:
            folder.write_model(self.model, self.folder.path.name, result.step)
            if result.lfw:
                folder.write_json("lfw.json", result.lfw.to_json())
            if result.measured and not result.accepted:
                folder.write_json("rejected_lfw.json", result.measured.to_json())
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

    def _resumed(self, index: int, trainer: Trainer) -> StageState | None:
        if self.strategy.workers > 1 and index != self._resuming:
            return None  # what lies there now is the chief's, of this run
        stored = self.folder.read_state(index, trainer.stage)
        self.strategy.must_agree(str(stored and stored[0].step), self.unlike)
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
