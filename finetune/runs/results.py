"""What a stage gave, as the run's folder keeps it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from finetune.brief import Brief
from finetune.evaluation import Difference, LFWResult, compare
from finetune.recipe import Recipe, Stage
from finetune.runs.curve import CurvePoint, columns
from finetune.runs.folder import RunFolder

Kind = TypeVar("Kind")

BASELINE = "baseline"
"""The name of stage 0, which trains nothing."""


@dataclasses.dataclass(frozen=True, repr=False)
class StageResult(Brief):
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
        failure: what ended the stage before its last epoch, in words; empty where nothing did.
        rejected: why earlier attempts were rolled back, a text each.
        folder: of the stage.
        before: LFW on the weights that the stage started from, or None.
        measured: LFW on the weights that it trained, rolled back or not, or None.
        point_before, measured_point: likewise what is measured on strangers and on those who are learned.
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
    failure: str
    rejected: tuple[str, ...]
    folder: Path
    before: LFWResult | None
    measured: LFWResult | None
    point_before: CurvePoint | None = None
    measured_point: CurvePoint | None = None

    @property
    def lfw(self) -> LFWResult | None:
        """LFW on the weights that stand after the stage."""
        return self.measured if self.accepted else self.before

    @property
    def point(self) -> CurvePoint | None:
        """What is measured on strangers with the weights that stand after the stage."""
        return self.measured_point if self.accepted else self.point_before

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
        """For `result.json`; the results on LFW and on strangers lie beside it. The intervals in `curve` are those of
        the differences to before the stage."""
        apart = ("folder", "before", "measured", "point_before", "measured_point")
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in apart}
        difference = self.difference
        curve = columns(self.point_before, self.measured_point) if self.point_before and self.measured_point else None
        return fields | {"lfw_difference": dataclasses.asdict(difference) if difference else None, "curve": curve}


def stored_results(
    folder: RunFolder, stages: Sequence[Stage]
) -> tuple[LFWResult | None, CurvePoint | None, list[StageResult]]:
    """The baseline of a run on LFW and on strangers, and what its finished stages gave."""
    path = folder.stage_path(0, BASELINE)
    baseline = before = _stored(path / "lfw.json", LFWResult.from_json)
    point = point_before = _stored(path / "strangers.json", CurvePoint.from_json)
    results: list[StageResult] = []
    for index, stage in enumerate(stages, start=1):
        path = folder.stage_path(index, stage.slug)
        if not path.is_dir():
            break
        fields = {"failure": "", "rejected": ()} | json.loads((path / "result.json").read_text(encoding="utf-8"))
        for apart in ("lfw_difference", "curve"):
            fields.pop(apart, None)
        fields["rejected"] = tuple(fields["rejected"])
        prefix = "" if fields["accepted"] else "rejected_"
        results.append(
            StageResult(
                **fields,
                folder=path,
                before=before,
                measured=_stored(path / f"{prefix}lfw.json", LFWResult.from_json),
                point_before=point_before,
                measured_point=_stored(path / f"{prefix}strangers.json", CurvePoint.from_json),
            )
        )
        before, point_before = results[-1].lfw, results[-1].point
    return baseline, point, results


def ended(recipe: Recipe, results: Sequence[StageResult]) -> bool:
    """Whether the last stage was rolled back, and the recipe says that the run then ends."""
    if not results or results[-1].accepted:
        return False
    accept = recipe.stages[len(results) - 1].accept
    return accept is not None and accept.otherwise == "stop"


def _stored(path: Path, read: Callable[[Any], Kind]) -> Kind | None:
    return read(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None
