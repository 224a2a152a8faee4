"""Files of groups in a recipe, and the gate that is judged by the worst group."""

from __future__ import annotations

from pathlib import Path

import pytest

from finetune.recipe import Recipe
from tests.recipe.conftest import GOOD, load, problems

SETS = """\
measure:
  - {name: novel, images: faces, pairs: novel.txt, groups: novel.csv}
  - {name: b, images: x, pairs: y}
"""
ACCEPT = "    accept: {{metric: {}, max_drop: 0.01}}\n"
WITH_GROUPS = GOOD.replace("lfw: {", "lfw: {groups: ~/groups.csv, ")


def test_lfw_and_sets_have_files_of_groups():
    recipe = load(WITH_GROUPS + ACCEPT.format("worst_group_accuracy") + SETS)
    assert recipe.lfw.groups == Path("~/groups.csv").expanduser()
    assert [one.groups for one in recipe.measure] == [Path("novel.csv"), None]
    accept = recipe.stages[-1].accept
    assert (accept.pairs, accept.figure) == ("lfw", "worst_group_accuracy")
    Path("again.yaml").write_text(recipe.to_yaml())
    assert Recipe.load("again.yaml") == recipe


def test_a_set_is_judged_by_its_own_groups():
    accept = load(GOOD + ACCEPT.format("novel.worst_group_accuracy") + SETS).stages[-1].accept
    assert (accept.pairs, accept.figure) == ("novel", "worst_group_accuracy")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            GOOD + ACCEPT.format("worst_group_accuracy"),
            "there are no groups of lfw to judge by; give lfw.groups, or remove it",
        ),
        (
            GOOD + ACCEPT.format("b.worst_group_accuracy") + SETS,
            "there are no groups of b to judge by; give groups of b in measure, or remove it",
        ),
        (GOOD + ACCEPT.format("c.worst_group_accuracy") + SETS, "there is no set 'c' to judge by"),
        (GOOD + ACCEPT.format("worst_group_val"), "found the text 'worst_group_val'; "),
    ],
)
def test_groups_that_nobody_gave_can_not_be_judged_by(text, told):
    (problem,) = problems(text)
    assert told in problem
    assert ".accept" in problem
