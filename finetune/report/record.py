"""Record of a run, finished or not, as its folder keeps it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from finetune.brief import Brief
from finetune.errors import DataError, Problem, UserError
from finetune.files import read_text
from finetune.recipe import Recipe
from finetune.record import BASELINE, Evidence, RunFolder, StageResult, TradeOff, ended, stored_results, verdict_of
from finetune.training import EpochRow, from_csv
from finetune.verification import Verdict, VerificationResult

ADVICE = "give the folder that a run wrote"
PREPROCESSING = {"image_size": int, "standardization": str, "source": str}
CHECKPOINT = {"prefix": str, "sha256": dict, "restored": int, "skipped": dict, "fresh": list}
DATA = {"people": int, "train_images": int, "validation_images": int, "quarantined": dict, "left_out": list}
INPUTS = {
    "checkpoint": CHECKPOINT | {"preprocessing": PREPROCESSING},
    "data": DATA,
    "doctor": {"counts": dict, "findings": list, "notes": list},
    "lfw": {"missing": list},
}
ENVIRONMENT = {"finetune": str, "python": str, "packages": dict, "platform": str, "cores": int, "devices": list}
CERTIFICATE = {"stage": str, "accepted": bool, "trained": list, "frozen_sha256": dict}
"""Values of a run's files that are read, with their types."""


@dataclasses.dataclass(frozen=True)
class Measured:
    """Result on LFW, with the name of what was measured: the baseline, or a stage."""

    name: str
    lfw: VerificationResult
    accepted: bool = True


@dataclasses.dataclass(frozen=True, repr=False)
class Record(Brief):
    """Record of a run.

    Attributes:
        path: folder of the run.
        recipe: recipe with every value filled in.
        inputs, environment: contents of `inputs.json` and `environment.json`.
        rows: rows of all epochs, including those of an unfinished stage.
        start: measurements before the first stage.
        results: results of the finished stages.
        certificates: certificates of the finished stages, in order: what was trained, and the digests of the rest.
    """

    path: Path
    recipe: Recipe
    inputs: Mapping[str, Any]
    environment: Mapping[str, Any]
    rows: Sequence[EpochRow]
    start: Evidence
    results: Sequence[StageResult]
    certificates: Sequence[Mapping[str, Any]]

    @classmethod
    def read(cls, path: Path) -> Record:
        """Read a run's folder.

        Raises:
            UserError: the folder holds no run, or one of its files is damaged.
        """
        if not (path / "recipe.yaml").is_file():
            found = "no such folder" if not path.is_dir() else "holds no run: there is no recipe.yaml in it"
            raise DataError(Problem(path, found, ADVICE))
        recipe = Recipe.load(path / "recipe.yaml")
        history = path / "history.csv"
        folder = RunFolder(path)
        if not folder.stage_path(0, BASELINE).is_dir():
            raise DataError(
                Problem(path, "the run ended before its baseline was measured", "continue it, or start it anew")
            )
        try:
            start, results = stored_results(folder, recipe.stages, [one.name for one in recipe.measure or ()])
            return cls(
                path,
                recipe,
                _json(path / "inputs.json", INPUTS),
                _json(path / "environment.json", ENVIRONMENT),
                from_csv(read_text(history, ADVICE)) if history.exists() else [],
                start,
                results,
                [_json(result.folder / "certificate.json", CERTIFICATE) for result in results],
            )
        except UserError:
            raise
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            reason = error.strerror if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
            raise DataError(Problem(path, f"a file of the run is missing or damaged ({reason})", ADVICE)) from error

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.path.resolve().name

    @property
    def baseline(self) -> VerificationResult | None:
        """Result on LFW before the first stage, or None."""
        return self.start.lfw

    @property
    def trade_off(self) -> TradeOff | None:
        """Measurements on strangers before the first stage, or None."""
        return self.start.trade_off

    @property
    def verdict(self) -> Verdict:
        """Weights to use, with the reasons."""
        return verdict_of(self.recipe, self.inputs["data"]["people"], self.start, self.results)

    @property
    def chosen(self) -> Evidence:
        """Measurements of the weights that the verdict chooses."""
        place = self.verdict.place
        return self.results[place - 1].trained if place else self.start

    @property
    def measured(self) -> list[Measured]:
        """Results on LFW before the first stage and after each stage, rolled back or not."""
        first = [Measured(BASELINE, self.baseline)] if self.baseline else []
        return first + [Measured(r.name, r.measured, r.accepted) for r in self.results if r.measured]

    @property
    def standing(self) -> Evidence:
        """Measurements of the weights that are kept at the end."""
        return self.results[-1].standing if self.results else self.start

    @property
    def final(self) -> Measured | None:
        """Result on LFW of the weights that are kept at the end."""
        return next((m for m in reversed(self.measured) if m.accepted), None)

    @property
    def unfinished(self) -> str:
        """Reason why the run is not finished, in words; empty if it is."""
        if len(self.results) == len(self.recipe.stages):
            return ""
        if ended(self.recipe, self.results):
            rest = len(self.recipe.stages) - len(self.results)
            return (
                f"The run ended when stage “{self.results[-1].name}” was rolled back, as the recipe says; "
                f"{rest} of {len(self.recipe.stages)} stages were not begun."
            )
        stage = self.recipe.stages[len(self.results)]
        epochs = [row for row in self.rows if row.stage == stage.name]
        done = (
            f"and there to epoch {epochs[-1].epoch} of {stage.last_epoch}"
            if epochs
            else "whose first epoch did not end"
        )
        return (
            f"The run is not finished: it came to stage {len(self.results) + 1} of {len(self.recipe.stages)}, "
            f"“{stage.name}”, {done}. What is shown of it is not final."
        )


def _json(path: Path, shape: Mapping[str, Any]) -> dict[str, Any]:
    value = json.loads(read_text(path, ADVICE))
    check(value, shape, path.name)
    return dict(value)


def check(value: object, shape: Mapping[str, Any] | type, where: str) -> None:
    """Raise a ValueError if a file lacks a value that is read, or the value has another type."""
    if isinstance(shape, type):
        if not isinstance(value, shape):
            raise ValueError(f"{where} is not of type {shape.__name__}")
        return
    if not isinstance(value, dict):
        raise ValueError(f"{where} is not a dict")
    for name, of in shape.items():
        if name not in value:
            raise ValueError(f"{where} has no {name}")
        check(value[name], of, f"{where}: {name}")
