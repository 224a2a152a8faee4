"""Curves of error rates equal a count at every threshold and scikit-learn's, ties included."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from sklearn.metrics import det_curve, roc_auc_score, roc_curve

from finetune.errors import DataError
from finetune.identification import error_curves
from finetune.identification.error_curves import error_curve, verification_errors
from finetune.verification import wilson
from finetune.verification.protocols import area, evaluate_pairs

SCORES = st.lists(st.integers(0, 9), min_size=1, max_size=15)


@settings(max_examples=1000)
@given(SCORES, SCORES)
def test_it_equals_brute_force(genuine, impostors):
    curve = error_curve(genuine, impostors)
    for threshold, positive, negative in zip(curve.thresholds, curve.positives, curve.negatives, strict=True):
        assert positive == sum(score > threshold for score in impostors) / len(impostors)
        assert negative == pytest.approx(sum(score <= threshold for score in genuine) / len(genuine), abs=1e-12)


@settings(max_examples=100)
@given(SCORES, SCORES)
def test_it_equals_scikit_learn(genuine, impostors):
    curve = error_curve(genuine, impostors)
    labels = [1] * len(genuine) + [0] * len(impostors)
    fpr, tpr, _ = roc_curve(labels, genuine + impostors, drop_intermediate=False)
    np.testing.assert_allclose(curve.positives, fpr, atol=1e-12)
    np.testing.assert_allclose(1 - curve.negatives, tpr, atol=1e-12)
    assert curve.auc == pytest.approx(roc_auc_score(labels, genuine + impostors))
    of_sklearn = set(zip(*np.round(det_curve(labels, genuine + impostors)[:2], 9), strict=True))
    assert of_sklearn <= set(zip(np.round(curve.positives, 9), np.round(curve.negatives, 9), strict=True))


def test_a_score_of_minus_infinity_is_never_accepted():
    curve = error_curve([0.9, -math.inf], [0.5, 0.1])
    assert curve.negatives.tolist() == [1.0, 0.5, 0.5, 0.5]
    assert curve.positives.tolist() == [0.0, 0.0, 0.5, 1.0]
    assert (curve.eer, curve.auc) == (0.5, 0.5)
    stored = json.loads(json.dumps(curve.to_json("fpir", "fnir"), allow_nan=False))
    assert stored["thresholds"] == [0.9, 0.5, None]  # between the last two, the curve is straight
    assert (stored["fpir"], stored["fnir"]) == ([0.0, 0.0, 1.0], [1.0, 0.5, 0.5])
    assert error_curve([-math.inf], [0.5]).eer == 1


@settings(max_examples=200)
@given(SCORES, SCORES)
def test_the_corners_hold_the_whole_curve(genuine, impostors):
    curve = error_curve(genuine, impostors)
    kept = curve.corners()
    assert kept[0]
    assert kept[-1]
    points = np.stack([curve.positives, curve.negatives], axis=1)
    for place in np.flatnonzero(~kept):  # each point left out lies between the corners around it, on a straight line
        before, after = points[:place][kept[:place]][-1], points[place:][kept[place:]][0]
        assert (before == after).any()
        assert (before[0] <= points[place][0] <= after[0]) & (before[1] >= points[place][1] >= after[1])
    fpr, tpr = curve.positives[kept], 1 - curve.negatives[kept]
    assert area(fpr, tpr) == pytest.approx(curve.auc)


def test_a_verification_has_its_rates_in_the_words_of_iso():
    generator = np.random.default_rng(0)
    rows, same = generator.normal(size=[400, 4]), np.arange(200) % 2 == 0
    rows[1::2][same] = rows[::2][same] + 0.7 * generator.normal(size=[100, 4])
    result = evaluate_pairs(rows[::2], rows[1::2], same)
    errors = verification_errors(result)
    assert (errors["fmr"], errors["fnmr"], errors["fmr_target"]) == (result.far, 1 - result.val, 1e-3)
    det = errors["det"]
    for threshold, fmr, fnmr in list(zip(det["thresholds"], det["fmr"], det["fnmr"], strict=True))[:-1]:
        assert fmr == np.mean(result.distances[~same] < threshold)
        assert fnmr == pytest.approx(np.mean(result.distances[same] >= threshold))
    assert (det["thresholds"][-1], det["fmr"][-1], det["fnmr"][-1]) == (None, 1, 0)
    assert json.loads(json.dumps(errors, allow_nan=False)) == errors
    assert verification_errors(dataclasses.replace(result, distances=None)) is None


def test_each_point_has_its_interval_in_blocks_of_any_size(monkeypatch):
    generator = np.random.default_rng(0)
    genuine, impostors, people = generator.normal(1, 1, 60), generator.normal(0, 1, 90), np.arange(60) % 12
    curve = error_curve(genuine, impostors, people)
    np.testing.assert_allclose(curve.positive_intervals, wilson(curve.positives, 90), atol=1e-12)
    own = wilson(1 - curve.negatives, 60)
    dependent = np.ptp(1 - curve.negative_intervals, axis=1)
    assert (dependent > 0).all()
    assert not np.allclose(dependent, np.ptp(own, axis=1))
    monkeypatch.setattr(error_curves, "AT_ONCE", 7)
    again = error_curve(genuine, impostors, people)
    np.testing.assert_array_equal(again.negative_intervals, curve.negative_intervals)


@pytest.mark.parametrize(
    ("genuine", "impostors", "message"),
    [
        ([], [1.0], "found 0 genuine scores and 1 impostor score; give one of each"),
        ([1.0, 2.0], [], "found 2 genuine scores and 0 impostor scores; give one of each"),
        ([math.nan], [1.0], "found NaN among the scores"),
    ],
)
def test_scores_without_a_curve_are_refused(genuine, impostors, message):
    with pytest.raises(DataError, match=message):
        error_curve(genuine, impostors)
