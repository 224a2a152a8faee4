"""The paired difference agrees with exact enumeration and with simulation."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given, strategies as st

from finetune.errors import DataError
from finetune.verification.comparison import compare
from finetune.verification.protocols.lfw import evaluate_pairs
from finetune.verification.result import VerificationResult


def result(correct: np.ndarray) -> VerificationResult:
    same = np.tile([True, False], len(correct) // 2)
    rows = np.ones((len(same), 1))
    base = evaluate_pairs(rows, rows, same, n_folds=2)
    return dataclasses.replace(base, correct=correct, accuracy=float(correct.mean()))


def split(n: int, gained: int, lost: int) -> tuple[VerificationResult, VerificationResult]:
    """Return two results on n pairs, of which the first few are gained and the next few lost."""
    before, after = np.ones(n, bool), np.ones(n, bool)
    before[:gained] = False
    after[gained : gained + lost] = False
    return result(before), result(after)


def test_a_difference_counts_what_was_gained_and_lost():
    before, after = split(100, gained=9, lost=2)
    after = dataclasses.replace(after, val=before.val + 0.25, auc=before.auc - 0.125)
    difference = compare(before, after)
    assert (difference.gained, difference.lost) == (9, 2)
    assert difference.accuracy == pytest.approx(0.07)
    assert (difference.val, difference.auc) == (0.25, -0.125)
    assert difference.p_value == pytest.approx(2 * (1 + 11 + 55) / 2**11)


def test_equal_results_show_no_difference():
    before, _ = split(1000, 0, 0)
    difference = compare(before, before)
    assert (difference.accuracy, difference.gained, difference.lost, difference.p_value) == (0, 0, 0, 1)
    assert difference.low == -difference.high
    assert 0 < difference.high < 0.003


@given(gained=st.integers(0, 40), lost=st.integers(0, 40))
def test_the_p_value_adds_up_every_split_no_likelier_than_the_one_seen(gained, lost):
    n = gained + lost
    exact = Fraction(sum(comb(n, k) for k in range(n + 1) if comb(n, k) <= comb(n, gained)), 2**n)
    assert compare(*split(100, gained, lost)).p_value == pytest.approx(float(exact), rel=1e-12)


@given(gained=st.integers(0, 40), lost=st.integers(0, 40))
def test_swapping_before_and_after_mirrors_the_difference(gained, lost):
    before, after = split(100, gained, lost)
    there, back = compare(before, after), compare(after, before)
    assert (there.accuracy, there.low, there.high) == pytest.approx((-back.accuracy, -back.high, -back.low))
    assert there.p_value == back.p_value
    assert -1 <= there.low <= there.accuracy <= there.high <= 1


def test_thousands_of_differing_pairs_have_a_p_value_too():
    assert compare(*split(6000, 3100, 2900)).p_value == pytest.approx(0.0102, abs=1e-4)
    assert compare(*split(6000, 6000, 0)).p_value == 0


def test_the_interval_holds_the_true_difference_nineteen_times_in_twenty():
    rng = np.random.default_rng(0)
    p_gained, p_lost, n, runs = 0.05, 0.03, 400, 600
    base, _ = split(n, 0, 0)
    covered = 0
    for _ in range(runs):
        draw = rng.random(n)
        before = dataclasses.replace(base, correct=draw >= p_gained)
        after = dataclasses.replace(base, correct=draw < 1 - p_lost)
        difference = compare(before, after)
        covered += difference.low <= p_gained - p_lost <= difference.high
    assert 0.93 <= covered / runs <= 0.975


def test_results_of_two_protocols_are_refused():
    before, after = split(100, 3, 1)
    with pytest.raises(DataError, match="found results of two protocols; measure both by one protocol"):
        compare(before, dataclasses.replace(after, protocol={"name": "fixed_far"}))


@pytest.mark.parametrize("change", [{"n_pairs": 98}, {"n_same": 49}, {"pairs_sha256": "of others"}])
def test_results_on_different_pairs_are_refused(change):
    before, after = split(100, 3, 1)
    with pytest.raises(DataError, match="found results on different pairs"):
        compare(before, dataclasses.replace(after, **change))
