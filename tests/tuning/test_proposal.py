"""Proposals learn from the trials, keep to the space, and depend on nothing but the trials and the seed."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from finetune.tuning.proposal import Proposal
from finetune.tuning.space import Choices, Span
from finetune.tuning.trial import Trial, read_trials, write_trials

SPACE = {
    "rate": Span(1e-5, 10.0, log=True),
    "epochs": Span(2, 9, whole=True),
    "loss": Choices(("softmax", {"name": "arcface"}, True)),
}


def score(values):
    """Return a score with one peak, at a rate of 0.01, 6 epochs and the second loss."""
    distance = abs(math.log10(values["rate"]) + 2) + abs(values["epochs"] - 6) / 4
    return (1.0 if values["loss"] == {"name": "arcface"} else 0.8) - 0.1 * distance


def searched(trials, number, seed=1, own=None):
    """Return the trials with further ones, up to a number."""
    found = list(trials) or [Trial(0, {}, "finished", 0.5)]
    while len(found) < number:
        values = Proposal(SPACE, found, own or {}, seed).values
        found.append(Trial(len(found), values, "finished", score(values)))
    return found


def test_proposals_lie_in_the_space():
    for trial in searched([], 30)[1:]:
        rate, epochs, loss = trial.values.values()
        assert 1e-5 <= rate <= 10
        assert float(f"{rate:.4g}") == rate
        assert isinstance(epochs, int)
        assert 2 <= epochs <= 9
        assert loss in SPACE["loss"].ends


def test_later_proposals_are_better_than_random_ones():
    trials = [trial.score for trial in searched([], 60)[1:]]
    assert np.mean(trials[40:]) > np.mean(trials[:10]) + 0.15


def test_the_same_trials_and_seed_give_the_same_proposals_and_another_seed_others(tmp_path):
    whole = searched([], 20)
    write_trials(tmp_path, whole[:13], list(SPACE))
    assert searched(read_trials(tmp_path), 20) == whole
    assert searched([], 3, seed=2)[1:] != whole[1:3]


def test_the_recipes_own_values_are_learned_from():
    peak = {"rate": 0.01, "epochs": 6, "loss": {"name": "arcface"}}
    begun = searched([Trial(0, {}, "finished", 1.0)], 12)
    assert searched(begun, 13, own=peak)[-1] != searched(begun, 13)[-1]


def test_a_failed_trial_keeps_later_ones_away():
    space = {"rate": SPACE["rate"]}
    trials = [Trial(0, {}, "finished", 0.5)]
    for _ in range(50):
        values = Proposal(space, trials, {}, 3).values
        bad = values["rate"] > 0.01
        trials.append(Trial(len(trials), values, "failed" if bad else "finished", None if bad else 0.5))
    failures = [trial.state == "failed" for trial in trials]
    assert np.mean(failures[1:11]) > np.mean(failures[-25:])


def test_a_trial_below_the_median_is_hopeless_and_one_above_is_not():
    course = [{1: 0.5, 2: value} for value in (0.6, 0.7, 0.8, 0.9, 1.0)]
    values = {"rate": 0.1, "epochs": 3, "loss": True}
    trials = [Trial(number, values if number else {}, "finished", 1.0, steps) for number, steps in enumerate(course)]
    low, high = (Proposal(SPACE, trials, {}, 1) for _ in range(2))
    assert not low.hopeless(1, 0.5)
    assert low.hopeless(2, 0.79)
    assert not high.hopeless(2, 0.81)


@pytest.mark.parametrize("trials", [1, 4])
def test_the_first_trials_are_never_hopeless(trials):
    trial = Trial(0, {}, "finished", 1.0, {1: 1.0})
    given = [dataclasses.replace(trial, number=number) for number in range(trials)]
    assert not Proposal(SPACE, given, {}, 1).hopeless(1, 0.0)
