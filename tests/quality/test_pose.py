"""The pose of a head by its five landmarks, for heads whose pose is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.spatial.transform import Rotation

from finetune.quality.pose import MODEL, estimate_pose

ANGLE = st.floats(-75, 75)


def seen_from(yaw: float, pitch: float, roll: float, scale: float, left: float, top: float) -> np.ndarray:
    """Return the landmarks of the model head in a pose, [10].

    The picture's axes lead right and down; the third leads away from the camera.
    """
    turned = Rotation.from_euler("ZYX", [roll, -yaw, -pitch], degrees=True).apply(MODEL.T)
    return np.concatenate([left + scale * turned[:, 0], top + scale * turned[:, 1]])


@given(ANGLE, ANGLE, ANGLE, st.floats(5, 500), st.floats(-1000, 1000))
def test_every_pose_is_recovered_at_every_size_and_place(yaw, pitch, roll, scale, place):
    found = estimate_pose(seen_from(yaw, pitch, roll, scale, place, -place))
    assert found == pytest.approx((yaw, pitch, roll), abs=1e-3)


def test_the_signs_are_those_that_the_words_say():
    frontal = np.array([-10, 10, 0, -8, 8, -10, -10, 2, 12, 12], float)
    nose = np.eye(10)
    assert estimate_pose(frontal + 5 * nose[2]).yaw > 20  # the nose lies to the right
    assert estimate_pose(frontal - 5 * nose[7]).pitch > estimate_pose(frontal).pitch + 10  # the nose lies higher
    angle = np.radians(20)
    x, y = frontal[:5], frontal[5:]
    clockwise = np.concatenate([np.cos(angle) * x - np.sin(angle) * y, np.sin(angle) * x + np.cos(angle) * y])
    assert estimate_pose(clockwise).roll == pytest.approx(20 + estimate_pose(frontal).roll)


@pytest.mark.parametrize("landmarks", [np.zeros(10), np.full(10, 7.0), np.arange(10.0) // 5])
def test_landmarks_that_are_unknown_have_no_pose(landmarks):
    assert estimate_pose(landmarks) is None


@given(st.lists(st.floats(-1e4, 1e4), min_size=10, max_size=10))
def test_any_ten_numbers_give_angles_or_nothing(numbers):
    found = estimate_pose(np.array(numbers))
    if found:
        assert np.isfinite(found).all()
        assert abs(found.yaw) <= 90
