"""The protocol equals a slow one written from its definition, and solves cases solved by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from finetune.errors import DataError
from finetune.verification.protocols.lfw import evaluate_pairs
from finetune.verification.result import VerificationResult

FIGURES = ("accuracy", "accuracy_std", "val", "val_std", "far", "auc", "eer", "threshold")


def faces(
    seed: int, n: int = 60, size: int = 8, noise: float = 0.6, groups: int = 6
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw unit rows of n pairs, alternately `n // groups // 2` of one person and as many of two."""
    rng = np.random.default_rng(seed)
    same = np.arange(n) * groups * 2 // n % 2 == 0
    first, other = rng.normal(size=(2, n, size)) + 0.5
    second = np.where(same[:, None], first, other) + noise * rng.normal(size=(n, size))
    return unit(first), unit(second), same


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def slow_protocol(first, second, same, *, cosine, subtract_mean, n_folds, far_target, keep=None):
    """Compute the published protocol fold by fold, at every threshold, on the pairs that are kept in their folds."""
    n = len(same)
    keep = np.ones(n, bool) if keep is None else keep
    sizes = [n // n_folds + (k < n % n_folds) for k in range(n_folds)]
    accuracies, vals, fars, best, decisions = [], [], [], [], []
    tpr, fpr = np.zeros((n_folds, 400)), np.zeros((n_folds, 400))
    for k in range(n_folds):
        test = np.zeros(n, bool)
        test[sum(sizes[:k]) : sum(sizes[: k + 1])] = True
        train, test = ~test & keep, test & keep
        mean = np.concatenate([first[train], second[train]]).mean(axis=0) if subtract_mean else 0
        pairs = list(zip(first - mean, second - mean, strict=True))
        if cosine:
            distance = np.array(
                [np.arccos(min(1, x @ y / np.linalg.norm(x) / np.linalg.norm(y))) / np.pi for x, y in pairs]
            )
        else:
            distance = np.array([sum((x - y) ** 2) for x, y in pairs])
        coarse = np.arange(0, 4, 0.01)
        scores = ((distance[train] < coarse[:, None]) == same[train]).mean(axis=1)
        best.append(coarse[int(np.argmax(scores))])
        decisions.extend((distance[test] < best[-1]) == same[test])
        accuracies.append(np.mean((distance[test] < best[-1]) == same[test]))
        tpr[k] = (distance[test & same] < coarse[:, None]).mean(axis=1)
        fpr[k] = (distance[test & ~same] < coarse[:, None]).mean(axis=1)
        grid = np.arange(0, 4, 0.001)
        rates = (distance[train & ~same] < grid[:, None]).mean(axis=1)
        threshold = np.interp(far_target, rates, grid) if max(rates) >= far_target else 0
        vals.append(np.mean(distance[test & same] < threshold))
        fars.append(np.mean(distance[test & ~same] < threshold))
    x, y = fpr.mean(axis=0), tpr.mean(axis=0)
    return {
        "accuracy": np.mean(accuracies),
        "accuracy_std": np.std(accuracies),
        "val": np.mean(vals),
        "val_std": np.std(vals),
        "far": np.mean(fars),
        "auc": sum((x[i + 1] - x[i]) * (y[i] + y[i + 1]) / 2 for i in range(399)),
        "eer": crossing(x, y),
        "threshold": np.mean(best),
        "fold_accuracy": tuple(accuracies),
        "correct": decisions,
    }


def crossing(x, y):
    """Find where 1 - x meets the curve, by bisection. Return None if the curve ends before."""
    if x[-1] + y[-1] < 1:
        return None
    low, high = 0.0, x[-1]
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if np.interp(middle, x, y) < 1 - middle else (low, middle)
    return high


@settings(max_examples=25)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(40, 75),
    noise=st.floats(0.05, 2),
    scale=st.sampled_from([1.0, 1.4]),
    cosine=st.booleans(),
    subtract_mean=st.booleans(),
    n_folds=st.integers(2, 5),
    far_target=st.sampled_from([1e-3, 0.05, 0.3, 1.0]),
)
def test_every_figure_is_that_of_the_protocol_done_slowly(
    seed, n, noise, scale, cosine, subtract_mean, n_folds, far_target
):
    first, second, same = faces(seed, n, noise=noise)
    first, second = scale * first, scale * second  # 1.4 takes squared distances past the last threshold
    expected = slow_protocol(
        first, second, same, cosine=cosine, subtract_mean=subtract_mean, n_folds=n_folds, far_target=far_target
    )
    result = evaluate_pairs(
        first,
        second,
        same,
        distance="cosine" if cosine else "euclidean",
        subtract_mean=subtract_mean,
        n_folds=n_folds,
        far_target=far_target,
    )
    for figure in FIGURES:
        assert getattr(result, figure) == pytest.approx(expected[figure], abs=1e-9), figure
    assert result.fold_accuracy == pytest.approx(expected["fold_accuracy"], abs=1e-12)
    assert result.correct.tolist() == expected["correct"]


@settings(max_examples=15)
@given(
    seed=st.integers(0, 10**6),
    share=st.floats(0.3, 1),
    cosine=st.booleans(),
    subtract_mean=st.booleans(),
    far_target=st.sampled_from([1e-3, 0.3]),
)
def test_pairs_that_are_kept_are_judged_in_their_own_folds_by_each_other(
    seed, share, cosine, subtract_mean, far_target
):
    first, second, same = faces(seed, 70, groups=35)
    keep = np.random.default_rng(seed).random(70) < share
    keep[np.arange(0, 70, 14)[:, None] + [0, 1]] = True  # one pair of each kind in each of five folds
    options = {"subtract_mean": subtract_mean, "n_folds": 5, "far_target": far_target}
    expected = slow_protocol(first, second, same, cosine=cosine, keep=keep, **options)
    distance = "cosine" if cosine else "euclidean"
    result = evaluate_pairs(first, second, same, distance=distance, keep=keep, **options)
    for figure in FIGURES:
        assert getattr(result, figure) == pytest.approx(expected[figure], abs=1e-9), figure
    assert result.fold_accuracy == pytest.approx(expected["fold_accuracy"], abs=1e-12)
    assert result.correct.tolist() == expected["correct"]
    assert (result.n_pairs, result.n_same, result.n_folds) == (keep.sum(), (same & keep).sum(), 5)


def test_pairs_that_are_not_kept_have_no_say():
    first, second, same = faces(6)
    keep = np.arange(60) % 5 != 3
    options = {"distance": "cosine", "subtract_mean": True, "n_folds": 3}
    before = evaluate_pairs(first, second, same, keep=keep, **options)
    spoiled = np.where(keep[:, None], first, 40)
    assert evaluate_pairs(spoiled, second, same, keep=keep, **options) == before
    assert evaluate_pairs(spoiled, second, same, **options) != evaluate_pairs(first, second, same, **options)


def test_keeping_all_pairs_changes_no_bit():
    first, second, same = faces(8)
    for options in ({}, {"distance": "cosine", "subtract_mean": True}):
        all_kept = evaluate_pairs(first, second, same, n_folds=3, keep=np.ones(60, bool), **options)
        assert all_kept == evaluate_pairs(first, second, same, n_folds=3, **options)


def test_a_fold_that_keeps_no_pair_of_a_kind_is_said_with_what_is_left():
    first, second, same = faces(8, n=60, groups=12)
    keep = np.ones(60, bool)
    keep[:10] = False  # all of the first of six folds
    keep[10:20] = same[10:20]  # one kind of the second
    n_same, n_different = (same & keep).sum(), (~same & keep).sum()
    with pytest.raises(DataError) as raised:
        evaluate_pairs(first, second, same, n_folds=6, keep=keep)
    assert str(raised.value) == (
        f"pairs kept: found {n_same} of one person and {n_different} of two, and 2 of 6 folds without one of the "
        "kinds; keep more of each"
    )


def test_pairs_told_apart_perfectly_score_one_everywhere():
    same = np.tile([True, False], 20)
    first = np.tile([1.0, 0.0], (40, 1))
    second = np.where(same[:, None], [1.0, 0.0], [0.0, 1.0])
    result = evaluate_pairs(first, second, same)
    assert (result.accuracy, result.val, result.auc, result.eer) == (1, 1, 1, 0)
    assert result.threshold == pytest.approx(0.01)  # the first of the thresholds that are equally good
    assert result.correct.all()
    assert result.notes == ()


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
@pytest.mark.parametrize("subtract_mean", [False, True])
def test_rotating_all_embeddings_changes_nothing(distance, subtract_mean):
    first, second, same = faces(7)
    rotation, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(8, 8)))
    settings = {"distance": distance, "subtract_mean": subtract_mean}
    plain = evaluate_pairs(first, second, same, **settings)
    assert evaluate_pairs(first @ rotation, second @ rotation, same, **settings) == plain
    assert evaluate_pairs(second, first, same, **settings) == plain


def test_cosine_is_blind_to_the_length_of_an_embedding():
    first, second, same = faces(3)
    lengths = np.random.default_rng(1).uniform(0.1, 30, size=(len(same), 1))
    assert evaluate_pairs(lengths * first, second, same, distance="cosine") == evaluate_pairs(
        first, second, same, distance="cosine"
    )


def test_a_shared_offset_is_lost_with_the_mean():
    first, second, same = faces(4)
    centred = evaluate_pairs(first, second, same, distance="cosine", subtract_mean=True)
    moved = evaluate_pairs(first + 5, second + 5, same, distance="cosine", subtract_mean=True)
    assert moved.correct.tolist() == centred.correct.tolist()
    assert evaluate_pairs(first + 5, second + 5, same, distance="cosine").accuracy < centred.accuracy


def test_the_fold_judged_has_no_say_in_its_own_mean_and_threshold():
    first, second, same = faces(5, n=60, groups=12)
    before = evaluate_pairs(first, second, same, distance="cosine", subtract_mean=True, n_folds=6)
    spoiled = first.copy()
    spoiled[[0, 9]] = 40  # one of each kind, both in the first fold of ten pairs
    after = evaluate_pairs(spoiled, second, same, distance="cosine", subtract_mean=True, n_folds=6)
    assert after.correct[1:9].tolist() == before.correct[1:9].tolist()
    assert after.threshold != before.threshold


def test_an_embedding_with_itself_has_cosine_distance_zero_despite_rounding():
    rows = np.random.default_rng(0).normal(size=(400, 3))
    cosines = np.sum(unit(rows) * unit(rows), axis=1)
    assert cosines.max() > 1, "no rounding in this data"
    same = np.tile([True, False], 200)
    result = evaluate_pairs(unit(rows), np.where(same[:, None], unit(rows), -unit(rows)), same, distance="cosine")
    assert result.accuracy == 1


def at(distances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return embeddings of pairs with these squared distances."""
    return np.zeros((len(distances), 1)), np.sqrt(distances)[:, None]


def test_a_distance_equal_to_the_threshold_is_rejected():
    same = np.tile([True, False], 20)
    result = evaluate_pairs(*at(np.where(same, 0.245, 0.25)), same)
    assert result.threshold == 0.25
    assert result.accuracy == 1


def test_the_far_threshold_lies_between_the_steps_of_the_grid():
    # One in ten of the different pairs is accepted from 1.001 on, none at 1.000: a rate of 0.05 lies between.
    same = np.tile([True, False], 20)
    distances = np.where(same, np.tile([1.0004, 0, 1.0006, 0], 10), 3.0)
    distances[[1, 21]] = 1.0008
    result = evaluate_pairs(*at(distances), same, n_folds=2, far_target=0.05)
    assert (result.val, result.far) == (0.5, 0)


def test_where_no_threshold_reaches_the_far_target_nothing_is_accepted():
    same = np.tile([True, False], 20)
    result = evaluate_pairs(*at(np.where(same, 0.1, 5.0)), same)
    assert (result.val, result.far) == (0, 0)
    assert (result.accuracy, result.auc, result.eer) == (1, 0, 0)


def test_flipped_embeddings_leave_the_auc_truncated_and_the_eer_whole():
    first, second, same = faces(9, n=200, groups=100)
    single = evaluate_pairs(first, second, same)
    both = evaluate_pairs(np.hstack([first, first]), np.hstack([second, second]), same)
    covered = np.mean(2 * np.sum((first - second) ** 2, axis=1)[~same] < 3.99)
    assert 0.5 < covered < 1
    assert both.notes == (f"the AUC is truncated: the thresholds end at a false accept rate of {covered:.4f}",)
    assert both.auc < covered
    assert both.eer == pytest.approx(single.eer, abs=0.01)
    assert single.notes == ()


def test_no_eer_where_the_curve_ends_before_the_crossing():
    same = np.tile([True, False], 20)
    result = evaluate_pairs(*at(np.full(40, 5.0)), same)
    assert result.eer is None
    assert result.notes[-1] == "there is no EER: the thresholds end before false accepts and false rejects cross"
    assert result.lines()[-1] == "Equal Error Rate (EER): none within the thresholds"
    assert VerificationResult.from_json(result.to_json()) == result


def test_pairs_listed_one_kind_after_the_other_are_dealt_to_the_folds_by_kind():
    first, second, same = faces(11, n=80, groups=10)
    result = evaluate_pairs(first, second, same, n_folds=10)
    order = np.argsort(~same, kind="stable")
    sorted_by_kind = evaluate_pairs(first[order], second[order], same[order], n_folds=10)
    assert sorted_by_kind.fold_accuracy == result.fold_accuracy
    assert sorted_by_kind.correct.tolist() == result.correct[order].tolist()
    assert sorted_by_kind.notes[0].startswith("consecutive folds would lack a kind of pair")
    assert result.notes == ()


def test_float32_embeddings_are_compared_in_float64():
    first, second, same = faces(2)
    first, second = first.astype(np.float32), second.astype(np.float32)
    assert evaluate_pairs(first, second, same) == evaluate_pairs(
        first.astype(np.float64), second.astype(np.float64), same
    )


ROWS = np.ones((40, 4))
SAME = [True, False] * 20
NAN = np.where(np.arange(40)[:, None] % 20 == 7, np.nan, ROWS)


@pytest.mark.parametrize(
    ("arguments", "problems"),
    [
        (
            {"embeddings1": np.empty((0, 4)), "embeddings2": np.empty((0, 4)), "is_same": []},
            ["pairs: found 0 of one person and 0 of two; 10 folds need 10 of each, give more pairs or fewer folds"],
        ),
        (
            {"is_same": [True] * 40},
            ["pairs: found 40 of one person and 0 of two; 10 folds need 10 of each, give more pairs or fewer folds"],
        ),
        (
            {"n_folds": 21},
            ["pairs: found 20 of one person and 20 of two; 21 folds need 21 of each, give more pairs or fewer folds"],
        ),
        ({"n_folds": 1}, ["n_folds: found 1; give 2 or more"]),
        ({"far_target": 0}, ["far_target: found 0; give a rate above 0, at most 1"]),
        ({"distance": "manhattan"}, ["distance: found 'manhattan'; choose one of euclidean, cosine"]),
        (
            {"embeddings2": np.ones((40, 3)), "is_same": SAME[:39]},
            [
                "embeddings: found shapes (40, 4) and (40, 3); give both the same [n, E]",
                "is_same: found shape (39,) for 40 pairs; give one value for each pair",
            ],
        ),
        (
            {"embeddings1": NAN, "embeddings2": ["Ann"]},
            [
                "embeddings1: found NaN or infinity in 2 of 40 rows, the first in row 7; "
                "check the model that gave them",
                "embeddings2: found <U3 of shape (1,); give numbers of shape [n, E], one row for each pair",
            ],
        ),
        (
            {"is_same": [2, 0] * 20},
            ["is_same: found values that are not true or false; give True for a pair of one person"],
        ),
        (
            {"keep": [True] * 39},
            ["keep: found bool of shape (39,) for 40 pairs; give True or False for each"],
        ),
        (
            {"keep": SAME},
            [
                "pairs kept: found 20 of one person and 0 of two, and 10 of 10 folds without one of the "
                "kinds; keep more of each"
            ],
        ),
        (
            {"keep": [1] * 40},
            ["keep: found int64 of shape (40,) for 40 pairs; give True or False for each"],
        ),
        (
            {"embeddings1": 0 * ROWS, "distance": "cosine"},
            [
                "embeddings: found 40 pairs without a cosine distance, the first in row 0: "
                "one is zero or the mean, or too large; check the model that gave them"
            ],
        ),
        (
            {"distance": "cosine", "subtract_mean": True},
            [
                "embeddings: found 40 pairs without a cosine distance, the first in row 0: "
                "one is zero or the mean, or too large; check the model that gave them"
            ],
        ),
        (
            {"embeddings1": 1e200 * ROWS},
            [
                "embeddings: found 40 pairs without a euclidean distance, the first in row 0: "
                "one is zero or the mean, or too large; check the model that gave them"
            ],
        ),
    ],
)
def test_what_cannot_be_evaluated_is_said_in_full(arguments, problems):
    arguments = {"embeddings1": ROWS, "embeddings2": ROWS, "is_same": SAME, **arguments}
    with pytest.raises(DataError) as raised:
        evaluate_pairs(**arguments)
    assert list(map(str, raised.value.problems)) == problems


def test_a_distance_at_the_threshold_itself_is_another_person():
    """Use squared distances of exactly 0.25 and 1, which are thresholds. A pair must lie below one to be accepted."""
    first = np.zeros([40, 2])
    second = np.where(np.arange(40) % 2 == 0, 0.5, 1.0)[:, np.newaxis] * [1.0, 0.0]
    result = evaluate_pairs(first, second, np.arange(40) % 2 == 0, n_folds=4, far_target=1.0)
    assert result.threshold == pytest.approx(0.26)  # the first above 0.25, which accepts every pair of one person
    assert (result.accuracy, result.val, result.far) == (1.0, 1.0, 1.0)


def test_one_fold_without_a_kind_of_pair_is_enough_to_cut_the_kinds_by_themselves():
    first, second, _ = faces(5)
    same = np.arange(60) % 2 == 0
    same[20:40] = True
    same[:20] = np.arange(20) < 5
    result = evaluate_pairs(first, second, same, n_folds=3)
    assert result.notes[0].startswith("consecutive folds would lack a kind of pair")
    assert all(0 < same[result.folds == fold].sum() < (result.folds == fold).sum() for fold in range(3))
