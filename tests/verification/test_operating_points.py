"""Thresholds keep their promised false accept rates on pairs that nobody has seen."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats

from finetune.verification.operating_points import operating_point
from finetune.verification.protocols.lfw import evaluate_pairs


def result(distances, is_same):
    distances, is_same = np.asarray(distances, np.float32), np.asarray(is_same, bool)
    rows = np.eye(2)[np.zeros(4, int)]
    made = evaluate_pairs(rows, rows, [True, False] * 2, n_folds=2)
    return dataclasses.replace(made, distances=distances, is_same=is_same, n_pairs=len(is_same))


@pytest.mark.parametrize(("far", "n", "k"), [(0.1, 99, 10), (0.01, 99, 1), (0.01, 250, 2), (0.5, 3, 2)])
def test_it_is_the_kth_nearest_of_two_people(far, n, k):
    different = np.random.default_rng(n).permutation(n) + 1.0
    found = operating_point(result([*different, 0.5, k - 0.5, k, k + 1], [False] * n + [True] * 4), far)
    assert found.threshold == k
    assert found.val == 0.5  # only what is nearer than the threshold is accepted
    assert (found.far_low, found.far_high) == pytest.approx(tuple(stats.beta(k, n + 1 - k).ppf([0.025, 0.975])))
    interval = stats.binomtest(2, 4).proportion_ci(method="wilson")
    assert (found.val_low, found.val_high) == pytest.approx((interval.low, interval.high))


def test_too_few_pairs_promise_nothing():
    assert operating_point(result(np.arange(100.0), [False] * 98 + [True] * 2), 0.01) is None
    assert operating_point(result(np.arange(101.0), [False] * 99 + [True] * 2), 0.01) is not None
    old = dataclasses.replace(result([1.0, 2.0], [True, False]), distances=None, is_same=None)
    assert operating_point(old, 0.1) is None


def test_on_pairs_never_seen_the_rate_is_what_was_asked_for_and_its_interval_holds():
    generator = np.random.default_rng(0)
    asked, rates, held = 0.05, [], 0
    for _ in range(600):
        different = generator.normal(size=199)
        found = operating_point(result([*different, -9.0], [False] * 199 + [True]), asked)
        rate = stats.norm.cdf(found.threshold)  # of further pairs, all of them
        rates.append(rate)
        held += found.far_low <= rate <= found.far_high
    assert np.mean(rates) == pytest.approx(asked, abs=3 * np.std(rates) / np.sqrt(600))
    assert 0.92 < held / 600 < 0.98
