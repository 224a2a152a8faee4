"""The results of stages, as stored in the run's folder."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from finetune import files
from finetune.brief import Brief
from finetune.notebook import html_table
from finetune.recipe import Recipe, Stage
from finetune.record.folder import ADVICE, RunFolder
from finetune.record.held_back import HeldBack
from finetune.record.trade_off import TradeOff, columns
from finetune.verification import (
    HELD_BACK,
    OF_LFW,
    Candidate,
    Difference,
    Score,
    Verdict,
    VerificationResult,
    compare,
    losses,
    verdict,
)

Kind = TypeVar("Kind")

STAGE_COLUMNS = (
    "stage",
    "trains from",
    "epoch kept",
    "held back",
    "LFW before",
    "LFW after",
    "difference (95 %)",
    "outcome",
)
SET_FILE = "measured-"
"""Beginning of the name of a file with the result on a set of `measure`."""
BASELINE = "baseline"
"""The name of stage 0, which trains nothing."""


@dataclasses.dataclass(frozen=True, repr=False)
class Evidence(Brief):
    """The measurements of some weights; None where nothing could be measured.

    Attributes:
        sets: verification on each set of pairs, by the set's name: `lfw` first, then those of `measure`.
        trade_off: measurements on held-out people and on the people in training.
        held_back: held-back images, named by the classifier. Before the first stage there is no classifier of these
            people, and the nearest class mean names them.
    """

    sets: Mapping[str, VerificationResult] = dataclasses.field(default_factory=dict)
    trade_off: TradeOff | None = None
    held_back: HeldBack | None = None

    @property
    def lfw(self) -> VerificationResult | None:
        """Verification on LFW's pairs, or None."""
        return self.sets.get(OF_LFW)

    @property
    def others(self) -> dict[str, VerificationResult]:
        """Verification on the sets of `measure`, by name."""
        return {name: result for name, result in self.sets.items() if name != OF_LFW}

    @property
    def scores(self) -> dict[str, Score]:
        """The accuracies by name, each with its single answers."""
        found = {}
        if self.held_back:
            found[HELD_BACK] = Score(self.held_back.accuracy, self.held_back.correct)
        if self.trade_off and self.trade_off.learned:
            found["held-back accuracy by the nearest mean"] = Score(
                self.trade_off.learned.rank1, self.trade_off.learned.correct
            )
        if self.trade_off:
            found["strangers' accuracy"] = Score(self.trade_off.strangers.accuracy, self.trade_off.strangers.correct)
        for result in self.sets.values():
            found[result.accuracy_name] = Score(result.accuracy, result.correct, bool(result.left_out))
            if without := result.without_overlap:
                name = f"{result.accuracy_name} without the people trained on"
                found[name] = Score(without.accuracy, without.correct)
        return found


@dataclasses.dataclass(frozen=True, repr=False)
class StageResult(Brief):
    """A finished stage.

    Attributes:
        index: number of the stage, from 1.
        name, train_from: name and boundary of the stage.
        epochs: number of trained epochs.
        kept_epoch: epoch whose weights were kept.
        step: number of training steps behind the saved weights, over the whole run.
        cross_entropy, accuracy: results of the kept epoch on its training images; the accuracy is from 0 to 1.
        validation_loss, validation_accuracy: results of the kept epoch on the held-back images, or None.
        accepted: whether the stage was kept; False if it was rolled back.
        reason: reason for keeping it or rolling it back, in words; empty without a gate in the recipe.
        failure: cause of an end before the last epoch, in words; empty if there was none.
        rejected: reasons for rolling back earlier attempts, one text per attempt.
        folder: folder of the stage.
        start: measurements before the first stage.
        began: measurements with the weights that the stage started from.
        trained: measurements with the weights that the stage trained, rolled back or not.
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
    start: Evidence
    began: Evidence
    trained: Evidence

    def _repr_html_(self) -> str:
        return html_table(f"Stage {self.index}", [self.row()], STAGE_COLUMNS)

    def row(self) -> tuple[str, ...]:
        """Return the values of `STAGE_COLUMNS`, as texts."""
        held_back = "" if self.validation_accuracy is None else f"{self.validation_accuracy:.4f}"
        difference = self.difference
        lfw = [f"{r.accuracy:.4f}" if r else "" for r in (self.before, self.measured)]
        interval = f"{difference.accuracy:+.4f} ({difference.low:+.4f} to {difference.high:+.4f})" if difference else ""
        return (
            self.name,
            self.train_from,
            f"{self.kept_epoch} of {self.epochs}",
            held_back,
            *lfw,
            interval,
            self.outcome,
        )

    @property
    def outcome(self) -> str:
        """Whether the stage was kept, and whether something is shown to be worse since."""
        if not self.accepted:
            return "rolled back"
        return "kept, but worse" if self.harm else "kept"

    @property
    def before(self) -> VerificationResult | None:
        """The LFW result of the weights that the stage started from, or None."""
        return self.began.lfw

    @property
    def measured(self) -> VerificationResult | None:
        """The LFW result of the weights that the stage trained, rolled back or not, or None."""
        return self.trained.lfw

    @property
    def trade_off_before(self) -> TradeOff | None:
        """The measurements on strangers with the weights that the stage started from, or None."""
        return self.began.trade_off

    @property
    def measured_trade_off(self) -> TradeOff | None:
        """The measurements on strangers with the weights that the stage trained, or None."""
        return self.trained.trade_off

    @property
    def standing(self) -> Evidence:
        """The measurements of the weights in force after the stage."""
        return self.trained if self.accepted else self.began

    @property
    def lfw(self) -> VerificationResult | None:
        """The LFW result of the weights in force after the stage, or None."""
        return self.standing.lfw

    @property
    def trade_off(self) -> TradeOff | None:
        """The measurements on strangers with the weights in force after the stage, or None."""
        return self.standing.trade_off

    @property
    def harm(self) -> str:
        """The significant losses of the stage's weights against those before the stage, or before the run, in words.

        Empty if no such loss is shown.
        """
        before = {"before the stage": self.began}
        if self.began is not self.start:
            before["before the run"] = self.start
        found: dict[str, list[str]] = {}  # the same losses are told once
        for when, evidence in before.items():
            lost = ", ".join(map(str, losses(evidence.scores, self.trained.scores)))
            found.setdefault(lost, []).append(when)
        return "; ".join(f"worse than {' and '.join(times)}: {lost}" for lost, times in found.items() if lost)

    @property
    def difference(self) -> Difference | None:
        """The difference of `measured` and `before` on the same pairs, or None."""
        return self.differences.get(OF_LFW)

    @property
    def differences(self) -> dict[str, Difference]:
        """The difference of the stage's weights from those that it started from, on each set of pairs."""
        now, before = self.trained.sets, self.began.sets
        return {name: compare(before[name], now[name]) for name in now if name in before}

    @property
    def difference_without_overlap(self) -> Difference | None:
        """The same difference on pairs without the people in training; None unless both results have the same pairs."""
        return self.differences_without_overlap.get(OF_LFW)

    @property
    def differences_without_overlap(self) -> dict[str, Difference]:
        """The same difference on each set of pairs that has one."""
        found = {}
        for name, result in self.trained.sets.items():
            before = self.began.sets[name].without_overlap if name in self.began.sets else None
            after = result.without_overlap
            if before and after and before.pairs_sha256 == after.pairs_sha256:
                found[name] = compare(before, after)
        return found

    def to_json(self) -> dict[str, Any]:
        """Return the content of `result.json`. The results on LFW and on strangers are stored beside it.

        The intervals in `curve` belong to the differences from before the stage.
        """
        apart = ("folder", "start", "began", "trained")
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in apart}
        difference = self.difference
        before, now = self.trade_off_before, self.measured_trade_off
        curve = columns(before, now) if before and now else None
        others = {name: dataclasses.asdict(found) for name, found in self.differences.items() if name != OF_LFW}
        return {
            **fields,
            "lfw_difference": dataclasses.asdict(difference) if difference else None,
            "curve": curve,
            **({"set_differences": others} if others else {}),
        }


def stored_results(
    folder: RunFolder, stages: Sequence[Stage], sets: Sequence[str] = ()
) -> tuple[Evidence, list[StageResult]]:
    """Read the measurements before the first stage of a run, and the results of its finished stages.

    Args:
        folder: folder of the run.
        stages: stages of its recipe.
        sets: names of the recipe's sets of `measure`.

    Raises:
        DataError: a file is missing or damaged.
    """
    folder.refuse_damaged_stage(0, BASELINE)
    start = began = _stored_evidence(folder.stage_path(0, BASELINE), sets)
    results: list[StageResult] = []
    for index, stage in enumerate(stages, start=1):
        path = folder.stage_path(index, stage.slug)
        if not path.is_dir():
            break
        folder.refuse_damaged_stage(index, stage.slug)
        with files.reading(path / "result.json", ADVICE):
            fields = {"failure": "", "rejected": ()} | json.loads(files.read(path / "result.json"))
            for apart in ("lfw_difference", "curve", "set_differences"):
                fields.pop(apart, None)
            # An earlier finetune ended the reason of a stage that was rolled back with these words.
            fields["reason"] = fields["reason"].removesuffix("; rolled back")
            fields["rejected"] = tuple(reason.removesuffix("; rolled back") for reason in fields["rejected"])
            trained = _stored_evidence(path, sets, "" if fields["accepted"] else "rejected_")
            results.append(StageResult(**fields, folder=path, start=start, began=began, trained=trained))
        began = results[-1].standing
    return start, results


def verdict_of(recipe: Recipe, people: int, start: Evidence, results: Sequence[StageResult]) -> Verdict:
    """Decide which weights of a run to use: the checkpoint's, or those of a kept stage.

    The verdict's `place` is the index of the stage.

    Args:
        recipe: recipe of the run.
        people: number of people in training.
        start: measurements before the first stage.
        results: finished stages.
    """
    kept = [result for result in results if result.accepted]
    stages = [Candidate(f"stage {r.name!r}", r.folder, r.trained.scores) for r in kept]
    name = "random weights" if recipe.weights == "none" else "the weights that you started from"
    name = "the checkpoint that you started from" if recipe.checkpoint else name
    found = verdict(Candidate(name, recipe.checkpoint, start.scores), stages, people)
    return found._replace(place=kept[found.place - 1].index) if found.place else found


def ended(recipe: Recipe, results: Sequence[StageResult]) -> bool:
    """Return whether the last stage was rolled back and the recipe ends the run in that case."""
    if not results or results[-1].accepted:
        return False
    accept = recipe.stages[len(results) - 1].accept
    return accept is not None and accept.otherwise == "stop"


def write_evidence(folder: RunFolder, evidence: Evidence, prefix: str = "") -> None:
    """Write measurements into a stage's folder."""
    parts = {"lfw": evidence.lfw, "strangers": evidence.trade_off, "held_back": evidence.held_back}
    of_sets = {f"{SET_FILE}{name}": result for name, result in evidence.others.items()}
    for name, part in (parts | of_sets).items():
        if part:
            folder.write_json(f"{prefix}{name}.json", part.to_json())


def _stored_evidence(folder: Path, sets: Sequence[str], prefix: str = "") -> Evidence:
    """Read the files of `write_evidence`."""
    files_of = {OF_LFW: "lfw", **{name: f"{SET_FILE}{name}" for name in sets}}
    read = {
        name: _stored(folder / f"{prefix}{file}.json", VerificationResult.from_json) for name, file in files_of.items()
    }
    return Evidence(
        {name: result for name, result in read.items() if result},
        _stored(folder / f"{prefix}strangers.json", TradeOff.from_json),
        _stored(folder / f"{prefix}held_back.json", HeldBack.from_json),
    )


def _stored(path: Path, read: Callable[[Any], Kind]) -> Kind | None:
    if not path.exists():
        return None
    with files.reading(path, ADVICE):
        return read(json.loads(files.read(path)))
