"""A sample of the pairs is the same each time, stays within the folds, and is never taken for all of them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
from hypothesis import given, settings, strategies as st

from finetune.verification.measuring import measure
from finetune.verification.pairs import ImagePairs
from finetune.verification.result import VerificationResult
from finetune.verification.sampling import sampled


def pairs_of(is_same, n_folds):
    """Return pairs of their own images: pair i has images 2 i and 2 i + 1, in another order than that of the paths."""
    n = len(is_same)
    index = np.random.default_rng(1).permutation(2 * n).reshape(n, 2)
    paths = tuple(Path(f"P/P_{i:04d}.png") for i in range(2 * n))
    return ImagePairs(paths, index[:, 0], index[:, 1], np.array(is_same), n_folds)


def names(pairs):
    return [(pairs.paths[i].stem, pairs.paths[j].stem) for i, j in zip(pairs.index1, pairs.index2, strict=True)]


@settings(max_examples=50)
@given(st.integers(2, 10), st.integers(4, 40), st.integers(1, 99), st.booleans())
def test_a_sample_is_of_the_same_pairs_in_the_folds_that_they_had(n_folds, per_kind, percent, sorted_by_kind):
    fold = [True] * per_kind + [False] * per_kind
    is_same = sorted(fold * n_folds, reverse=True) if sorted_by_kind else fold * n_folds
    every, share = pairs_of(is_same, n_folds), percent / 100
    some = sampled(every, share)
    assert names(some) == names(sampled(every, share))
    size = max(2, round(share * 2 * per_kind))
    assert len(some.is_same) == len(set(names(some))) == n_folds * size
    assert some.sample_of == len(is_same)
    kinds = dict(zip(names(every), every.is_same.tolist(), strict=True))
    assert [kinds[name] for name in names(some)] == some.is_same.tolist()
    assert {path.stem for path in some.paths} == {name for pair in names(some) for name in pair}
    # The folds of all pairs by the protocol itself, and those of the sample.
    rows = np.random.default_rng(2).normal(size=[2 * len(is_same), 3])
    embed = lambda paths, flip: rows[[int(path.stem[2:]) for path in paths]]  # noqa: E731
    before, after = measure(embed, every), measure(embed, some)
    fold_of = dict(zip(names(every), before.folds.tolist(), strict=True))
    assert [fold_of[name] for name in names(some)] == after.folds.tolist()
    for number in range(n_folds):
        assert after.is_same[after.folds == number].sum() == min(max(1, round(size / 2)), size - 1)


def test_without_a_share_the_pairs_are_what_they_were():
    every = pairs_of([True, False] * 10, 2)
    assert sampled(every, None) is every


def test_a_sample_says_what_it_is_of_and_its_figures_are_not_called_lfws():
    some = sampled(pairs_of([True, False] * 100, 10), 0.2)
    rows = np.random.default_rng(0).normal(size=[200, 4])
    result = measure(lambda paths, flip: rows[: len(paths)], some)
    assert result.notes[0] == (
        "a sample of 40 of 200 pairs, drawn within the folds with seed 666; its figures are not those of all pairs"
    )
    assert (result.sample_of, result.of_what) == (200, "sample")
    stored = json.loads(json.dumps(result.to_json()))
    assert VerificationResult.from_json(stored) == result
    assert VerificationResult.from_json(stored).sample_of == 200
    whole = dataclasses.replace(result, sample_of=None)
    assert whole.of_what == "LFW"
    assert "sample_of" not in whole.to_json()  # a result of all pairs is stored as it always was


def test_each_fold_of_the_least_sample_has_both_kinds():
    some = sampled(pairs_of([True] * 19 + [False] + [True] * 19 + [False], 2), 0.001)
    assert some.is_same.tolist() == [True, False, True, False]


def test_pairs_stay_in_the_folds_that_their_file_gives_them():
    is_same = np.arange(40) % 2 == 0
    folds = np.arange(40) // 2 % 4
    paths = tuple(Path(f"person/{image}.png") for image in range(80))
    pairs = ImagePairs(paths, np.arange(40), np.arange(40, 80), is_same, 4, folds=folds)
    some = sampled(pairs, 0.5)
    assert len(some.folds) == len(some.is_same) == 20
    for row, fold in enumerate(some.folds):
        assert folds[int(some.paths[some.index1[row]].stem)] == fold
    assert [int((some.folds == fold).sum()) for fold in range(4)] == [5, 5, 5, 5]
