"""Pose of a head from the five landmarks of MTCNN, by a rigid model of a face."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

MODEL = np.array([[-0.5, 0.5, 0, -0.44, 0.44], [0, 0, 0.59, 1.055, 1.055], [0, 0, -0.5, -0.1, -0.1]])
"""Places of left eye, right eye, nose, left and right corner of the mouth, in distances between the eyes. The axes lead
to the right, down, and away from the camera.

The places are the medians of 1,022 nearly frontal faces of LFW. The depth of the nose makes the yaw agree, to three
degrees, with the angle by which the distance between the eyes is shortened. The depth of the mouth is a guess.
"""


class Pose(NamedTuple):
    """Angles of a head, in degrees; all are 0 in a frontal picture.

    They are estimates by five landmarks and an average face. Expect errors of ten degrees.

    Attributes:
        yaw: turn to the side, positive towards the right of the picture.
        pitch: turn up (positive) or down.
        roll: turn within the picture, clockwise.
    """

    yaw: float
    pitch: float
    roll: float


def estimate_pose(landmarks: npt.NDArray[np.float64]) -> Pose | None:
    """Estimate the pose of a head; None if the landmarks are unknown or lie in one place.

    The camera is a scaled orthographic one (DeMenthon and Davis, 1995). An affine map from the model to the landmarks
    is fitted by least squares, and the nearest rotation to it gives the angles.

    Args:
        landmarks: x of left eye, right eye, nose, left and right corner of the mouth, then their y, [10], in pixels.
    """
    seen = np.reshape(landmarks, (2, 5))
    seen = seen - seen.mean(1, keepdims=True)
    model = MODEL - MODEL.mean(1, keepdims=True)
    affine = seen @ np.linalg.pinv(model)  # [2, 3]
    left, scales, right = np.linalg.svd(affine, full_matrices=False)
    if scales[0] <= 0 or scales[1] < 1e-6 * scales[0]:
        return None
    first, second = left @ right
    away = np.cross(first, second)
    yaw, pitch = np.arcsin(np.clip(away[0], -1, 1)), -np.arctan2(away[1], away[2])
    return Pose(*(float(np.degrees(angle)) for angle in (yaw, pitch, np.arctan2(second[0], first[0]))))
