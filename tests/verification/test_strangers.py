"""Pairs among strangers have as many of each kind, in folds that share nobody if there are enough people."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from finetune.errors import DataError
from finetune.verification.comparison import compare
from finetune.verification.strangers import MOST, draw, measure_strangers


@settings(max_examples=60)
@given(st.lists(st.integers(2, 9), min_size=4, max_size=30), st.integers(0, 2**31 - 1))
def test_pairs_are_right_and_half_of_them_are_of_one_person(counts, seed):
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    pairs = draw(labels, seed)
    assert (labels[pairs.index1] == labels[pairs.index2]).tolist() == pairs.is_same.tolist()
    assert (pairs.index1 != pairs.index2).all()
    assert pairs.is_same.sum() * 2 == len(pairs.is_same) <= 2 * MOST
    named = {tuple(sorted(pair)) for pair in zip(pairs.index1.tolist(), pairs.index2.tolist(), strict=True)}
    assert len(named) == len(pairs.is_same)
    folds = np.array_split(np.arange(len(pairs.is_same)), pairs.n_folds)
    people = [set(labels[pairs.index1[fold]]) | set(labels[pairs.index2[fold]]) for fold in folds]
    assert sum(map(len, people)) == len(set().union(*people))


@settings(max_examples=20)
@given(st.integers(4, 12), st.integers(2, 6), st.integers(0, 1000))
def test_figures_can_be_had_and_compared(people, images, seed):
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(people), images)
    rows = generator.normal(size=[people, 8])[labels] + 0.3 * generator.normal(size=[len(labels), 8])
    pairs = draw(labels, seed)
    result = measure_strangers(rows.astype(np.float32), pairs)
    again = measure_strangers(rows.astype(np.float32) + 0.1, pairs)
    assert result.n_pairs == len(pairs.is_same)
    assert compare(result, again).accuracy == pytest.approx(again.accuracy - result.accuracy)


@pytest.mark.parametrize("counts", [[3, 3], [4, 2], [5, 1, 1]])
def test_of_two_or_three_people_the_folds_share_them_and_it_is_said(counts):
    labels = np.repeat(np.arange(len(counts)), counts)
    pairs = draw(labels, 1)
    assert any("too few strangers for folds" in note for note in pairs.notes)
    rows = np.random.default_rng(0).normal(size=[len(labels), 4]).astype(np.float32)
    assert 0 <= measure_strangers(rows, pairs).accuracy <= 1


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ([5], "found 1 person, 1 with two images or more"),
        ([1, 1, 1], "found 3 people, 0 with two"),
        ([2, 1], "only 2 pairs could be drawn of 2 people"),
    ],
)
def test_too_few_are_refused(counts, message):
    with pytest.raises(DataError, match=message):
        draw(np.repeat(np.arange(len(counts)), counts), 1)


def test_few_pairs_are_said_to_be_uncertain():
    assert "only" in draw(np.repeat(np.arange(6), 3), 1).notes[0]
    assert draw(np.repeat(np.arange(400), 3), 1).notes == ()
