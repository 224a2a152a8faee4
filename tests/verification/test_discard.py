"""Error rates of pairs after those of the lowest quality are discarded."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

from finetune.errors import DataError
from finetune.recipe import LFW
from finetune.verification.discard import DISCARD_FMR, DISCARDED, discard_curve
from finetune.verification.pairs import ImagePairs
from finetune.verification.sets import PairSet, measure_sets

IMAGES = 160


def drawn_pairs(seed: int, same: int = 200, different: int = 300) -> ImagePairs:
    """Draw pairs of images, in folds that have as many pairs of one person."""
    draw = np.random.default_rng(seed)
    n = same + different
    first = draw.integers(0, IMAGES, n)
    second = (first + draw.integers(1, IMAGES, n)) % IMAGES
    is_same = np.tile(np.repeat([True, False], [same // 2, different // 2]), 2)
    paths = tuple(Path(f"{number}.png") for number in range(IMAGES))
    return ImagePairs(paths, first, second, is_same, n_folds=2)


def result_of(pairs: ImagePairs, seed: int):
    """Return the result of drawn embeddings."""
    rows = np.random.default_rng(seed).normal(size=(IMAGES, 6)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    one = PairSet("lfw", LFW(dir="faces", pairs="pairs.txt"), pairs)
    return measure_sets(lambda paths, *, flip: rows, [one])["lfw"]


@given(st.integers(0, 1000), st.sampled_from([(0.0,), DISCARDED, (0.5, 0.03), (0.999,)]))
def test_each_rate_is_that_of_the_pairs_that_are_left(seed: int, shares: tuple[float, ...]):
    pairs = drawn_pairs(seed)
    result = result_of(pairs, seed)
    scores = np.random.default_rng(seed + 1).integers(0, 50, IMAGES) / 50
    curve = discard_curve(result, pairs, scores, shares)
    assert [point.share for point in curve.points] == sorted({0, *shares})
    quality = [min(scores[a], scores[b]) for a, b in zip(pairs.index1, pairs.index2, strict=True)]
    worst_first = sorted(range(len(quality)), key=lambda row: (quality[row], row))
    for point in curve.points:
        kept = worst_first[math.floor(point.share * len(quality) + 1e-9) :]
        different = sorted(result.distances[row] for row in kept if not pairs.is_same[row])
        same = [result.distances[row] for row in kept if pairs.is_same[row]]
        assert (point.n_pairs, point.n_same, point.score) == (len(kept), len(same), min(quality[row] for row in kept))
        if same:
            assert point.fnmr == pytest.approx(np.mean([d >= curve.threshold for d in same]))
            assert point.low - 1e-9 <= point.fnmr <= point.high + 1e-9
        if different:
            assert point.fmr == pytest.approx(np.mean([d < curve.threshold for d in different]))
        place = DISCARD_FMR * (len(different) + 1)  # of the threshold among the distances, from 1
        if place < 1 or not same:
            assert point.fnmr_anew is None
        else:
            k = math.floor(place + 1e-9)
            anew = different[k - 1] + (place - k) * (different[k] - different[k - 1])
            assert point.fnmr_anew == pytest.approx(np.mean([d >= anew - 1e-7 for d in same]), abs=0.011)


def test_without_a_discard_both_thresholds_are_one():
    pairs = drawn_pairs(1)
    point = discard_curve(result_of(pairs, 1), pairs, np.ones(IMAGES), ()).points[0]
    assert (point.share, point.fnmr) == (0, point.fnmr_anew)
    assert point.fmr == pytest.approx(DISCARD_FMR, abs=1 / 300)


def test_a_quality_that_tells_which_pairs_err_lowers_the_rate_to_nothing():
    pairs = drawn_pairs(2)
    result = result_of(pairs, 2)
    wrong = np.flatnonzero(pairs.is_same & (result.distances > np.median(result.distances)))
    scores = np.ones(IMAGES)
    scores[np.concatenate([pairs.index1[wrong[:5]], pairs.index2[wrong[:5]]])] = 0
    first, second = discard_curve(result, pairs, scores, (0.3,)).points
    assert second.score == 1
    assert second.n_pairs < first.n_pairs


def test_the_json_has_every_rate():
    pairs = drawn_pairs(3)
    told = json.loads(json.dumps(discard_curve(result_of(pairs, 3), pairs, np.ones(IMAGES)).to_json()))
    assert told["fmr"] == DISCARD_FMR
    assert [point["share"] for point in told["points"]] == list(DISCARDED)
    assert {"n_pairs", "n_same", "score", "fnmr", "low", "high", "fmr", "fnmr_anew"} < set(told["points"][0])


def test_too_few_pairs_are_refused_in_one_line():
    pairs = drawn_pairs(4, same=20, different=98)
    with pytest.raises(DataError) as caught:
        discard_curve(result_of(pairs, 4), pairs, np.ones(IMAGES))
    assert str(caught.value) == (
        "--discard: found 20 pairs of one person and 98 of two people; "
        "an FMR of 0.01 takes 99 pairs of two people, and one of one"
    )
