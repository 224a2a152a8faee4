"""The paired bootstrap uses the protocol's statistic, and its interval covers."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from finetune.errors import DataError
from finetune.verification.comparison import compare, paired_interval
from finetune.verification.protocols.lfw import evaluate_pairs
from finetune.verification.resampling import _Distances, _strata, bootstrap


def result(seed, n=200, noise=0.5, n_folds=5):
    generator = np.random.default_rng(7)
    same = np.tile([True, False], n // 2)
    first = generator.normal(size=[n, 8])
    second = np.where(same[:, np.newaxis], first, generator.normal(size=[n, 8]))
    second = second + noise * np.random.default_rng(seed).normal(size=[n, 8])
    return evaluate_pairs(first, second, same, distance="cosine", n_folds=n_folds, far_target=0.05)


@pytest.mark.parametrize("metric", ["val", "auc"])
def test_with_each_pair_once_the_figure_is_that_of_the_protocol(metric):
    for seed in range(5):
        measured = result(seed)
        figure = _Distances(measured, metric).figure(np.ones(measured.n_pairs))
        # The rate is taken between two thresholds of the grid, where the protocol counts at one between them.
        assert figure == pytest.approx(getattr(measured, metric), abs=0.011 if metric == "val" else 1e-9)


@pytest.mark.parametrize("metric", ["val", "auc"])
def test_a_pair_that_counts_twice_is_a_pair_that_is_there_twice(metric):
    measured = result(1)
    weights = np.ones(measured.n_pairs)
    weights[::7] = 2
    rows = np.repeat(np.arange(measured.n_pairs), weights.astype(int))
    order = rows[np.argsort(measured.folds[rows], kind="stable")]
    twice = dataclasses.replace(
        measured,
        distances=measured.distances[order],
        is_same=measured.is_same[order],
        folds=measured.folds[order],
        n_pairs=len(order),
    )
    expected = _Distances(twice, metric).figure(np.ones(len(order)))
    assert _Distances(measured, metric).figure(weights) == pytest.approx(expected, abs=1e-12)


def test_each_fold_and_kind_is_drawn_by_itself():
    measured = result(1)
    strata = _strata(measured)
    assert len(strata) == 10
    assert sorted(np.concatenate(strata).tolist()) == list(range(200))
    for rows in strata:
        assert len(set(measured.folds[rows].tolist())) == len(set(measured.is_same[rows].tolist())) == 1


@pytest.mark.parametrize("metric", ["val", "auc"])
def test_a_result_does_not_differ_from_itself(metric):
    assert bootstrap(result(1), result(1), metric, resamples=50) == (0, 0, 0)


def test_the_same_seed_gives_the_same_interval_and_a_wide_one_holds_a_narrow_one():
    before, after = result(1), result(2, noise=0.4)
    assert bootstrap(before, after, "val", resamples=100) == bootstrap(before, after, "val", resamples=100)
    wide, narrow = (bootstrap(before, after, "auc", confidence=c, resamples=200) for c in (0.99, 0.5))
    assert wide.low <= narrow.low <= narrow.high <= wide.high


def test_a_clear_difference_is_seen_and_noise_alone_is_not():
    better = bootstrap(result(1, noise=1.0), result(1, noise=0.2), "auc", resamples=200)
    assert better.low > 0
    inside = sum(
        interval.low <= 0 <= interval.high
        for seed in range(20)
        for interval in [bootstrap(result(2 * seed), result(2 * seed + 1), "auc", resamples=100)]
    )
    assert inside >= 16  # of 20, at 95 %


def test_results_that_cannot_be_compared_are_refused():
    with pytest.raises(DataError, match="different pairs"):
        bootstrap(result(1), result(1, n=100), "val")
    old = dataclasses.replace(result(1), distances=None)
    with pytest.raises(DataError, match="without its distances; measure it again"):
        bootstrap(old, result(1), "val")


def test_the_interval_of_decisions_is_that_of_the_comparison():
    before, after = result(1), result(2)
    paired, compared = paired_interval(before.correct, after.correct), compare(before, after)
    assert paired[1:] == (compared.low, compared.high, compared.gained, compared.lost, compared.p_value)
    assert paired.difference == pytest.approx(compared.accuracy)


def test_the_interval_is_the_middle_of_the_resampled_differences():
    before, after = result(1), result(2, noise=0.4)
    generator, differences = np.random.default_rng(3), []
    for _ in range(200):
        weights = np.zeros(before.n_pairs)
        for fold in range(before.n_folds):
            for kind in (True, False):
                rows = np.flatnonzero((before.folds == fold) & (before.is_same == kind))
                np.add.at(weights, rows[generator.integers(len(rows), size=len(rows))], 1)
        differences.append(_Distances(after, "auc").figure(weights) - _Distances(before, "auc").figure(weights))
    found = bootstrap(before, after, "auc", confidence=0.9, resamples=200, seed=3)
    assert found[1:] == pytest.approx(np.percentile(differences, [5, 95]))
    assert found.difference == pytest.approx(after.auc - before.auc)
    usual = bootstrap(before, after, "auc", resamples=200, seed=3)
    assert usual[1:] == pytest.approx(np.percentile(differences, [2.5, 97.5]))
    assert bootstrap(before, after, "auc", resamples=200, seed=4) != usual


def test_a_fold_has_no_say_in_its_own_threshold():
    """Use two folds with pairs of two people at 0.9 and at 0.3. With its own threshold a fold's rate would differ."""
    same = np.tile([True, False], 8)
    folds = np.repeat([0, 1], 8)
    distances = np.where(same, 0.5, np.where(folds == 0, 0.9, 0.3)).astype(np.float32)
    measured = dataclasses.replace(
        result(1), distances=distances, is_same=same, folds=folds, n_pairs=16, n_folds=2, far_target=0.5
    )
    assert _Distances(measured, "val").figure(np.ones(16)) == pytest.approx(0.5)  # none of fold 0, all of fold 1
