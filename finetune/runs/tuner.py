"""FineTuner, which fine-tunes one checkpoint on one dataset, stage after stage."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from finetune import checkpoint as checkpoints, files
from finetune.errors import FinetuneError, Problem, UserError
from finetune.images import Images
from finetune.model import Model
from finetune.notebook import html_table
from finetune.predictions import Predictions
from finetune.progress import printing, say
from finetune.recipe import Recipe, Stage
from finetune.record import (
    ADVICE,
    BASELINE,
    STAGE_COLUMNS,
    Evidence,
    HeldBack,
    RunFolder,
    StageResult,
    environment,
    stored_results,
    verdict_of,
    write_evidence,
)
from finetune.report import tables, write_into
from finetune.runs.begun import IMAGES, refuse_other_inputs, refuse_other_recipe, warn_of_another_machine
from finetune.runs.context import Context
from finetune.runs.opening import Inputs
from finetune.runs.stage import OnEpoch, StageOutcome, StageRun
from finetune.runs.suspects import SUSPECTS
from finetune.runtime import create_strategy, planned_strategy
from finetune.training import EpochRow, StageFailed, StageState, Trainer, history_columns, replication_of
from finetune.verification import Verdict, VerificationResult
from finetune.words import counted


class FineTuner:
    """Fine-tuning of one checkpoint on one dataset.

    Args:
        checkpoint: directory, prefix or any file of a checkpoint; None to give `weights` among the settings.
        data: folder with one folder of aligned faces per person, or a recipe's `data` section as a mapping: `{"train":
            ..., "validation_split": 0.1}`.
        output: folder of the run, missing or empty.
        lfw: recipe's `lfw` section as a mapping, or the folder of aligned LFW faces with its `pairs.txt` inside or
            beside it. Without it nothing is measured on pairs.
        resume: True to continue the run in `output`, if there is one. `run` then returns the stored results of finished
            stages, and continues the others after their last finished epoch.
        verbose: True to print lines and show progress. Otherwise lines only go to the logger `finetune`.
        settings: any other top-level key of a recipe: `backbone`, `weights`, `seed`, `batch_size`, `augment`, `cache`,
            `history`, `precision`, `runtime`, `strategy`, `preprocessing`, `verification`, `measure`.

    Raises:
        UserError: some inputs can't be used; one line per problem.

    Example:
        After `finetune demo`:

        >>> from finetune import FineTuner, Stage
        >>> data = {"train": "runs/demo/data/faces", "validation_split": 0.25}
        >>> tuner = FineTuner("runs/demo/checkpoint", data, "runs/mine", verbose=False)
        >>> result = tuner.run(Stage("head", train_from="Logits", epochs=1, learning_rate=0.005))
        >>> result.accepted
        True
        >>> people = tuner.evaluate().by_person()  # images that are named correctly, and all, by person
        >>> predictions = tuner.predict("runs/demo/data/faces")
        >>> predictions.names[0] in people
        True
    """

    def __init__(
        self,
        checkpoint: str | Path | None,
        data: str | Path | Mapping[str, Any],
        output: str | Path,
        lfw: str | Path | Mapping[str, Any] | None = None,
        *,
        resume: bool = False,
        verbose: bool = True,
        **settings: Any,
    ) -> None:
        values = settings | {"output": str(output)} | ({"checkpoint": str(checkpoint)} if checkpoint else {})
        values["data"] = data if isinstance(data, Mapping) else {"train": str(data)}
        if lfw is not None:
            values["lfw"] = lfw if isinstance(lfw, Mapping) else _lfw_section(Path(os.path.expanduser(lfw)))
        recipe = Recipe.from_values(values | {"stages": ()})
        folder = RunFolder(recipe.output)
        stored = folder.path / "recipe.yaml"
        begun = resume and stored.exists()
        if begun:
            folder.refuse_changed_recipe()
            recipe = recipe.model_copy(update={"stages": Recipe.load(stored).stages})
            refuse_other_recipe(recipe, stored)
        elif planned_strategy(recipe.strategy).is_chief:
            folder.refuse_if_used()
        with printing(verbose):
            self._start(Inputs.open(recipe, create_strategy(recipe.strategy)), verbose=verbose)
            if begun:
                self.resume()
                self._finished += self.results

    @classmethod
    def from_inputs(cls, inputs: Inputs) -> FineTuner:
        """Return a tuner for inputs that are open already. The output may hold a run to continue."""
        tuner = cls.__new__(cls)
        tuner._start(inputs)
        return tuner

    def _start(self, inputs: Inputs, *, verbose: bool = True) -> None:
        self._verbose = verbose
        self._finished: list[StageResult] = []  # results of a resumed run that `run` has yet to return
        self.context = Context.of(inputs)
        self.inputs, self.strategy = inputs, inputs.strategy
        self.folder, self.histories = self.context.folder, self.context.histories
        self.recipe = inputs.recipe  # grows with each stage
        self.results: list[StageResult] = []
        self.start = Evidence()
        self._begun = self._writing = False
        self._resuming: int | None = None

    def _repr_html_(self) -> str:
        rows = [result.row() for result in self.results]
        return html_table(f"Run in {self.folder.path}", rows, STAGE_COLUMNS)

    @property
    def rows(self) -> list[EpochRow]:
        """Rows of the epochs of finished stages."""
        return self.histories.rows

    @property
    def baseline(self) -> VerificationResult | None:
        """Result on LFW before the first stage, or None."""
        return self.start.lfw

    @property
    def model(self) -> Model:
        """Network with the current weights."""
        return self.inputs.model

    @property
    def _set_names(self) -> list[str]:
        return [one.name for one in self.recipe.measure or ()]

    @property
    def history(self) -> Any:
        """Epochs of the finished stages: a pandas frame if pandas is installed, else lists by column."""
        rows = [row.to_json() for row in self.rows]
        columns = [name for name in history_columns(self._set_names) if any(name in row for row in rows)]
        found = {name: [row.get(name) for row in rows] for name in columns}
        try:
            import pandas as pd
        except ImportError:
            return found
        return pd.DataFrame(found)

    def run(self, stage: Stage, on_epoch: OnEpoch | None = None) -> StageResult:
        """Train a stage, measure it on LFW and on strangers, and keep it or roll it back.

        The baseline is measured before the first stage. Afterwards the run's folder contains the stage's folder.

        Args:
            stage: stage whose boundary is that of the previous stage, or nearer to the input.
            on_epoch: function that is called with the row of each finished epoch: `row["loss"]`.

        Raises:
            RecipeError: the stage conflicts with earlier stages, or needs a setting that was not given.
            DataError: the stage needs more training or held-back images than there are. Nothing is written.
            StageFailed: the loss became NaN, or the embeddings collapsed. If an epoch was kept before, the stage ends
                with its weights, measured, judged and saved like any other. Otherwise the stage is discarded.
            RunError: the disk is full, or an image can no longer be read. Finished stages are kept.
        """
        with printing(self._verbose), self.folder.locked():
            return self._returned(stage) if self._finished else self._run(stage, on_epoch)

    def _returned(self, stage: Stage) -> StageResult:
        """Return the stored result of a finished stage.

        Raises:
            UserError: the run began with another stage in its place.
        """
        index = self._finished[0].index
        stages = (*self.recipe.stages[: index - 1], stage, *self.recipe.stages[index:])
        refuse_other_recipe(self.recipe.model_copy(update={"stages": stages}), self.folder.path / "recipe.yaml")
        return self._finished.pop(0)

    def _run(self, stage: Stage, on_epoch: OnEpoch | None) -> StageResult:
        index = len(self.results) + 1
        # The recipe checks the stage against the earlier ones. On disk it grows with the run.
        stages = (*self.recipe.stages[: index - 1], stage, *self.recipe.stages[index:])
        self.inputs.refuse_unmet(stage)
        self.recipe = self.recipe.model_copy(update={"stages": stages})
        self.begin()
        self.folder.write_recipe(self.recipe)
        trainer = Trainer(self.model, stage, replication_of(self.strategy), self.inputs.train.labels)
        started_from = self.model.tensors(trainer.names)
        stage_run = StageRun(self.context, stage, self.start, self.results, on_epoch)
        try:
            finished = stage_run.run(trainer, *(self._resumed(index, stage) or (StageState(), None)))
            self._finish(finished, stage.slug, trainer.names)
        except BaseException:
            # Finished stages are kept, in memory and on disk.
            self.model.assign(started_from)
            raise
        result = finished.result
        tables.stage_footer(result)
        if finished.suspects and finished.suspects.images:
            found = counted(len(finished.suspects.images), "training image")
            say(f"{found} may be under a wrong name: {result.folder / SUSPECTS}")
        if result.failure:
            raise StageFailed(Problem("", result.failure))
        return result

    @property
    def unlike(self) -> Problem:
        """Problem to report if the workers do not find the same run to continue."""
        return Problem(
            self.folder.path,
            "the workers do not find the same run there",
            "to resume, give them all the folder of the chief, under the same path",
        )

    def measure(self) -> VerificationResult | None:
        """Measure the current weights on LFW, or return None if no pairs were given.

        Raises:
            RunError: an image can no longer be read, or some embeddings are not finite.
        """
        with printing(self._verbose):
            return self.context.evaluation.lfw()

    def lfw(self) -> VerificationResult:
        """Measure the current weights on LFW.

        Raises:
            UserError: no LFW pairs were given.
        """
        result = self.measure()
        if result is None:
            advice = "pass lfw={'dir': ..., 'pairs': ...} to FineTuner"
            raise UserError(Problem("", "no LFW pairs were given", advice))
        return result

    def predict(self, images: Images) -> Predictions:
        """Name the people on images with the current classifier. `images` are as for `Model.embed`."""
        with printing(self._verbose):
            return self.model.predict(images)

    def evaluate(self) -> HeldBack:
        """Name the held-back images with the current classifier.

        Raises:
            UserError: no images are held back.
            RunError: an image can no longer be read.
        """
        with printing(self._verbose):
            found = self.context.evaluation.held_back(self.context.evaluation.embedder())
        if found is None:
            advice = "pass data={'train': ..., 'validation_split': 0.2} to FineTuner"
            raise UserError(Problem("", "no images are held back", advice))
        return found

    def verdict(self) -> Verdict:
        """Return which weights to use, the checkpoint's or a finished stage's, with the reasons in plain words."""
        people = len(self.inputs.scan.dataset.class_names)
        return verdict_of(self.recipe, people, self.start, self.results)

    def save(self, folder: str | Path) -> Path:
        """Write the current weights as a TF1 checkpoint with FaceNet's own names.

        Returns:
            Prefix of the checkpoint.
        """
        folder = Path(os.path.expanduser(folder))
        return self.model.save(folder, name=folder.name, step=self.results[-1].step if self.results else 0)

    def report(self) -> None:
        """Write `report.html` and `MODEL_CARD.md` of the finished stages. This happens after each stage by itself.

        If they can't be written, or a bug prevents them, a line says so. The run continues without them.
        """
        if not self.strategy.is_chief or not self.folder.stage_path(0, BASELINE).is_dir():
            return
        try:
            write_into(self.folder.path)
        except FinetuneError as error:
            say(f"no report: {error}")
        except Exception as error:  # a report must not cost hours of training
            say(f"no report: internal error: {type(error).__name__}: {error}; please report it")

    def begin(self) -> None:
        """Write the inputs of the run and measure the baseline, once."""
        if self._begun:
            return
        with self.folder.locked():
            if self._resuming is None and not self._writing:  # another run may have begun there since
                self.folder.refuse_if_used()
            self._writing = True
            self._begin()

    def _begin(self) -> None:
        self.folder.write_recipe(self.recipe)
        self.folder.write_json("environment.json", environment(self.strategy.share.replicas))
        self._write_images()
        self.folder.write_json("inputs.json", self.inputs.summary())
        self.folder.write_list("inputs.json", "environment.json")
        embedder = self.context.evaluation.embedder()
        sets, trade_off = self.context.evaluation.sets(embedder), self.context.evaluation.trade_off(embedder)
        self.start = Evidence(sets, trade_off, self.context.evaluation.held_back_by_mean(embedder, trade_off))
        with self.folder.finishing(0, BASELINE) as folder:
            write_evidence(folder, self.start)
        tables.baseline(self.start)
        self._begun = True

    def resume(self) -> None:
        """Continue the run in the output folder after its last finished stage.

        Raises:
            UserError: the checkpoint, the images or the pairs have changed since.
        """
        self._resuming = 1
        if not self.folder.stage_path(0, BASELINE).is_dir():
            return
        path = self.folder.path
        self.folder.refuse_damaged()
        with files.reading(path / "inputs.json", ADVICE):
            begun = json.loads(files.read(path / "inputs.json"))
            refuse_other_inputs(self.inputs, path, begun)
        with files.reading(path / "environment.json", ADVICE):
            stored = json.loads(files.read(path / "environment.json"))
            warn_of_another_machine(stored, self.strategy.share.replicas)
        self.start, self.results = stored_results(self.folder, self.recipe.stages, self._set_names)
        if self.results:
            stored_weights = checkpoints.read(checkpoints.locate(self.results[-1].folder))
            self.model.assign(stored_weights.tensors(self.model.variables))
            self.histories.resume(self.results)
            # The run may have been killed between writing a stage's folder and the next two steps.
            self._write_summary()
            self.folder.drop_state(len(self.results))
        if "images" in begun:
            self._write_images()  # the images are the same, but the file that names them may be damaged
        self._begun = True
        self._resuming = len(self.results) + 1

    def _write_images(self) -> None:
        self.folder.write_text(IMAGES, "".join(f"{line}\n" for line in self.inputs.image_lines))

    def _finish(self, finished: StageOutcome, slug: str, trained: list[str]) -> None:
        result = finished.result
        with self.folder.finishing(result.index, slug) as folder:
            folder.write_model(self.model, self.folder.path.name, result.step)
            write_evidence(folder, result.standing)
            if not result.accepted:
                write_evidence(folder, result.trained, "rejected_")
            certificate = {
                "stage": result.name,
                "train_from": result.train_from,
                "accepted": result.accepted,
                "trained": trained,
                "frozen_sha256": finished.frozen,
            }
            folder.write_json("certificate.json", certificate)
            folder.write_json("result.json", result.to_json())
            if finished.suspects is not None:
                folder.write_text(SUSPECTS, finished.suspects.to_csv())
            self.histories.write_stage(folder, finished.state, result.measured)
        self.results.append(result)
        self.histories.finished(finished.state, result.measured)
        self._write_summary()

    def _write_summary(self) -> None:
        verdict, held_back = self.verdict(), self.start.held_back
        summary = {
            f"baseline_{self.baseline.of_what.lower() if self.baseline else 'lfw'}_accuracy": (
                self.baseline.accuracy if self.baseline else None
            ),
            "baseline_held_back_accuracy": held_back.accuracy if held_back else None,
            **{f"baseline_{name}.accuracy": result.accuracy for name, result in self.start.others.items()},
            # `use` is a stage's folder within this one; null is what the run started from.
            "verdict": {
                "use": verdict.folder.name if verdict.place and verdict.folder else None,
                "why": verdict.text,
            },
            "stages": [result.to_json() for result in self.results],
        }
        self.folder.write_json("result.json", summary)
        self.report()

    def _resumed(self, index: int, stage: Stage) -> tuple[StageState, dict[str, np.ndarray]] | None:
        if self.strategy.workers > 1 and index != self._resuming:
            return None  # the state that is there now is the chief's, of this run
        stored = self.folder.read_state(index, stage)
        self.strategy.must_agree(str(stored and stored[0].step), self.unlike)
        return stored


def _lfw_section(folder: Path) -> dict[str, str]:
    pairs = next((p for p in (folder / "pairs.txt", folder.parent / "pairs.txt") if p.is_file()), None)
    if pairs is None:
        raise UserError(Problem(folder, "no pairs.txt in it or beside it", "pass lfw={'dir': ..., 'pairs': ...}"))
    return {"dir": str(folder), "pairs": str(pairs)}
