"""Intervals equal scipy's, and cover the rate where images of a person depend on each other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats

from finetune.identification.intervals import Rate, rate_intervals, rate_of
from finetune.verification import wilson


@settings(max_examples=200)
@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilsons_equals_scipys(case):
    k, n = case
    expected = stats.binomtest(k, n).proportion_ci(0.95, "wilson")
    np.testing.assert_allclose(wilson([k / n], n), [[expected.low, expected.high]], atol=1e-12)


def test_one_image_per_subject_gives_wilsons():
    hits = np.arange(40)[:, np.newaxis] % np.array([2, 5]) == 0
    np.testing.assert_array_equal(rate_intervals(hits, np.arange(40)[::-1]), wilson(hits.mean(0), 40))
    assert rate_of(hits[:, 0]) == Rate(0.5, *wilson(0.5, 40), 40)
    assert str(rate_of(hits[:, 0])) == "0.5000 (95 %: 0.3520 to 0.6480)"


def test_the_bootstrap_covers_a_rate_of_dependent_images_and_wilsons_does_not():
    """Draw 40 people with 10 images each, whose own rates vary; the mean rate is 0.7."""
    inside = {"subjects": 0, "images": 0}
    for seed in range(200):
        generator = np.random.default_rng(seed)
        own = generator.beta(0.7, 0.3, 40)
        hits = generator.random([40, 10]) < own[:, np.newaxis]
        subjects = np.repeat(np.arange(40), 10)
        for name, found in (("subjects", rate_of(hits.ravel(), subjects)), ("images", rate_of(hits.ravel()))):
            inside[name] += found.low <= 0.7 <= found.high
    assert inside["subjects"] >= 0.9 * 200
    assert inside["images"] < 0.7 * 200


@pytest.mark.parametrize("hit", [True, False])
def test_images_that_are_all_alike_have_wilsons_interval_for_the_number_of_subjects(hit):
    found = rate_of(np.full(50, hit), np.arange(50) % 5)
    assert (found.low, found.high) == tuple(wilson(float(hit), 5))
    assert found.low < 1
    assert found.high > 0


def test_the_same_images_give_the_same_interval_in_any_order():
    generator = np.random.default_rng(0)
    hits, subjects = generator.random(60) < 0.6, np.arange(60) % 7
    order = generator.permutation(60)
    assert rate_of(hits, subjects) == rate_of(hits[order], subjects[order]) == rate_of(hits, subjects * 3 + 1)
