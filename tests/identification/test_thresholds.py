"""Conservative thresholds keep the promised rate in the mean over draws; the sample's own quantile would not."""

from __future__ import annotations

import numpy as np
import pytest

from finetune.identification.thresholds import conservative_threshold


@pytest.mark.parametrize(("n", "rate"), [(99, 0.01), (200, 0.01), (30, 0.1), (25, 0.5)])
def test_the_promised_rate_is_kept_in_the_mean_over_1000_draws(n, rate):
    """Draw scores whose exact rate above a threshold t is 1 - t."""
    kept, of_sample = [], []
    for seed in range(1000):
        scores = np.random.default_rng([seed, n]).random(n)
        found = conservative_threshold(scores, np.arange(n), rate)
        kept.append(1 - found.value)
        of_sample.append(1 - np.sort(scores)[::-1][int(rate * n + 1e-9)])
    k = int(rate * (n + 1) + 1e-9)
    error = np.sqrt(k) / (n + 1) / np.sqrt(1000)  # of the mean of 1,000 draws of Beta(k, n + 1 - k)
    assert np.mean(kept) == pytest.approx(k / (n + 1), abs=4 * error)
    assert np.mean(kept) <= rate + 4 * error
    if rate * n % 1 < 1e-9:  # accepting that share of the sample accepts more of further people
        assert np.mean(of_sample) > rate + 4 * error


def test_ties_accept_fewer_never_more():
    scores = np.array([0.9, 0.5, 0.5, 0.5, 0.1, 0.1, 0.1, 0.1, 0.1])
    assert conservative_threshold(scores, np.arange(9), 0.2).value == 0.5  # above it lies one of nine
    assert conservative_threshold(scores, np.arange(9), 0.1).value == 0.9
    assert conservative_threshold(scores, np.arange(9), 0.5).value == 0.1


def test_people_have_the_same_weight_however_many_photos_they_have():
    scores, people = np.array([0.9, 0.8, 0.1, 0.1, 0.7, 0.6, 0.2]), np.array([0, 0, 0, 0, 1, 2, 3])
    found = conservative_threshold(scores, people, 0.3)  # above 0.7 is half of a person, above 0.6 one and a half
    assert (found.value, found.k, found.people) == (0.7, 1.5, 4)


def test_too_few_people_promise_nothing():
    assert conservative_threshold(np.arange(98.0), np.arange(98), 0.01) is None
    assert conservative_threshold(np.arange(99.0), np.arange(99), 0.01) is not None
    assert conservative_threshold(np.arange(500.0), np.arange(500) % 50, 0.01) is None  # photos are not people
    assert conservative_threshold(np.empty(0), np.empty(0, np.int64), 0.5) is None
