"""The draws of an epoch: triplets, people times images, and weights by class."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.stats import chisquare

from finetune.training.sampling import draws as sampling


@st.composite
def labelled(draw):
    counts = draw(st.lists(st.integers(1, 6), min_size=2, max_size=6))
    labels = np.repeat(np.arange(len(counts)), counts)
    return np.array(draw(st.permutations(labels.tolist())), np.int64)


seeds = st.integers(0, 2**32 - 1)


@settings(max_examples=60)
@given(labelled(), seeds, st.booleans())
def test_each_image_with_a_partner_is_an_anchor_once(labels, seed, banked):
    bank = np.random.default_rng(1).normal(size=[len(labels), 4]).astype(np.float32) if banked else None
    triplets = sampling.triplets(labels, np.random.default_rng(seed), bank, 3 if banked else 1)
    counts = Counter(labels.tolist())
    assert sorted(triplets[:, 0]) == [row for row in range(len(labels)) if counts[labels[row]] > 1]
    for anchor, positive, negative in triplets:
        assert labels[anchor] == labels[positive] != labels[negative]
        assert anchor != positive


@settings(max_examples=40)
@given(labelled(), seeds, st.integers(1, 4), st.sampled_from([1, 10, 2**22]))
def test_the_banks_negative_is_the_nearest_of_those_that_are_drawn(labels, seed, candidates, block):
    bank = np.random.default_rng(seed).normal(size=[len(labels), 5]).astype(np.float32)
    bank /= np.linalg.norm(bank, axis=1, keepdims=True)
    before = sampling.BLOCK
    try:
        sampling.BLOCK = block
        triplets = sampling.triplets(labels, np.random.default_rng(seed), bank, candidates)
    finally:
        sampling.BLOCK = before
    # The same draws once more, one by one.
    generator = np.random.default_rng(seed)
    counts = np.bincount(labels)
    anchors = generator.permutation(np.flatnonzero(counts[labels] > 1))
    generator.integers(1, counts[labels[anchors]])
    drawn = generator.integers(0, (len(labels) - counts[labels[anchors]])[:, np.newaxis], (len(anchors), candidates))
    for row, anchor in enumerate(anchors):
        others = [i for i in np.argsort(labels, kind="stable") if labels[i] != labels[anchor]]
        chosen = [others[place] for place in drawn[row]]
        similarities = [float(bank[anchor] @ bank[i]) for i in chosen]
        assert triplets[row, 0] == anchor
        assert bank[triplets[row, 2]] @ bank[anchor] == pytest.approx(max(similarities), abs=1e-6)


def test_with_many_candidates_the_negative_is_the_nearest_of_all():
    labels = np.repeat(np.arange(5), 4)
    bank = np.random.default_rng(0).normal(size=[20, 6]).astype(np.float32)
    for anchor, _, negative in sampling.triplets(labels, np.random.default_rng(1), bank, 2000):
        others = np.flatnonzero(labels != labels[anchor])
        assert negative == others[(bank[others] @ bank[anchor]).argmax()]


def test_positives_and_random_negatives_are_equally_likely():
    labels = np.array([0, 0, 0, 0, 1, 1, 2, 3, 3, 3])
    generator = np.random.default_rng(0)
    drawn = np.concatenate([sampling.triplets(labels, generator) for _ in range(4000)])
    of_first = drawn[drawn[:, 0] == 1]
    positives = Counter(of_first[:, 1].tolist())
    negatives = Counter(of_first[:, 2].tolist())
    assert set(positives) == {0, 2, 3}
    assert set(negatives) == set(range(4, 10))
    assert chisquare(list(positives.values())).pvalue > 1e-3
    assert chisquare(list(negatives.values())).pvalue > 1e-3


@settings(max_examples=60)
@given(labelled(), seeds, st.integers(2, 6), st.integers(2, 4))
def test_every_batch_has_so_many_different_people_with_so_many_images(labels, seed, people, images):
    people = min(people, len(set(labels.tolist())))
    order = sampling.people_times_images(labels, people, images, np.random.default_rng(seed))
    batches = order.reshape(-1, people, images)
    assert len(batches) == max(1, round(len(labels) / (people * images)))
    for batch in batches:
        assert (labels[batch] == labels[batch[:, :1]]).all()
        assert len(set(labels[batch[:, 0]].tolist())) == people
        for row in batch:
            assert len(set(row.tolist())) == min(images, int((labels == labels[row[0]]).sum()))


def test_people_and_their_images_come_in_turn():
    labels = np.repeat(np.arange(7), [4, 4, 4, 4, 4, 4, 40])
    order = sampling.people_times_images(labels, 3, 2, np.random.default_rng(2))
    people = Counter(labels[order].tolist())
    assert max(people.values()) - min(people.values()) <= 2  # a turn is of two images
    images = Counter(order[labels[order] == 0].tolist())
    assert max(images.values()) - min(images.values()) <= 1


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_people_are_drawn_in_proportion_to_the_power_of_their_number_of_images(power):
    labels = np.repeat(np.arange(4), [1, 4, 16, 64])
    generator = np.random.default_rng(0)
    drawn = np.bincount(np.concatenate([labels[sampling.weighted(labels, power, generator)] for _ in range(200)]))
    shares = np.array([1, 4, 16, 64]) ** power
    assert chisquare(drawn, drawn.sum() * shares / shares.sum()).pvalue > 1e-3


@given(labelled(), seeds)
def test_the_same_generator_draws_the_same(labels, seed):
    for draw in (
        lambda generator: sampling.triplets(labels, generator),
        lambda generator: sampling.people_times_images(labels, 2, 2, generator),
        lambda generator: sampling.weighted(labels, 0.5, generator),
    ):
        first, second = (draw(np.random.default_rng(seed)) for _ in range(2))
        assert (first == second).all()


def taken(n: int, count: int, number: int, seed: int) -> np.ndarray:
    """Return what an epoch takes in turn of n items, the numbers from 100 on."""
    items = np.arange(100, 100 + n)
    epoch = np.random.default_rng([seed, 1, number])
    return sampling.in_turn(items, count, number, epoch, lambda turn: np.random.default_rng([seed, 0, turn]))


@given(st.integers(1, 40), st.integers(1, 100), seeds)
def test_every_round_of_epochs_takes_each_item_and_no_epoch_takes_one_more_often_than_it_must(n, count, seed):
    epochs = -(-n // (count % n)) if count % n else 1
    for turn in range(3):
        drawn = [taken(n, count, turn * epochs + place + 1, seed) for place in range(epochs)]
        assert {len(order) for order in drawn} == {count}
        assert set(np.concatenate(drawn).tolist()) == set(range(100, 100 + n))
        for order in drawn:
            times = np.bincount(order - 100, minlength=n)
            assert times.max() == -(-count // n)
            assert times.min() == count // n


def test_each_round_has_parts_of_its_own_in_a_random_order():
    first, second = (set(taken(100, 50, number, 3).tolist()) for number in (1, 3))
    assert 15 <= len(first & second) <= 35  # of 50, where 25 are expected
    assert taken(100, 50, 1, 3).tolist() != sorted(taken(100, 50, 1, 3))
    assert first.isdisjoint(taken(100, 50, 2, 3))
    assert taken(0, 0, 1, 3).tolist() == []


@settings(max_examples=40)
@given(labelled(), seeds, st.integers(1, 9))
def test_a_number_of_draws_limits_each_kind(labels, seed, n):
    generator = np.random.default_rng(seed)
    assert len(sampling.weighted(labels, 0.0, generator, n)) == n
    assert len(sampling.people_times_images(labels, 2, 2, generator, n)) == 4 * n
    anchors = sampling.anchors_of(labels)[:n]
    np.testing.assert_array_equal(sampling.triplets(labels, generator, anchors=anchors)[:, 0], anchors)
