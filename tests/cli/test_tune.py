"""`finetune tune` refuses what it can't use before it opens anything, and prints what it found."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

pytestmark = pytest.mark.tf

RANGES = "stages.head.learning_rate: {low: 1e-4, high: 1e-2, log: true}\nstages.last block.l2_sp: [0, 0.9]\n"


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        ("", ["--over: missing; give a file of ranges, or --learning-rate-range LOW HIGH"]),
        ("--over none.yaml", ["none.yaml: no such file; give a file of ranges, with a line such as ..."]),
        (
            "--over ranges.yaml --stage head --steps 30",
            [f"--{name}: found it beside --over; drop one of the two" for name in ("stage", "steps")],
        ),
        (
            "--learning-rate-range 1 0.1 --over ranges.yaml --trials 3 --held-out 0.1",
            [
                *(
                    f"--{name}: found it beside --learning-rate-range; drop one of the two"
                    for name in ("over", "trials", "held-out")
                ),
                "--learning-rate-range: the first rate is not the lower one; give LOW HIGH",
            ],
        ),
        (
            "--learning-rate-range 1e-5 1 --stage tail",
            ["--stage: no stage is named 'tail'; the stages are 'head' and 'last block'"],
        ),
        ("--over ranges.yaml stages.head.epochs=0", ["command line stages.0.epochs: found 0; give a whole number ..."]),
        (
            "--over ranges.yaml data.validation_split=0",
            ["data: no validation images judge the trials; give data.validation_split=0.2, or a folder"],
        ),
        ("--over ranges.yaml strategy=mirrored", ["strategy: trials run on one device; give strategy=none"]),
        (
            "--over ranges.yaml --output bad/used",
            ["bad/used: the folder holds something other than a search; choose another --output"],
        ),
    ],
)
def test_what_can_not_be_used_is_refused(refused, options, lines):
    Path("ranges.yaml").write_text(RANGES)
    refused(f"tune recipe.yaml {options}", *lines)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--trials", "0"], "argument --trials: found '0'; give a whole number from 1 to 10000"),
        (["--held-out", "1"], "argument --held-out: found '1'; give a number from 0, below 1"),
        (["--held-out", "nan"], "argument --held-out: found 'nan'; give a number from 0, below 1"),
        (["--learning-rate-range", "0", "1"], "argument --learning-rate-range: found '0'; give a number above 0"),
        (["--learning-rate-range", "x", "1"], "argument --learning-rate-range: found 'x'; give a number above 0"),
        (["--steps", "5"], "argument --steps: found '5'; give a whole number from 20 to 100000"),
    ],
)
def test_numbers_out_of_their_range_are_refused(finetune, options, message):
    ended = finetune("tune", "recipe.yaml", *options)
    assert (ended.status, ended.out) == (2, [])
    assert ended.err == [f"finetune tune: {message}; see finetune tune --help"]


@pytest.fixture
def searched(monkeypatch):
    """Return the plans of searches that a stand-in was asked for."""
    from finetune import tuning

    plans = []

    def search(plan):
        plans.append(plan)
        trial = SimpleNamespace(number=2, outcome="0.9000")
        return SimpleNamespace(contest="the contest", best=trial, trials=[SimpleNamespace(outcome="0.8000")])

    monkeypatch.setattr(tuning, "search", search)
    return plans


def test_settings_of_the_command_line_hold_in_every_trial(finetune, searched):
    Path("ranges.yaml").write_text(RANGES)
    ended = finetune("tune", "recipe.yaml", "--over", "ranges.yaml", "stages.head.epochs=4", "seed=3")
    assert ended.out == [
        "the contest",
        "best: trial 2, 0.9000 (as given: 0.8000)",
        "next: finetune run out-tune/best.yaml",
    ]
    (plan,) = searched
    assert (plan.trials, plan.held_out, plan.output) == (30, 0.2, Path("out-tune"))
    assert list(plan.space) == ["stages.0.learning_rate", "stages.1.l2_sp"]
    recipe = plan.load({"stages.0.learning_rate": 0.5})
    assert (recipe.seed, recipe.stages[0].epochs, recipe.stages[0].learning_rate.value) == (3, 4, 0.5)


def test_a_searched_key_may_also_be_set_on_the_command_line(finetune, searched):
    Path("ranges.yaml").write_text(RANGES)
    finetune("tune", "recipe.yaml", "stages.head.learning_rate=0.3", "--over", "ranges.yaml", "--trials", "4")
    (plan,) = searched
    assert plan.trials == 4
    rates = [plan.load(values).stages[0].learning_rate.value for values in ({}, {"stages.0.learning_rate": 0.5})]
    assert rates == [0.3, 0.5]
