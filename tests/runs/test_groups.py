"""A run with a file of groups keeps them with each result, and goes on only with the same groups."""

from __future__ import annotations

import json

import pytest

from finetune.errors import UserError
from finetune.verification import VerificationResult, group_rates, shares

pytest.importorskip("tensorflow")
from finetune.runs import runner
from finetune.runs.begun import refuse_other_inputs
from finetune.runs.measured import MeasuredPairs
from finetune.runs.opening import Inputs
from finetune.runs.planning import _sets
from tests.runs.of_numbers import STAGES, standing_in

pytestmark = pytest.mark.tf


def write_groups(path, faces, every=2):
    names = sorted(folder.name for folder in (faces / "strangers").iterdir())
    lines = [f"{name},{'odd' if number % every else 'even'}" for number, name in enumerate(names)]
    path.write_text("\n".join(["identity,number", *lines]) + "\n")


@pytest.fixture
def opened(faces, tmp_path, monkeypatch):
    """Return a function that opens a run whose LFW pairs have groups, by which its second stage is judged."""
    (tmp_path / "run").mkdir()

    def opened(every=2):
        write_groups(tmp_path / "groups.csv", faces, every)
        lfw = {"dir": faces / "strangers", "pairs": faces / "pairs.txt", "groups": tmp_path / "groups.csv"}
        head, block, last = STAGES
        stages = [head, block | {"accept": {"metric": "worst_group_accuracy", "max_drop": 0}}, last]
        return standing_in(faces, tmp_path / "run", monkeypatch, lfw=lfw, stages=stages)

    return opened


@pytest.fixture
def few_are_enough(monkeypatch):
    monkeypatch.setattr(shares, "LEAST_PAIRS", 2)
    monkeypatch.setattr(shares, "LEAST_PEOPLE", 1.5)


@pytest.mark.usefixtures("few_are_enough")
def test_results_keep_their_groups_and_the_worst_one_rolls_a_stage_back(opened, monkeypatch):
    inputs = opened()
    monkeypatch.setattr(Inputs, "open", lambda *_, **__: inputs)
    results = runner.run(inputs.recipe)
    assert [result.accepted for result in results] == [True, False, True]
    assert results[1].reason.startswith("worst_group_accuracy fell by ")
    stored = VerificationResult.from_json(json.loads((inputs.recipe.output / "0-baseline/lfw.json").read_text()))
    assert stored.groups.to_json() == inputs.sets[0].groups.to_json()
    before, after = (group_rates(one, one.groups).columns[0] for one in (stored, results[1].trained.lfw))
    worst = [min(group.accuracy.rate for group in column.groups) for column in (before, after)]
    assert worst[1] < worst[0]
    text, card = ((inputs.recipe.output / name).read_text() for name in ("report.html", "MODEL_CARD.md"))
    for group in group_rates(results[-1].trained.lfw, stored.groups).columns[0].groups:
        assert f"{group.fnmr.rate:.4f} ({group.fnmr.low:.4f} to {group.fnmr.high:.4f})" in text
    assert "For whom it works" in text
    assert "Error rates by number, LFW" in text  # the chart
    assert "| LFW | number: even | " in card
    assert not any(name in json.dumps(stored.groups.to_json()) for name in inputs.sets[0].pairs.identities)


def test_the_plan_names_the_columns_of_groups(opened):
    (line,) = [line for line in _sets(opened()) if "measured before" in line]
    assert ", groups by number, measured before the first stage" in " ".join(line.split())


@pytest.mark.usefixtures("few_are_enough")
def test_a_run_does_not_go_on_with_other_groups(opened, tmp_path):
    stored = json.loads(json.dumps(opened().summary()))
    refuse_other_inputs(opened(), tmp_path, stored)
    with pytest.raises(UserError, match=r"groups\.csv: other groups than when the run in .* began; put back"):
        refuse_other_inputs(opened(every=3), tmp_path, stored)


def test_a_gate_by_groups_of_too_few_pairs_is_refused_before_the_run(opened):
    inputs, problems = opened(), []
    MeasuredPairs(inputs.recipe, None, lambda paths: {}, problems, every_image=False)
    assert [str(problem).partition("groups.csv: ")[2] for problem in problems] == [
        "found no group with enough pairs for the gate; a rate takes 35 pairs, of 20 people"
    ]
