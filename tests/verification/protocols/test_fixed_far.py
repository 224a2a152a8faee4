"""The rate at a fixed false accept rate equals a count of every pair at every threshold, and bad input is refused."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from finetune.errors import DataError
from finetune.verification import VerificationResult
from finetune.verification.measuring import measure
from finetune.verification.pairs import ImagePairs
from finetune.verification.protocols import by_name

IMAGES = 12


def image_pairs(index1: list[int], index2: list[int], is_same: list[bool]) -> ImagePairs:
    """Return pairs of twelve images, each in another person's folder."""
    paths = tuple(Path(f"P{i}/P{i}_0001.png") for i in range(IMAGES))
    return ImagePairs(paths, np.array(index1), np.array(index2), np.array(is_same), n_folds=10)


@st.composite
def measured(draw) -> tuple[np.ndarray, ImagePairs, float]:
    """Draw embeddings with many equal distances, pairs of both kinds, and a rate that the pairs can tell."""
    n = draw(st.integers(3, 40))
    rows = draw(st.lists(st.tuples(*[st.integers(0, 3)] * 2), min_size=IMAGES, max_size=IMAGES))
    ends = [draw(st.lists(st.integers(0, IMAGES - 1), min_size=n, max_size=n)) for _ in range(2)]
    same = [True, False, False, *draw(st.lists(st.booleans(), min_size=n - 3, max_size=n - 3))]
    n_different = same.count(False)
    share = st.integers(1, n_different - 1).map(lambda k: k / n_different)
    rate = draw(share | st.floats(1 / n_different, 1, exclude_max=True))
    return np.array(rows, np.float32), image_pairs(*ends, same), rate


def counted_by_hand(distances: list[float], same: list[bool], far: float) -> dict[str, float]:
    """Count every figure of the protocol by its definition, pair by pair."""
    of_one = [d for d, one in zip(distances, same, strict=True) if one]
    of_two = [d for d, one in zip(distances, same, strict=True) if not one]
    steps = [*sorted(set(distances)), math.inf]
    rates = {t: sum(d < t for d in of_two) / len(of_two) for t in steps}
    at_far = max(t for t in steps if rates[t] <= far)
    right = [sum((d < t) == one for d, one in zip(distances, same, strict=True)) for t in steps]
    fpr = [rates[t] for t in steps]
    tpr = [sum(d < t for d in of_one) / len(of_one) for t in steps]
    # Both rates only grow from step to step, and their sum with each: where it is 1 they are as often wrong.
    eer = np.interp(1, np.add(fpr, tpr), fpr)
    nearer = [(one < two) + (one == two) / 2 for one in of_one for two in of_two]
    return {
        "val": sum(d < at_far for d in of_one) / len(of_one),
        "far": rates[at_far],
        "accuracy": max(right) / len(same),
        "auc": sum(nearer) / len(nearer),
        "eer": float(eer),
        "threshold": steps[right.index(max(right))],
    }


@settings(max_examples=150)
@given(measured())
def test_every_figure_is_that_of_a_count_at_every_threshold(case):
    rows, pairs, far = case
    protocol = by_name("fixed_far", far=far)
    result = measure(lambda paths, flip: rows, pairs, protocol=protocol)
    distances = [
        sum((float(x) - float(y)) ** 2 for x, y in zip(rows[i], rows[j], strict=True))
        for i, j in zip(pairs.index1, pairs.index2, strict=True)
    ]
    expected = counted_by_hand(distances, pairs.is_same.tolist(), far)
    if math.isinf(expected["threshold"]):  # all are accepted: by a threshold just above the largest distance
        expected["threshold"] = pytest.approx(max(distances), abs=1e-12)
        assert result.threshold > max(distances)
    assert {name: getattr(result, name) for name in expected} == {
        name: value if name in ("val", "far", "threshold") else pytest.approx(value, abs=1e-12)
        for name, value in expected.items()
    }
    assert result.far <= far == result.far_target
    assert result.correct.tolist() == [
        (d < result.threshold) == one for d, one in zip(distances, pairs.is_same, strict=True)
    ]
    assert result.distances.tolist() == distances
    assert (result.n_folds, result.fold_accuracy) == (1, (result.accuracy,))
    assert result.folds.tolist() == [0] * len(distances)


def random_case(seed: int = 0, n: int = 60) -> tuple[np.ndarray, ImagePairs]:
    generator = np.random.default_rng(seed)
    ends = generator.integers(0, IMAGES, (2, n))
    return generator.normal(size=(IMAGES, 4)).astype(np.float32), image_pairs(*ends, np.arange(n) % 3 == 0)


def test_cosine_distances_are_angles_over_pi_and_the_notes_tell_both_thresholds():
    rows, pairs = random_case()
    result = measure(lambda paths, flip: rows, pairs, protocol=by_name("fixed_far", far=0.1), distance="cosine")
    unit = rows.astype(float) / np.linalg.norm(rows.astype(float), axis=1, keepdims=True)
    angles = [math.acos(min(1, unit[i] @ unit[j])) / math.pi for i, j in zip(pairs.index1, pairs.index2, strict=True)]
    np.testing.assert_allclose(result.distances, angles, atol=1e-6)
    of_two = sorted(d for d, one in zip(angles, pairs.is_same, strict=True) if not one)
    fifth = of_two[4]  # of 40, a tenth is four
    assert result.notes == (
        f"the validation rate accepts distances below {fifth:.6g}",
        f"the accuracy is that at {result.threshold:.6g}, the best threshold for these same pairs, which flatters it",
    )
    assert (result.distance, result.far_target) == ("cosine", 0.1)
    assert result.far == sum(d < fifth - 1e-9 for d in of_two) / 40 <= 0.1  # the fourth is as near as the fifth


def test_the_result_is_stored_with_its_protocol_and_printed_without_deviations():
    rows, pairs = random_case()
    result = measure(lambda paths, flip: rows, pairs, protocol=by_name("fixed_far", far=0.1))
    stored = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert (stored["protocol"]["name"], stored["far_target"]) == ("fixed_far", 0.1)
    assert VerificationResult.from_json(stored) == result
    assert result.lines()[:2] == [
        f"Accuracy: {result.accuracy:.5f}",
        f"Validation rate: {result.val:.5f} @ FAR={result.far:.5f}",
    ]


def test_without_people_who_were_trained_on_only_the_other_pairs_count():
    rows, pairs = random_case()
    protocol = by_name("fixed_far", far=0.1)
    result = measure(lambda paths, flip: rows, pairs, protocol=protocol, trained=["P3"])
    others = pairs.only((pairs.index1 != 3) & (pairs.index2 != 3))
    alone = measure(lambda paths, flip: rows, others, protocol=protocol)
    assert result.without_overlap == alone
    assert alone.n_pairs < result.n_pairs
    assert dataclasses.replace(result, overlap=None, without_overlap=None) == measure(
        lambda paths, flip: rows, pairs, protocol=protocol
    )


def test_too_few_pairs_without_the_people_who_were_trained_on_are_a_note():
    rows, pairs = random_case()
    protocol = by_name("fixed_far", far=1 / 40)
    result = measure(lambda paths, flip: rows, pairs, protocol=protocol, trained=["P3"])
    n = sum(not one and 3 not in ends for *ends, one in zip(pairs.index1, pairs.index2, pairs.is_same, strict=True))
    assert result.without_overlap is None
    assert result.notes[-1] == (
        f"no figures without {result.left_out}; pairs: {n} pairs of two people can't tell a false accept rate of "
        f"0.025; give a rate of at least 1 in {n}, or more pairs"
    )


def test_several_rates_are_each_what_they_are_alone():
    rows, pairs = random_case()
    several = measure(lambda paths, flip: rows, pairs, protocol=by_name("fixed_far", far=(0.1, 0.5, 0.025)))
    assert [rate.far_target for rate in several.rates] == [0.1, 0.5, 0.025]
    for rate in several.rates:
        alone = measure(lambda paths, flip: rows, pairs, protocol=by_name("fixed_far", far=rate.far_target))
        assert (rate.val, rate.far) == (alone.val, alone.far)
        assert alone.notes[0] == f"the validation rate accepts distances below {rate.threshold:.6g}"
        assert "rates" not in alone.to_json()
        assert rate.low <= rate.val <= rate.high
    first = measure(lambda paths, flip: rows, pairs, protocol=by_name("fixed_far", far=0.1))
    assert dataclasses.replace(several, rates=(), notes=first.notes) == first
    assert several.notes[:3] == tuple(
        f"the validation rate at {rate.far_target:g} accepts distances below {rate.threshold:.6g}"
        for rate in several.rates
    )
    assert several.notes[3:] == first.notes[1:]
    assert VerificationResult.from_json(json.loads(json.dumps(several.to_json()))) == several


FEW = "40 pairs of two people can't tell a false accept rate of {}; give a rate of at least 1 in 40, or more pairs"
NO_MEAN = "subtract_mean: fixed_far has no other folds to take the mean from; leave it out"


@pytest.mark.parametrize(
    ("given_far", "options", "spoiled", "lines"),
    [
        (0.0249, {}, False, [f"pairs: {FEW.format(0.0249)}"]),
        (1e-9, {}, False, [f"pairs: {FEW.format('1e-09')}"]),
        ((0.1, 0.01, 0.001), {}, False, [f"pairs: {FEW.format(0.01)}", f"pairs: {FEW.format(0.001)}"]),
        ((0.1, 1.5), {}, False, ["far: found 1.5; give a rate above 0 and below 1"]),
        ((), {}, False, ["far: found no rate; give a rate above 0 and below 1"]),
        (0.0, {}, False, ["far: found 0.0; give a rate above 0 and below 1"]),
        (1.0, {}, False, ["far: found 1.0; give a rate above 0 and below 1"]),
        (math.nan, {}, False, ["far: found nan; give a rate above 0 and below 1"]),
        (
            2.0,
            {"distance": "l2", "subtract_mean": True},
            True,
            [
                "embeddings: found NaN or infinity in 1 of 12 rows, the first in row 5; check the model that gave them",
                "distance: found 'l2'; choose one of euclidean, cosine",
                NO_MEAN,
                "far: found 2.0; give a rate above 0 and below 1",
            ],
        ),
    ],
)
def test_what_can_not_be_measured_is_refused_all_at_once(given_far, options, spoiled, lines):
    rows, pairs = random_case()
    if spoiled:
        rows[5, 2] = np.nan
    with pytest.raises(DataError) as refused:
        measure(lambda paths, flip: rows, pairs, protocol=by_name("fixed_far", far=given_far), **options)
    assert str(refused.value).splitlines() == lines


@pytest.mark.parametrize(("kind", "found"), [(True, "60 pairs of one person and 0 of two"), (False, "0 pairs of one")])
def test_pairs_of_one_kind_are_refused(kind, found):
    rows, pairs = random_case()
    pairs = dataclasses.replace(pairs, is_same=np.full(60, kind))
    with pytest.raises(DataError, match=f"^pairs: found {found}.*; give both$"):
        measure(lambda paths, flip: rows, pairs, protocol=by_name("fixed_far", far=0.1))


def test_the_pairs_and_options_are_refused_before_anything_is_embedded():
    _, pairs = random_case()
    settings_of_lfw = {"distance": "euclidean", "subtract_mean": True}
    problems = by_name("fixed_far").needs(pairs, "lfw/pairs.txt", **settings_of_lfw)
    assert [*map(str, problems)] == [NO_MEAN, f"lfw/pairs.txt: {FEW.format(0.001)}"]
