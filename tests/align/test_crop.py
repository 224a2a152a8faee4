from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st
from PIL import Image

from finetune.align.crop import choose, crop, resize_without_face
from finetune.images.reading import ImageError

PIXELS = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)


def test_a_crop_is_the_box_and_half_the_margin_on_each_side():
    face = np.array(crop(PIXELS, np.array([20.9, 10.2, 50.7, 40.5]), 38, 8))
    expected = Image.fromarray(PIXELS[6:44, 16:54]).resize((38, 38), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(face, np.array(expected))


def test_a_crop_ends_where_the_photo_does():
    face = np.array(crop(PIXELS, np.array([-7.0, 30.0, 30.0, 75.0]), 34, 8))
    expected = Image.fromarray(PIXELS[26:60, 0:34]).resize((34, 34), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(face, np.array(expected))


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_face_is_turned_before_it_is_resized(turns):
    face = np.array(crop(PIXELS, np.array([20.0, 10.0, 50.0, 50.0]), 34, 0, turns))
    upright = Image.fromarray(np.ascontiguousarray(np.rot90(PIXELS, turns)))
    height, width = 60, 80
    box = {1: (10, width - 50, 50, width - 20), 2: (width - 50, height - 50, width - 20, height - 10)}
    expected = upright.crop(box.get(turns, (height - 50, 20, height - 10, 50))).resize((34, 34), Image.BILINEAR)
    np.testing.assert_array_equal(face, np.array(expected))


@pytest.mark.parametrize("box", [(90, 10, 120, 40), (10, -50, 40, -20), (30, 30, 30.5, 40)])
def test_a_face_outside_the_photo_is_no_crop(box):
    with pytest.raises(ImageError, match="a face outside the photo of 80x60 pixels"):
        crop(PIXELS, np.array(box, float), 16, 0)


def test_the_largest_of_two_in_the_middle_is_chosen_and_the_middle_before_a_little_more_size():
    middle, larger = [80, 80, 120, 120], [70, 70, 130, 130]
    assert choose(np.array([middle, larger], float), 200, 200) == 1
    beside = [0, 79, 42, 121]  # 164 square pixels more, and 79 pixels from the middle
    assert choose(np.array([beside, middle], float), 200, 200) == 1


@given(st.lists(st.tuples(*[st.integers(0, 90)] * 2, *[st.integers(1, 60)] * 2), min_size=1, max_size=6))
def test_the_choice_is_the_best_by_area_less_twice_the_squared_distance(faces):
    def worth(face):
        x, y, w, h = face
        return w * h - 2 * ((x + w / 2 - 75) ** 2 + (y + h / 2 - 50) ** 2)

    boxes = np.array([[x, y, x + w, y + h] for x, y, w, h in faces], float)
    assert worth(faces[choose(boxes, height=100, width=150)]) == max(map(worth, faces))


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 30))
def test_a_central_square_keeps_the_aspect_and_lies_in_the_middle(height, width, size):
    """Cut a photo whose values tell the place of each pixel; at its own side the square is the photo's pixels."""
    rows, columns = np.mgrid[:height, :width]
    pixels = np.stack([rows, columns, rows * 0], axis=-1).astype(np.uint8)
    side = min(height, width)
    square = np.array(resize_without_face(pixels, "centre", side))
    top, left = square[0, 0, :2]
    np.testing.assert_array_equal(square, pixels[top : top + side, left : left + side])
    assert abs((height - side - top) - top) <= 1
    assert abs((width - side - left) - left) <= 1
    assert resize_without_face(pixels, "centre", size).size == (size, size)


def test_a_central_square_is_resized_as_faces_are():
    expected = Image.fromarray(PIXELS[:, 10:70]).resize((32, 32), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(np.array(resize_without_face(PIXELS, "centre", 32)), np.array(expected))


def test_a_whole_photo_is_resized_as_faces_are():
    expected = Image.fromarray(PIXELS).resize((32, 32), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(np.array(resize_without_face(PIXELS, "whole", 32)), np.array(expected))
