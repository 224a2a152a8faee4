"""Pairs of few people are judged by other people's pairs where there are some, and the interval counts people."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats

from finetune.errors import DataError
from finetune.verification import (
    ImagePairs,
    VerificationResult,
    bootstrap,
    measure,
    sampled,
)
from finetune.verification.protocols import K_FOLD
from finetune.verification.protocols.without_folds import accuracy_interval

GRID = np.arange(0, 4, 0.01)


def all_pairs(people: int, images: int, known: bool = True) -> ImagePairs:
    """Return all pairs of some people's images, without folds."""
    paths = [Path(f"{person}/{image}.png") for person in range(people) for image in range(images)]
    index1, index2 = np.array(list(itertools.combinations(range(len(paths)), 2))).T
    same = index1 // images == index2 // images
    names = tuple(map(str, paths))
    return ImagePairs(tuple(paths), index1, index2, same, 1, people=None if known else ("",) * len(paths), names=names)


def embedded(pairs: ImagePairs, seed: int, spread: float = 0.8) -> np.ndarray:
    generator = np.random.default_rng(seed)
    centers = {name: generator.normal(size=8) for name in sorted({path.parent.name for path in pairs.paths})}
    rows = np.array([centers[path.parent.name] + generator.normal(0, spread, 8) for path in pairs.paths])
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def result_of(pairs: ImagePairs, seed: int = 0, **settings) -> VerificationResult:
    return measure(lambda paths, *, flip: embedded(pairs, seed), pairs, **settings)


@settings(max_examples=12)
@given(people=st.integers(4, 7), images=st.integers(2, 3), seed=st.integers(0, 99))
def test_each_pair_has_a_threshold_from_pairs_that_share_nobody_with_it(people, images, seed):
    pairs = all_pairs(people, images)
    result = result_of(pairs, seed)
    rows = embedded(pairs, seed).astype(np.float64)
    distances = ((rows[pairs.index1] - rows[pairs.index2]) ** 2).sum(axis=1)
    who = np.array([int(path.parent.name) for path in pairs.paths])
    correct = []
    for i, j, same, distance in zip(pairs.index1, pairs.index2, pairs.is_same, distances, strict=True):
        others = ~np.isin(who[pairs.index1], [who[i], who[j]]) & ~np.isin(who[pairs.index2], [who[i], who[j]])
        decided = distances[others] < GRID[:, None]
        right = (decided == pairs.is_same[others]).sum(axis=1)
        correct.append((distance < GRID[int(np.argmax(right))]) == same)
    assert result.correct.tolist() == correct
    assert result.accuracy == np.mean(correct)
    assert (result.n_folds, result.accuracy_std, result.protocol["name"]) == (1, 0, "without_folds, by person")


NOT_NAMED = "people whom the pairs do not name"


@pytest.mark.parametrize(("people", "known", "who"), [(3, True, "3 people"), (9, False, NOT_NAMED)])
def test_without_other_people_the_best_threshold_is_taken_and_said_to_flatter(people, known, who):
    pairs = all_pairs(people, 2, known=known)
    result = result_of(pairs)
    assert result.accuracy == max(((result.distances < t) == result.is_same).mean() for t in GRID)
    assert result.notes[0] == (
        f"{who} and {len(pairs.is_same)} pairs are too few for ten folds, and for leaving people out: the threshold is "
        "the best one for these same pairs, which flatters it"
    )
    assert (result.accuracy_interval.of, result.accuracy_interval.n) == (
        ("people", 3) if known else ("pairs", len(pairs.is_same))
    )


def test_the_share_of_the_more_frequent_kind_is_told():
    assert any(
        note == "135 of 153 pairs are of two people: saying so of every pair has an accuracy of 0.8824"
        for note in result_of(all_pairs(6, 3)).notes
    )


def test_the_interval_is_wilsons_with_one_trial_per_person():
    result = result_of(all_pairs(6, 3))
    for right in range(7):
        pairs = all_pairs(6, 2)
        interval = accuracy_interval(right / 6, pairs)
        expected = stats.binomtest(right, 6).proportion_ci(0.95, "wilson")
        assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    low, high, n, of = result.accuracy_interval
    assert low < result.accuracy < high
    assert (n, of) == (6, "people")
    assert result.lines()[4] == f"Interval of the accuracy (95 %, 6 people): {low:.3f} to {high:.3f}"


def test_the_interval_survives_json_and_other_results_have_none():
    result = result_of(all_pairs(6, 3))
    stored = json.loads(json.dumps(result.to_json()))
    assert VerificationResult.from_json(stored) == result
    assert VerificationResult.from_json(stored).accuracy_interval == result.accuracy_interval
    stored.pop("accuracy_interval")
    assert VerificationResult.from_json(stored).accuracy_interval is None


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
@pytest.mark.parametrize("subtract_mean", [False, True])
def test_every_distance_is_measured(distance, subtract_mean):
    result = result_of(all_pairs(6, 3), distance=distance, subtract_mean=subtract_mean)
    assert 0.5 < result.accuracy <= 1
    assert (result.distance, result.subtract_mean) == (distance, subtract_mean)


def test_people_trained_on_are_left_out_like_elsewhere():
    pairs = all_pairs(7, 3)
    result = result_of(pairs, trained=("0", "someone"))
    rows = embedded(pairs, 0)
    of_zero = np.array([path.parent.name == "0" for path in pairs.paths])
    others = pairs.only(~of_zero[pairs.index1] & ~of_zero[pairs.index2])
    assert result.overlap.identities == ("0",)
    assert result.without_overlap.accuracy == measure(lambda paths, *, flip: rows, others).accuracy


def test_figures_without_folds_can_be_resampled_and_sampled():
    before, after = result_of(all_pairs(6, 3), 0), result_of(all_pairs(6, 3), 1)
    for metric in ("val", "auc"):
        assert np.isfinite(bootstrap(before, after, metric, resamples=20)).all()
    some = sampled(all_pairs(6, 3, known=False), 0.5)
    assert len(some.names) == len(some.people) == len(some.paths)
    assert some.n_folds == 1


def test_one_kind_of_pair_is_refused_before_anything_is_embedded():
    pairs = all_pairs(6, 3)
    alone = pairs.only(pairs.is_same)
    (problem,) = K_FOLD.needs(alone, "pairs.csv", distance="euclidean", subtract_mean=False)
    assert str(problem) == "pairs.csv: found 18 pairs of one person and 0 of two; give both"
    with pytest.raises(DataError, match="found 18 pairs of one person and 0 of two; give both"):
        result_of(alone)
