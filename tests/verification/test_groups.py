"""Rates by group, at the threshold of the whole result."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from finetune.errors import DataError
from finetune.verification import VerificationResult, compare_worst, group_rates, without_rates, worst_group
from finetune.verification.pair_groups import Column, PairGroups
from finetune.verification.protocols import evaluate_pairs

PEOPLE, PAIRS = 300, 2400


def made_pairs(seed: int) -> tuple[PairGroups, np.ndarray]:
    """Make pairs of people in two groups of unequal size, and a column with a group of three people."""
    generator = np.random.default_rng(seed)
    same = np.arange(PAIRS) % 2 == 0
    first = generator.integers(0, PEOPLE, PAIRS)
    second = np.where(same, first, (first + generator.integers(1, PEOPLE, PAIRS)) % PEOPLE)
    skin = (np.arange(PEOPLE) % 3 == 0).astype(np.intp)
    age = np.where(np.arange(PEOPLE) < 3, 1, np.where(np.arange(PEOPLE) < 100, -1, 0))
    return PairGroups(first, second, (Column("skin", ("dark", "light"), skin), Column("age", ("20", "80"), age))), same


def result_of(wrong: np.ndarray, same: np.ndarray) -> VerificationResult:
    """Return a result whose decisions are wrong for these pairs, and right for all others."""
    nearby = same ^ wrong
    first = np.eye(2)[np.zeros(len(same), int)]
    result = evaluate_pairs(first, np.eye(2)[(~nearby).astype(int)], same)
    assert np.array_equal(result.correct, ~wrong)
    return result


def test_the_rates_count_the_wrong_decisions_within_and_between_groups():
    groups, same = made_pairs(0)
    wrong = np.random.default_rng(1).random(PAIRS) < 0.1
    found = group_rates(result_of(wrong, same), groups)
    skin = groups.columns[0]
    assert [column.column for column in found.columns] == ["skin", "age"]
    one, two = skin.of[groups.first], skin.of[groups.second]
    for number, group in enumerate(found.columns[0].groups):
        inside = (one == number) & (two == number)
        assert group.group == skin.groups[number]
        assert group.fnmr.rate == np.mean(wrong[inside & same])
        assert group.fmr.rate == np.mean(wrong[inside & ~same])
        assert group.accuracy.rate == np.mean(~wrong[inside])
        assert group.fnmr.pairs == np.sum(inside & same)
        assert group.fmr.low < group.fmr.rate < group.fmr.high
    (between,) = found.columns[0].between
    assert between.groups == ("dark", "light")
    assert (between.fmr.counted, between.fmr.pairs) == (np.sum(wrong[one != two]), np.sum(one != two))


def test_a_group_of_few_pairs_has_numbers_and_no_rate():
    groups, same = made_pairs(0)
    age = group_rates(result_of(np.zeros(PAIRS, bool), same), groups).columns[1]
    few = age.groups[1]
    assert (few.group, few.fnmr.rate, few.fmr.rate, few.accuracy.rate) == ("80", None, None, None)
    assert few.fnmr.pairs == np.sum(same & (groups.first < 3))
    assert age.worst_over_best("fnmr") is None
    unknown = groups.columns[1].of == -1
    assert age.unknown == np.sum(unknown[groups.first] | unknown[groups.second])


def test_worst_over_best_says_whether_chance_may_explain_it():
    groups, same = made_pairs(0)
    light = groups.columns[0].of[groups.first] == 1
    of_pair = np.arange(PAIRS) // 2  # every pair of one person and the next pair of two
    wrong = same & (of_pair % np.where(light, 4, 20) == 0)
    skin = group_rates(result_of(wrong, same), groups).columns[0]
    ratio = skin.worst_over_best("fnmr")
    assert (ratio.worst, ratio.best, ratio.overlap) == ("light", "dark", False)
    assert ratio.ratio == skin.groups[1].fnmr.rate / skin.groups[0].fnmr.rate
    of_two = skin.worst_over_best("fmr")
    assert (of_two.ratio, of_two.overlap) == (None, True)  # nobody else is accepted: there is no ratio to 0


def test_the_json_has_every_number_and_no_person():
    groups, same = made_pairs(0)
    stored = json.loads(json.dumps(group_rates(result_of(np.zeros(PAIRS, bool), same), groups).to_json()))
    assert [column["column"] for column in stored] == ["skin", "age"]
    assert stored[0]["groups"][0]["fnmr"]["rate"] == 0
    assert stored[1]["groups"][1]["fnmr"]["rate"] is None
    assert set(stored[0]) == {"column", "groups", "between", "worst_over_best", "unknown"}


def test_groups_come_back_from_their_json():
    groups, _ = made_pairs(0)
    back = PairGroups.from_json(json.loads(json.dumps(groups.to_json())))
    assert back.to_json() == groups.to_json()


def test_the_worst_group_is_the_lowest_of_all_columns_with_enough_pairs():
    groups, same = made_pairs(0)
    dark = groups.columns[0].of[groups.first] == 0
    few = (groups.first < 3) & (groups.second < 3)  # all wrong, but too few to tell
    wrong = few | (dark & (np.arange(PAIRS) % 7 == 0))
    found = worst_group(result_of(wrong, same), groups)
    inside = dark & (groups.columns[0].of[groups.second] == 0)
    assert found == ("skin", "dark", np.mean(~wrong[inside]))


def test_the_worst_group_may_be_another_one_after():
    groups, same = made_pairs(0)
    dark = groups.columns[0].of[groups.first] == 0
    before, after = (result_of(who & (np.arange(PAIRS) % 7 == 0), same) for who in (dark, ~dark))
    change = compare_worst(before, after, groups)
    assert (change.before.group, change.after.group) == ("dark", "light")
    assert change.difference == change.after.accuracy - change.before.accuracy
    assert change.low < change.difference < change.high


def test_an_unchanged_result_has_no_difference_and_a_narrow_interval():
    groups, same = made_pairs(0)
    result = result_of(np.arange(PAIRS) % 9 == 0, same)
    change = compare_worst(result, result, groups)
    assert change.difference == 0
    assert -0.005 < change.low < 0 < change.high < 0.005


def test_the_interval_of_the_worst_groups_change_covers_the_truth():
    """One group is worse before and after; people have effects of their own on both decisions."""
    generator = np.random.default_rng(3)
    hits = 0
    for seed in range(1000):
        groups, same = made_pairs(seed)
        own = generator.beta(2, 18, PEOPLE)  # mean 0.1
        dark = groups.columns[0].of == 0
        rates = own * np.where(dark, 1, 0.3), own * np.where(dark, 1.5, 0.3)
        by_pair = [(rate[groups.first] + rate[groups.second]) / 2 for rate in rates]
        drawn = generator.random(PAIRS)  # most pairs are decided alike before and after
        before, after = (result_like(drawn < rate, same) for rate in by_pair)
        change = compare_worst(before, after, groups)
        hits += change.low <= -0.05 <= change.high
    assert 930 <= hits <= 970


TEMPLATE: list[VerificationResult] = []


def result_like(wrong: np.ndarray, same: np.ndarray) -> VerificationResult:
    """Return a result with these decisions quickly; its other figures are another's."""
    if not TEMPLATE:
        TEMPLATE.append(result_of(np.zeros(PAIRS, bool), same))
    return dataclasses.replace(TEMPLATE[0], correct=~wrong)


def test_results_of_other_pairs_are_refused():
    groups, same = made_pairs(0)
    result = result_of(np.zeros(PAIRS, bool), same)
    fewer = PairGroups(groups.first[1:], groups.second[1:], groups.columns)
    for judge in (group_rates, worst_group):
        with pytest.raises(DataError, match="groups: found groups for 2399 pairs and a result on 2400; give both"):
            judge(result, fewer)
    with pytest.raises(DataError, match="measure it again"):
        group_rates(dataclasses.replace(result, is_same=None, distances=None, folds=None), groups)


def test_without_enough_pairs_in_any_group_there_is_no_worst_one():
    groups, same = made_pairs(0)
    lone = PairGroups(groups.first, groups.second, (Column("city", ("all",), np.full(PEOPLE, -1)),))
    assert without_rates(lone)
    assert not without_rates(groups)
    with pytest.raises(DataError, match="found no group with enough pairs; a rate takes 35 pairs, of 20 people"):
        worst_group(result_of(np.zeros(PAIRS, bool), same), lone)
