"""The tables that a run shows as it goes."""

from __future__ import annotations

import dataclasses
import re
import shlex
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from finetune.errors import DataError
from finetune.gallery.calibration import calibrate
from finetune.gallery.prototypes import NearestPrototype
from finetune.recipe.recipe import Recipe
from finetune.recipe.stage import Stage
from finetune.verification.comparison import Difference, paired_interval
from finetune.verification.protocols.lfw import evaluate_pairs
from finetune.verification.result import Overlap, VerificationResult

pytest.importorskip("tensorflow")
from finetune.record.results import StageResult
from finetune.report import tables
from finetune.training.history import EpochRow, number_columns, sets_of
from finetune.training.state import StageState
from tests.evidence import evidence
from tests.gallery.conftest import gallery

pytestmark = pytest.mark.tf


def row(epoch, seconds):
    measured = [name for name in number_columns() if not name.startswith(("lfw_", "strangers_"))]
    return EpochRow("s", 1, epoch, dict.fromkeys(measured, 0.0) | {"seconds": seconds})


def test_what_remains_is_said_once_an_epoch_tells_of_the_others(capsys):
    for rows in ([row(1, 1800.0)], [row(1, 1800.0), row(2, 10.0)]):
        tables.epoch(StageState(rows=rows), Stage("s", "Logits", 5))
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith(f"{'30 min':>8}")
    assert second.endswith(f"{'10 s':>8}{'30 s':>10}")


def test_pairs_that_were_measured_after_an_epoch_are_told_below_it(capsys):
    measured = {"lfw_accuracy": 0.91234, "lfw_val": 0.5}
    for more in ({}, {"strangers_accuracy": 0.875}):
        numbers = row(1, 1.0).numbers | measured | more
        tables.epoch(StageState(rows=[EpochRow("s", 1, 1, numbers)]), Stage("s", "Logits", 5))
    _, first, _, second = capsys.readouterr().out.splitlines()
    assert first.strip() == "LFW 0.9123, validation rate 0.5000"
    assert second.strip() == "LFW 0.9123, validation rate 0.5000; strangers 0.8750"


def lfw(wrong: int, without: bool | None = None) -> VerificationResult:
    """Return a result of 200 pairs, of which this many are decided wrongly.

    Args:
        without: whether enough pairs are left without the people who are trained on; None where nobody overlaps.
    """
    generator = np.random.default_rng(0)
    is_same = np.arange(200) % 2 == 0
    first = generator.normal(size=(200, 8))
    second = np.where(is_same[:, np.newaxis], first + 0.05 * generator.normal(size=(200, 8)), -first)
    second[:wrong] *= -1
    result = evaluate_pairs(first, second, is_same, n_folds=2, far_target=0.01)
    if without is None:
        return result
    left = dataclasses.replace(result, accuracy=0.5) if without else None
    return dataclasses.replace(result, overlap=Overlap(("ann",), 9, 3), without_overlap=left)


def stage(name: str, before: VerificationResult | None, after: VerificationResult | None, **values) -> StageResult:
    fields = {"train_from": "Block8", "epochs": 3, "kept_epoch": 2, "step": 9, "cross_entropy": 0.1, "reason": ""}
    fields |= {"accuracy": 0.75, "validation_loss": None, "validation_accuracy": None, "accepted": True, "failure": ""}
    fields |= {"rejected": (), "folder": Path("run/1-head"), "start": evidence(before), "began": evidence(before)}
    return StageResult(index=1, name=name, trained=evidence(after), **fields | values)


def cells(table) -> list[list[str]]:
    """Return the cells of a table, row by row."""
    return [list(row) for row in zip(*(list(column.cells) for column in table.columns), strict=True)]


def test_each_stage_is_a_row_with_what_was_measured_before_and_after_it():
    good, worse = lfw(0), lfw(20)
    table = tables.stages(good, [stage("head", good, worse, validation_accuracy=0.5), stage("bare", None, None)])
    assert [column.header for column in table.columns] == [
        *("stage", "trains from", "epochs", "kept", "held back", "LFW before", "LFW after", "difference (95 %)"),
        *("VAL", "outcome"),
    ]
    baseline, head, bare = cells(table)
    assert baseline == ["baseline", "", "", "", "", "", f"{good.accuracy:.4f}", "", f"{good.val:.4f}", ""]
    assert head[:7] == ["head", "Block8", "3", "2", "0.5000", f"{good.accuracy:.4f}", f"{worse.accuracy:.4f}"]
    assert head[7].startswith("-0.1000 (-0.1")
    assert head[8:] == [f"{worse.val:.4f}", "kept, but worse"]
    # A stage without a measurement leaves its cells empty, so that its outcome stands below the others'.
    assert bare == ["bare", "Block8", "3", "2", "", "", "", "", "", "kept"]
    assert "held back: accuracy on held-back images; LFW: accuracy; VAL: validation rate at FAR 0.01" in table.caption


def test_without_pairs_and_held_back_images_the_training_accuracy_is_shown():
    table = tables.stages(None, [stage("head", None, None)])
    assert cells(table) == [["head", "Block8", "3", "2", "0.7500", "kept"]]
    assert table.caption == "training: accuracy on training images"


def test_figures_without_the_people_who_are_trained_on_stand_below_the_table_and_after_the_stage(capsys):
    before, after = lfw(0, without=True), lfw(20, without=True)
    table = tables.stages(before, [stage("head", before, after)])
    assert "LFW accuracy: baseline 0.5000, head 0.5000" in table.caption
    tables.stage_footer(stage("head", before, after))
    said = capsys.readouterr().out
    assert f"LFW accuracy {after.accuracy:.4f}" in said
    assert "without " in said
    assert f"LFW accuracy 0.5000±{after.accuracy_std:.4f}" in said
    few = lfw(0, without=False)
    few = dataclasses.replace(few, overlap=Overlap(("ann",), 9, 3))
    assert "no figures without" in tables.stages(few, [stage("head", few, few)]).caption


def test_a_stage_that_changed_no_decision_is_said_to_have_changed_none():
    same = lfw(3)
    head = cells(tables.stages(same, [stage("head", same, same)]))[1]
    assert head[7] == "every pair decided as before"
    one = dataclasses.replace(same, correct=np.arange(200) != 7)
    other = dataclasses.replace(same, correct=np.arange(200) != 9)  # one gained, one lost
    assert cells(tables.stages(one, [stage("head", one, other)]))[1][7].startswith("+0.0000 (-0.0")


@pytest.mark.parametrize("align", [True, False])
def test_the_command_that_enrols_reads_photos_as_the_run_did(align):
    recipe = Recipe.from_values(
        {
            "checkpoint": "model",
            "output": "run",
            "data": {"train": "my people", "align": align},
            "preprocessing": {"image_size": 96},
            "stages": [{"name": "head", "train_from": "Logits", "epochs": 1}],
        }
    )
    options = " --align" if align else ""
    start = f"finetune enroll people.h5 'my people'{options} --checkpoint "
    assert tables.gallery_command(recipe) == f"{start}model --image-size 96"
    assert tables.gallery_command(recipe, Path("run/1-head")) == f"{start}run/1-head"


@pytest.mark.parametrize("align", [True, False])
def test_faces_are_named_as_they_were_enrolled(align):
    data = SimpleNamespace(train=Path("my faces"), align=align)
    words = tables.naming_command(SimpleNamespace(data=data), 198)
    assert words.startswith("finetune identify people.h5 ")
    assert ("--align" in words) == align
    assert ("aligned as my faces is" in words) != align
    assert "--far" not in words


@pytest.mark.parametrize("align", [True, False])
@pytest.mark.parametrize("people", [2, 3, 7, 36, 197])
def test_faces_are_named_at_a_rate_that_so_few_people_can_promise(people, align):
    recipe = SimpleNamespace(data=SimpleNamespace(train=Path("faces"), align=align))
    command = shlex.split(tables.naming_command(recipe, people), comments=True)
    far = float(command[command.index("--far") + 1])
    enrolled = gallery(people=people, each=3)
    classifier = NearestPrototype().fit(enrolled.embeddings, enrolled.labels)
    assert calibrate(enrolled, classifier, "prototype", far).far == far
    with pytest.raises(DataError, match=f" can promise a false accept rate of no less than {far:g}, not 0.01, "):
        calibrate(enrolled, classifier, "prototype")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [("110", "110", "none"), ("100", "110", r"\+0\.3333 \(.* to .*\)"), ("100", "010", r"\+0\.0000 \(.* to .*\)")],
)
def test_only_where_every_answer_is_as_before_no_interval_is_shown(before, after, said):
    """Show an interval where as much is lost as gained: one answer each way is not nothing."""
    paired = [np.array([answer == "1" for answer in answers]) for answers in (before, after)]
    assert re.fullmatch(said, tables._paired(*paired))
    interval = paired_interval(*paired)
    difference = Difference(*interval[:5], interval.p_value, 0.0, 0.0)
    whole = tables._interval(difference)
    assert re.fullmatch("every pair decided as before" if said == "none" else said, whole)


def test_every_set_has_its_line_after_an_epoch_and_its_rows_in_a_table(capsys):
    of_set = {"novel.accuracy": 0.91, "novel.low": 0.0, "novel.high": 0.1, "novel.val": 0.5}
    measured = EpochRow("s", 1, 1, row(1, 1.0).numbers | of_set)
    tables.epoch(StageState(rows=[measured]), Stage("s", "Logits", 5))
    assert capsys.readouterr().out.splitlines()[-1] == "         novel 0.9100, validation rate 0.5000"
    assert sets_of(row(1, 1.0)) == ()
