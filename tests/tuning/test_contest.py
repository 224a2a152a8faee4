"""The best of a search beats the recipe as given only where McNemar's exact test shows it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from finetune.record.held_back import HeldBack
from finetune.tuning.contest import Contest


def contest(gained, lost, both=20):
    """Return a contest in which only the best, only the recipe as given, and both name so many images correctly."""
    given = np.repeat([False, True, True], [gained, lost, both])
    best = np.repeat([True, False, True], [gained, lost, both])
    return Contest(HeldBack(given), HeldBack(best))


def mcnemar(gained, lost):
    """Return the exact two-sided p-value, from the binomial coefficients."""
    n, most = gained + lost, max(gained, lost)
    return min(1.0, 2 * sum(math.comb(n, k) for k in range(most, n + 1)) / 2**n)


@pytest.mark.parametrize(("gained", "lost"), [(6, 0), (5, 0), (12, 3), (9, 3), (0, 6), (0, 0), (3, 3)])
def test_a_gain_counts_if_chance_does_not_explain_it(gained, lost):
    found = contest(gained, lost)
    assert found.better == (gained > lost and mcnemar(gained, lost) <= 0.05)
    assert f"{mcnemar(gained, lost):.2g}" in str(found)
    assert found.to_json()["difference"]["gained"] == gained


def test_the_line_says_which_of_the_two():
    assert str(contest(6, 0)).startswith(
        "26 images that the search never saw: best 1.0000, as given 0.7692; +0.2308 (95 %: "
    )
    assert str(contest(6, 0)).endswith("6 images gained, 0 lost, McNemar p 0.031): the best beats the recipe as given")
    assert str(contest(0, 6)).endswith("no gain is shown over the recipe as given")
