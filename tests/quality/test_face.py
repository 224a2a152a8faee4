"""Defects of a face by the stated limits, and its score."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from finetune.align import RecordedFace
from finetune.quality import DEFECTS, PixelQuality, Pose, Quality
from finetune.quality.face import WITH_DEFECT
from finetune.quality.reference import SHARES, SHARPNESS, Scale

GOOD = PixelQuality(sharpness=0.1685, resolution=60, luminance=130, contrast=34, highlights=184, dark=0, blown=0)


def test_a_good_face_has_no_defect():
    assert Quality(GOOD).defects() == {}
    assert Quality(GOOD, 100, 1.0, Pose(3, 4, 5)).defects() == {}


@pytest.mark.parametrize(
    ("kind", "changed", "reason"),
    [
        ("blurred", {"sharpness": 0.001}, "sharpness 0.001, less than "),
        ("tiny", {"resolution": 21.4}, "detail of 21 pixels, less than 40"),
        ("dark", {"highlights": 31.0}, "95 percent of the face has a luminance below 31 of 255"),
        ("overexposed", {"blown": 0.61}, "61% of the face is blown"),
    ],
)
def test_each_defect_of_the_pixels_is_told_by_its_measure(kind: str, changed: dict[str, float], reason: str):
    found = Quality(GOOD._replace(**changed)).defects()
    assert list(found) == [kind]
    assert found[kind][0].startswith(reason)
    worse = {name: value * (1.5 if name == "blown" else 0.5) for name, value in changed.items()}
    assert Quality(GOOD._replace(**worse)).defects()[kind][1] > found[kind][1]


@pytest.mark.parametrize(("yaw", "found"), [(-60, ["profile"]), (45, ["profile"]), (44.9, []), (0, [])])
def test_a_face_turned_to_either_side_is_a_profile(yaw: float, found: list[str]):
    quality = Quality(GOOD, pose=Pose(yaw, 0, 0))
    assert list(quality.defects()) == found
    assert set(found) <= set(DEFECTS)


def test_what_the_alignment_knows_is_part_of_the_quality():
    landmarks = np.array([90, 130, 110, 95, 125, 100, 100, 122, 140, 140], float)
    face = RecordedFace(np.array([80.0, 70, 145, 160]), 0.98, landmarks, 160)
    quality = Quality.of(GOOD, face)
    assert (quality.side, quality.detection) == (65, 0.98)
    assert quality.pose is not None
    assert abs(quality.pose.yaw) < 5
    unknown = Quality.of(GOOD, face._replace(landmarks=np.zeros(10)))
    assert unknown.pose is None
    assert Quality.of(GOOD) == Quality(GOOD)


def test_the_score_is_the_rank_of_the_sharpness():
    assert Quality(GOOD).score == pytest.approx(0.5)
    assert Quality(GOOD._replace(sharpness=0.0847)).score == pytest.approx(0.1)
    assert Quality(GOOD._replace(sharpness=9.0)).score == 1


@pytest.mark.parametrize(
    "changed", [{"sharpness": 0.04}, {"resolution": 30.0}, {"highlights": 50.0}, {"blown": 0.5}, {"sharpness": 0.0}]
)
def test_a_face_with_a_defect_ranks_below_those_without(changed: dict[str, float]):
    quality = Quality(GOOD._replace(**changed))
    assert 0 <= quality.score <= WITH_DEFECT
    both = dataclasses.replace(quality, pose=Pose(89, 0, 0))
    assert 0 <= both.score <= quality.score
    assert Quality(GOOD, pose=Pose(50, 0, 0)).score > Quality(GOOD, pose=Pose(70, 0, 0)).score > 0


def test_a_rank_is_the_share_of_the_reference_that_is_not_better():
    values = np.sort(np.random.default_rng(1).gamma(2, size=20_000))
    scale = Scale(tuple(np.quantile(values, SHARES)))
    for value in (0.2, 1.0, 2.5, 4.0):
        assert scale.rank(value) == pytest.approx((values <= value).mean(), abs=0.03)
    assert (scale.rank(-1), scale.rank(1e9)) == (0, 1)
    assert Scale((-3.0, -1.0, *[0.0] * 9)).rank(0.0) == 1


def test_the_quantiles_of_the_reference_ascend():
    assert list(SHARPNESS.quantiles) == sorted(SHARPNESS.quantiles)
    assert len(SHARPNESS.quantiles) == len(SHARES)


def test_the_json_has_every_measure_and_nothing_for_what_is_unknown():
    told = Quality(GOOD).to_json()
    assert told["score"] == pytest.approx(0.5)
    assert {name for name, value in told.items() if value is None} == {"face_side", "detection", "yaw", "pitch", "roll"}
    assert set(Quality(GOOD, 50, 0.9, Pose(1, 2, 3)).to_json()) == set(told)
