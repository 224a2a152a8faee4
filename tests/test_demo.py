"""A miniature of `finetune demo`: fewer people, smaller images, the same steps."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import pytest

from tests.docs import outputs

pytestmark = [pytest.mark.tf, pytest.mark.slow]

LEARNED = range(1, 9)
CHANCE = 1 / len(LEARNED)
TUTORIAL = Path(__file__).resolve().parent.parent / "docs/tutorials/first-fine-tuning.md"
VERDICT = ("verdict: ", "to 0.", "next: ")
"""Beginnings of the lines that depend on the figures."""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    from finetune.demo import demo

    output = tmp_path_factory.mktemp("demo") / "out"
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        results = demo(output, learned=LEARNED, strangers=range(101, 141), old=range(201, 221), image_size=75)
    (output / "printed.txt").write_text(printed.getvalue())
    return output, results


def names(path: Path) -> set[str]:
    return set((path / "class_names.txt").read_text().split())


def test_the_three_groups_of_people_have_no_common_member():
    from finetune import demo

    groups = demo.LEARNED, demo.STRANGERS, demo.OLD
    assert len(set().union(*groups)) == sum(map(len, groups))


def test_the_pairs_show_nobody_that_the_checkpoint_or_a_stage_was_trained_on(ran):
    output, _ = ran
    _, *lines = (output / "data/pairs.txt").read_text().splitlines()
    shown = {word for line in lines for word in line.split("\t") if not word.isdigit()}
    old, learned = names(output / "checkpoint"), names(output / "run/1-head")
    assert len(lines) == 600
    assert len(shown) == 40
    assert len(old) == 20
    assert len(learned) == 8
    assert not shown & (old | learned)
    assert not old & learned


def test_the_checkpoint_is_whole_and_its_classifier_is_skipped(ran):
    from finetune.model import Model

    output, _ = ran
    plan = Model.restore(output / "checkpoint", class_names=["a", "b"]).plan
    assert len(plan.restored) == 490
    assert dict(plan.skipped) == dict.fromkeys(["Logits/weights", "Logits/biases"], "the old classifier of 20 classes")


def test_the_run_folder_is_complete(ran):
    output, results = ran
    run = output / "run"
    assert [result.folder for result in results] == [run / "1-head", run / "2-last-block"]
    for name in ("recipe.yaml", "environment.json", "inputs.json", "history.csv", "result.json", "0-baseline/lfw.json"):
        assert (run / name).stat().st_size > 0
    for result in results:
        assert {"checkpoint", "class_names.txt", "certificate.json", "lfw.json", "result.json"} <= {
            path.name for path in result.folder.iterdir()
        }
        assert json.loads((result.folder / "lfw.json").read_text())["n_pairs"] == 600


def test_a_head_stage_leaves_the_pairs_as_they_were(ran):
    _, (head, _) = ran
    assert head.before.correct.tolist() == head.measured.correct.tolist()
    assert head.before.to_json() == head.measured.to_json()


def test_the_last_block_learns_people_and_keeps_strangers(ran):
    _, (head, last_block) = ran
    assert head.validation_accuracy > 2 * CHANCE
    assert last_block.validation_accuracy > 3 * CHANCE
    # So few pairs, of a network so small, tell no change in accuracy of two points from chance.
    assert last_block.accepted == (last_block.difference.accuracy >= -0.02)
    assert last_block.difference.high > 0


def test_a_folder_in_use_is_left_as_it_was(tmp_path):
    from finetune.demo import demo
    from finetune.errors import UserError

    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(UserError, match="not an empty folder"):
        demo(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_it_prints_what_the_first_tutorial_shows(ran):
    output, _ = ran
    lines = [line for block in outputs.blocks(TUTORIAL) for line in block if not line.startswith(VERDICT)]
    assert len(lines) > 20
    assert outputs.unlike(lines, (output / "printed.txt").read_text()) == []
