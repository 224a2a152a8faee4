"""The batched cascade finds what the plain one finds, and its invariants hold for every photo."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from finetune.align import detector as detectors
from tests.align.conftest import drawn, scene
from tests.align.reference import detect

GROUP = scene([(10, 20, 90), (120, 5, 70), (180, 60, 110)], 190, 300)
AT_THE_EDGE = scene([(-0, 0, 80), (150, 60, 120)], 150, 230, seed=3)
PHOTOS = [GROUP, AT_THE_EDGE, drawn(1, 160), drawn(4, 61), scene([], 90, 120)]


@pytest.mark.parametrize("photo", PHOTOS, ids=["a group", "at the edge", "one", "small and odd", "nobody"])
def test_faces_are_those_of_the_plain_cascade(detector, photo):
    (found,) = detector([photo])
    expected = np.array(detect(photo)).reshape(-1, 15)
    assert len(found) == found.count == len(expected)
    np.testing.assert_allclose(found.boxes, expected[:, :4], atol=0.01)
    np.testing.assert_allclose(found.scores, expected[:, 4], atol=1e-4)
    np.testing.assert_allclose(found.landmarks, expected[:, 5:], atol=0.01)


def test_there_is_a_face_where_one_was_drawn(detector):
    (found,) = detector([GROUP])
    centres = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2
    for left, top, size in ((10, 20, 90), (120, 5, 70), (180, 60, 110)):
        middle = np.array([left + size / 2, top + size / 2])
        assert np.linalg.norm(centres - middle, axis=1).min() < size / 6


def test_the_points_of_a_face_stand_as_in_a_face(detector):
    (found,) = detector([drawn(1, 160)])
    left_eye, right_eye, nose, left_mouth, right_mouth = zip(
        found.landmarks[0, :5], found.landmarks[0, 5:], strict=True
    )
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_mouth[0] < right_mouth[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])


def test_a_batch_of_sizes_gives_what_each_photo_gives_alone(detector):
    together = detector(PHOTOS)
    for photo, found in zip(PHOTOS, together, strict=True):
        (alone,) = detector([photo])
        np.testing.assert_allclose(found.boxes, alone.boxes, atol=0.01)
        assert found.count == alone.count


def test_strips_of_a_large_photo_give_the_windows_of_the_whole(detector, monkeypatch):
    for height in range(38, 56):  # the last strip may hold an odd row, or one window alone
        photo = np.array(Image.fromarray(GROUP).resize((63, height)), np.float32)[np.newaxis]
        whole = detector._windows(photo)
        monkeypatch.setattr(detectors, "STRIP", 63 * 14)
        strips = detector._windows(photo)
        monkeypatch.undo()
        for a, b in zip(whole, strips, strict=True):
            assert a.shape == b.shape
            np.testing.assert_allclose(a, b, atol=1e-6)


def test_a_photo_smaller_than_any_face_has_none(detector):
    for shape in ((1, 1), (5, 200), (19, 19), (20, 20), (12, 3000)):
        (found,) = detector([np.full((*shape, 3), 128, np.uint8)])
        assert len(found) == 0
    assert detector([]) == []


def test_smaller_and_doubtful_faces_are_found_when_asked():
    photo = scene([(30, 30, 160)], 220, 220)
    small = detectors.Detector(min_face_size=150)([np.array(Image.fromarray(photo).resize((110, 110)))])[0]
    assert len(small) == 0
    strict, lax = (len(detectors.Detector(score=score)([drawn(5, 40)])[0]) for score in (1.0, 0.0))
    assert strict == 0
    assert lax >= 1


def test_of_a_face_within_a_face_the_last_network_keeps_the_likelier(detector, monkeypatch):
    """Divide the overlap by the smaller box in the last network's stage; all other stages divide by the union."""
    squares = np.array([[10.0, 10, 109, 109], [30.0, 30, 79, 79]])  # a quarter of the union, all of the smaller

    def output(crops):
        return np.array([0.8, 0.9]), np.zeros([2, 4]), np.zeros([2, 10])

    monkeypatch.setattr(detector, "_networks", SimpleNamespace(output=output))
    (found,) = detector._output([np.zeros([120, 120, 3], np.uint8)], [squares])
    np.testing.assert_allclose(found.scores, [0.9])
    np.testing.assert_allclose(found.boxes, squares[1:])
