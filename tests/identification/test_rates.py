"""Open-set identification equals results by hand and by brute force, and keeps its invariants."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from finetune.errors import DataError
from finetune.identification import search
from finetune.identification.rates import OpenSet, open_set, unit_class_means


def unit(rows):
    rows = np.asarray(rows, np.float64)
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def drawn(seed, people=5, probes=30, strangers=40):
    generator = np.random.default_rng(seed)
    centers = generator.normal(size=[people, 6])
    labels = np.repeat(np.arange(people), 3)
    probe_labels = generator.integers(0, people, probes)
    gallery = unit(centers[labels] + 0.7 * generator.normal(size=[len(labels), 6]))
    return (
        gallery,
        labels,
        unit(centers[probe_labels] + generator.normal(size=[probes, 6])),
        probe_labels,
        unit(generator.normal(size=[strangers, 6])),
    )


def test_an_example_by_hand():
    gallery = unit([[1, 0, 0], [0, 1, 0]])
    probes = unit([[1, 0.1, 0], [0.1, 1, 0], [0.2, 1, 0.9], [1, 0.9, 0.9]])  # the last is of 1, and named 0
    strangers = unit([[0, 0.8, 0.6], [1, 0, 3], [0, 0, 1], [0, 1, 3]])  # scores 0.8, 0.32, 0, 0.32
    result = open_set(gallery, np.array([0, 1]), probes, np.array([0, 1, 1, 1]), strangers, far=0.25)
    assert result.threshold == pytest.approx(1 / np.sqrt(10))
    assert (result.rank1, result.dir, result.far) == (0.75, 0.75, 0.25)
    strict = open_set(gallery, np.array([0, 1]), probes, np.array([0, 1, 1, 1]), strangers, far=0.01)
    assert strict.threshold == pytest.approx(0.8)
    assert (strict.dir, strict.far) == (0.5, 0.0)
    assert "4 strangers can't show a FAR of 0.01" in strict.notes[0]


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.01, 0.1, 0.5]), st.sampled_from([1, 7, 2**14]))
def test_it_equals_brute_force_in_blocks_of_any_size(seed, far, block):
    gallery, labels, probes, probe_labels, strangers = drawn(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "ROWS", block)
        patch.setattr(search, "PROBES", block)
        result = open_set(gallery, labels, probes, probe_labels, strangers, far)
    means = [unit(gallery[labels == person].mean(0)) for person in range(5)]
    false = sorted((max(float(row @ mean) for mean in means) for row in strangers), reverse=True)
    bound = false[int(far * len(strangers) + 1e-9)]
    named = [int(np.argmax([row @ mean for mean in means])) for row in probes]
    best = [max(float(row @ mean) for mean in means) for row in probes]
    right = [name == label for name, label in zip(named, probe_labels, strict=True)]
    assert result.correct.tolist() == right
    assert result.threshold == pytest.approx(bound)
    assert result.dir == pytest.approx(
        np.mean([ok and score > bound + 1e-12 for ok, score in zip(right, best, strict=True)])
    )
    assert result.far <= far


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_more_false_accepts_name_no_fewer_and_the_order_of_images_does_not_count(seed):
    gallery, labels, probes, probe_labels, strangers = drawn(seed)
    results = [open_set(gallery, labels, probes, probe_labels, strangers, far) for far in (0, 0.1, 0.3, 0.9)]
    rates = [result.dir for result in results]
    assert rates == sorted(rates)
    assert rates[-1] <= results[0].rank1
    generator = np.random.default_rng(seed)
    g, p, s = (generator.permutation(len(part)) for part in (gallery, probes, strangers))
    moved = open_set(gallery[g], labels[g], probes[p], probe_labels[p], strangers[s], 0.1)
    assert (moved.dir, moved.rank1) == (results[1].dir, results[1].rank1)


def test_a_mean_has_unit_length_and_the_order_of_the_labels():
    rows = unit([[1, 0], [0, 1], [1, 1]])
    np.testing.assert_allclose(unit_class_means(rows, np.array([7, 7, 3])), unit([[1, 1], [1, 1]]))


def test_it_is_kept_and_read_back():
    result = open_set(*drawn(0))
    again = OpenSet.from_json(result.to_json())
    assert again.to_json() == result.to_json()
    assert again.correct.dtype == bool


@pytest.mark.parametrize("empty", ["probes", "strangers"])
def test_without_a_probe_or_a_stranger_it_is_refused(empty):
    gallery, labels, probes, probe_labels, strangers = drawn(0)
    if empty == "probes":
        probes, probe_labels = probes[:0], probe_labels[:0]
    else:
        strangers = strangers[:0]
    with pytest.raises(DataError, match="give one of each"):
        open_set(gallery, labels, probes, probe_labels, strangers)


def test_a_score_at_the_threshold_itself_is_not_accepted():
    gallery, tied = np.array([[1.0, 0.0]]), np.array([[0.6, 0.8]])
    result = open_set(gallery, np.array([0]), np.vstack([gallery, tied]), np.array([0, 0]), tied, far=0.01)
    assert result.threshold == pytest.approx(0.6)
    assert (result.dir, result.rank1, result.far) == (0.5, 1.0, 0.0)
