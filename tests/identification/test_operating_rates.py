"""TPIR at a requested FPIR equals a count at the conservative threshold, which keeps the FPIR in the mean."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from finetune.errors import DataError
from finetune.identification.operating_rates import Probes, identification_curve, tpir_at

SCORES = st.lists(st.integers(0, 12), min_size=1, max_size=30)


def drawn(seed: int, mated: int = 80, others: int = 120) -> Probes:
    generator = np.random.default_rng(seed)
    return Probes(
        generator.normal(1.5, 1, mated),
        generator.random(mated) < 0.9,
        np.arange(mated),
        generator.normal(0, 1, others),
        np.arange(others),
    )


@settings(max_examples=1000)
@given(SCORES, SCORES, st.integers(0, 2**31), st.sampled_from([0.1, 0.25, 0.5]))
def test_it_equals_brute_force(scores, others, seed, target):
    correct = np.random.default_rng(seed).random(len(scores)) < 0.7
    probes = Probes(np.array(scores), correct, np.arange(len(scores)), np.array(others), np.arange(len(others)))
    found = tpir_at(probes, [target])
    fitting = [t for t in others if (sum(s > t for s in others) + 1) / (len(others) + 1) <= target + 1e-12]
    assert [at.threshold for at in found] == ([min(fitting)] if fitting else [])
    for at in found:
        named = [right and score > at.threshold for right, score in zip(correct, scores, strict=True)]
        assert at.tpir.value == pytest.approx(np.mean(named))
        assert at.fpir.value == np.mean([score > at.threshold for score in others]) <= target


def test_the_mean_fpir_of_further_people_over_1000_draws_is_at_most_the_target():
    targets = (0.01, 0.1)
    rates = np.empty([1000, 2])
    for seed in range(1000):
        thresholds = [at.threshold for at in tpir_at(drawn(seed, mated=1), targets)]
        further = np.random.default_rng([seed, 1]).normal(0, 1, 400)
        rates[seed] = [np.mean(further > threshold) for threshold in thresholds]
    error = rates.std(axis=0) / np.sqrt(1000)
    assert (rates.mean(axis=0) <= np.array(targets) + 3 * error).all()
    assert (rates.mean(axis=0) >= 0.8 * np.array(targets)).all()  # conservative, yet not much too strict


def test_the_operating_rates_lie_on_the_curve():
    probes = drawn(3)
    curve = identification_curve(probes)
    for at in tpir_at(probes, [0.01, 0.1]):
        point = int(np.flatnonzero(curve.thresholds == at.threshold)[0])
        assert curve.positives[point] == at.fpir.value
        assert 1 - curve.negatives[point] == pytest.approx(at.tpir.value)
        assert at.fpir.low < at.target < at.fpir.high
        assert at.to_json()["tpir"]["value"] == at.tpir.value


def test_a_rate_that_the_people_are_too_few_for_is_left_out():
    assert [at.target for at in tpir_at(drawn(0, others=20), [0.01, 0.1])] == [0.1]


@pytest.mark.parametrize(("mated", "others"), [(0, 5), (5, 0)])
def test_probes_of_one_kind_are_refused(mated, others):
    with pytest.raises(DataError, match=f"found {mated} mated probes and {others} non-mated; give one of each"):
        tpir_at(drawn(0, mated, others), [0.1])
