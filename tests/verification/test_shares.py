"""Intervals of error rates cover the true rate, whether pairs are independent or share people.

Each design below is drawn 1,000 times from people and pairs that are made up with a known rate.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import stats

from finetune.verification.shares import LEAST_PAIRS, LEAST_PEOPLE, share, variance

DRAWS = 1000
Drawn = tuple[np.ndarray, np.ndarray, np.ndarray]


def of_one(generator: np.random.Generator, people: int, pairs: int, rate: float, rho: float) -> Drawn:
    """Draw pairs of one person. Each person has a rate of their own, so that two pairs correlate with `rho`."""
    person = np.repeat(np.arange(people), pairs)
    own = generator.beta(rate * (1 / rho - 1), (1 - rate) * (1 / rho - 1), people) if rho else np.full(people, rate)
    return generator.random(len(person)) < own[person], person, person


def of_two(generator: np.random.Generator, people: int, pairs: int, rate: float, effect: float) -> Drawn:
    """Draw pairs of two people, whose normal scores are the sum of an effect of each and of noise."""
    first = generator.integers(0, people, pairs)
    second = (first + generator.integers(1, people, pairs)) % people
    effects = effect * generator.normal(size=people)
    score = effects[first] + effects[second] + generator.normal(size=pairs) * math.sqrt(1 - 2 * effect**2)
    return score < stats.norm.ppf(rate), first, second


def coverage(draw, rate: float) -> float:
    generator = np.random.default_rng(0)
    found = [share(*draw(generator)) for _ in range(DRAWS)]
    return float(np.mean([one.low <= rate <= one.high for one in found]))


@pytest.mark.parametrize("rate", [0.05, 0.2])
@pytest.mark.parametrize(
    ("draw", "people", "pairs", "dependence"),
    [
        (of_one, 400, 1, 0),  # everybody in one pair: Wilson's interval
        (of_one, 200, 2, 0),  # several pairs, which happen not to depend
        (of_one, 100, 4, 0.2),
        (of_one, 200, 3, 0.5),
        (of_two, 600, 300, 0.4),  # as among LFW's pairs of two people
        (of_two, 100, 400, 0.4),
        (of_two, 300, 1000, 0.3),
        (of_two, 100, 400, 0),
    ],
)
def test_the_interval_covers_the_true_rate_in_93_to_97_of_100_draws(draw, people, pairs, dependence, rate):
    assert 0.93 <= coverage(lambda generator: draw(generator, people, pairs, rate, dependence), rate) <= 0.97


@pytest.mark.real
@pytest.mark.parametrize("part", [1, 0.3])
@pytest.mark.parametrize("rate", [0.01, 0.15])
def test_the_interval_covers_the_true_rate_on_lfws_own_pairs(part, rate, shared):
    """Errors are made up, from an effect of each person and noise; a group is a share of the people, by lot."""
    rows = [line.split("\t") for line in (shared / "lfw/pairs.txt").read_text().splitlines()[1:]]
    names = sorted({row[place] for row in rows for place in (0, len(row) - 2) if place != 1})
    numbers = {name: number for number, name in enumerate(names)}
    of_one = np.array([numbers[row[0]] for row in rows if len(row) == 3])
    of_two = np.array([[numbers[row[0]], numbers[row[2]]] for row in rows if len(row) == 4])
    for first, second in ((of_one, of_one), of_two.T):

        def draw(generator: np.random.Generator, first=first, second=second) -> Drawn:
            group = generator.random(len(numbers)) < part
            inside = group[first] & group[second]
            effects = 0.4 * generator.normal(size=len(numbers))
            score = effects[first] + effects[second]
            score = score + generator.normal(size=len(first)) * np.where(first == second, 0.6, math.sqrt(0.68))
            return score[inside] < stats.norm.ppf(rate), first[inside], second[inside]

        assert 0.93 <= coverage(draw, rate) <= 0.97


def test_wilsons_plain_interval_would_cover_too_seldom_where_pairs_share_people():
    def plain(generator: np.random.Generator) -> bool:
        wrong, _, _ = of_two(generator, 100, 400, 0.2, 0.4)
        ends = stats.binomtest(int(wrong.sum()), len(wrong)).proportion_ci(method="wilson")
        return bool(ends.low <= 0.2 <= ends.high)

    generator = np.random.default_rng(0)
    assert np.mean([plain(generator) for _ in range(DRAWS)]) < 0.85


@given(st.integers(LEAST_PAIRS, 300), st.data())
def test_where_nobody_is_in_two_pairs_it_is_wilsons_interval(n, data):
    wrong = np.arange(n) < data.draw(st.integers(0, n))
    two = data.draw(st.booleans())
    found = share(wrong, np.arange(n), np.arange(n) + n * two)
    ends = stats.binomtest(int(wrong.sum()), n).proportion_ci(method="wilson")
    assert (found.counted, found.pairs, found.people) == (wrong.sum(), n, n * (1 + two))
    assert (found.low, found.high) == pytest.approx((ends.low, ends.high), abs=1e-12)


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.booleans()), min_size=2, max_size=40))
def test_the_variance_sums_the_products_of_pairs_that_share_a_person(rows):
    first, second = (np.array([row[place] for row in rows]) for place in (0, 1))
    wrong = np.array([row[2] for row in rows])
    values = wrong - wrong.mean()
    n = len(rows)
    uses = np.array([np.sum((first == person) | (second == person)) for person in range(7)])
    enlarged = np.maximum(1 - uses / n, 1 / n)
    expected = 0.0
    for i in range(n):
        for j in range(n):
            shared = {first[i], second[i]} & {first[j], second[j]}
            expected += values[i] * values[j] * sum(enlarged[person] ** -2 for person in shared)
            expected -= values[i] * values[j] * (len(shared) == 2)
    assert variance(values, first, second) == pytest.approx(max(expected, 0) / n**2, abs=1e-9)


@pytest.mark.parametrize(
    ("people", "pairs_each", "told"),
    [(LEAST_PAIRS, 1, True), (LEAST_PAIRS - 1, 1, False), (LEAST_PEOPLE, 2, True), (LEAST_PEOPLE - 1, 9, False)],
)
def test_too_few_pairs_or_people_give_no_rate(people, pairs_each, told):
    person = np.repeat(np.arange(people), pairs_each)
    found = share(np.zeros(len(person), bool), person, person)
    assert (found.counted, found.pairs, found.people) == (0, len(person), people)
    assert [value is not None for value in found[3:]] == [told] * 3


def test_one_person_in_every_pair_counts_as_few_people():
    found = share(np.arange(100) < 9, np.zeros(100, np.intp), np.arange(1, 101))
    assert (found.people, found.rate) == (101, None)


def test_without_an_error_the_people_bound_how_many_pairs_are_independent():
    person = np.repeat(np.arange(50), 8)
    nobody = np.zeros(400, bool)
    assert share(nobody, person, person).high == pytest.approx(share(nobody[:50], *[np.arange(50)] * 2).high)
    assert share(nobody, person, person).rate == 0


def test_no_pairs_give_no_rate():
    nothing = np.zeros(0, np.intp)
    assert share(nothing.astype(bool), nothing, nothing)[:4] == (0, 0, 0, None)
