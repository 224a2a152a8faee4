"""What a stage gave, as the run's folder keeps it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from finetune.evaluation import Difference, LFWResult, compare
from finetune.recipe import Stage
from finetune.runs.folder import RunFolder

BASELINE = "baseline"
"""The name of stage 0, which trains nothing."""


@dataclasses.dataclass(frozen=True)
class StageResult:
    """A finished stage.

    Attributes:
        index: counted from 1.
        name, train_from: of the stage.
        epochs: how many were trained.
        kept_epoch: whose weights were kept.
        step: training steps of the whole run that the saved weights have had.
        cross_entropy, accuracy: of the kept epoch on its training images, 0..1 for the accuracy.
        validation_loss, validation_accuracy: of the kept epoch on the held-back images, or None.
        accepted: False where the stage was rolled back.
        reason: why, in words; empty where the recipe asks for no gate.
        folder: of the stage.
        before: LFW on the weights that the stage started from, or None.
        measured: LFW on the weights that it trained, rolled back or not, or None.
    """

    index: int
    name: str
    train_from: str
    epochs: int
    kept_epoch: int
    step: int
    cross_entropy: float | None
    accuracy: float | None
    validation_loss: float | None
    validation_accuracy: float | None
    accepted: bool
    reason: str
    folder: Path
    before: LFWResult | None
    measured: LFWResult | None

    @property
    def lfw(self) -> LFWResult | None:
        """LFW on the weights that stand after the stage."""
        return self.measured if self.accepted else self.before

    @property
    def difference(self) -> Difference | None:
        """`measured` less `before`, on the same pairs."""
        return compare(self.before, self.measured) if self.before and self.measured else None

    @property
    def difference_without_overlap(self) -> Difference | None:
        """Likewise on the pairs of people who are not trained on, where both were measured on the same ones."""
        before, after = (result and result.without_overlap for result in (self.before, self.measured))
        same = before and after and before.pairs_sha256 == after.pairs_sha256
        return compare(before, after) if before and after and same else None

    def to_json(self) -> dict[str, Any]:
        """For `result.json`; the LFW results lie beside it."""
        apart = ("folder", "before", "measured")
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in apart}
        difference = self.difference
        return fields | {"lfw_difference": dataclasses.asdict(difference) if difference else None}


def stored_results(folder: RunFolder, stages: Sequence[Stage]) -> tuple[LFWResult | None, list[StageResult]]:
    """The baseline of a run, and what its finished stages gave."""
    baseline = before = _stored_lfw(folder.stage_path(0, BASELINE) / "lfw.json")
    results: list[StageResult] = []
    for index, stage in enumerate(stages, start=1):
        path = folder.stage_path(index, stage.slug)
        if not path.is_dir():
            break
        fields = json.loads((path / "result.json").read_text(encoding="utf-8"))
        fields.pop("lfw_difference")
        rejected = path / "rejected_lfw.json"
        measured = _stored_lfw(rejected if rejected.exists() else path / "lfw.json")
        results.append(StageResult(**fields, folder=path, before=before, measured=measured))
        before = results[-1].lfw
    return baseline, results


def _stored_lfw(path: Path) -> LFWResult | None:
    return LFWResult.from_json(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None
