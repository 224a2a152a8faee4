"""Each perturbation against a reference in NumPy or Pillow, and its level that changes nothing."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, strategies as st
from PIL import Image, ImageEnhance, ImageFilter

from finetune.images import perturbation as perturb
from finetune.images.given import network_input
from finetune.images.preprocessing import Preprocessing

SIZE = (24, 20)


def drawn(channels: int = 3, size: tuple[int, int] = SIZE) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, [*size, channels], np.uint8)


def reference(image: np.ndarray) -> Image.Image:
    return Image.fromarray(image if image.shape[2] == 3 else image[..., 0])


def same(found: np.ndarray, expected: Image.Image | np.ndarray) -> None:
    expected = np.asarray(expected)
    np.testing.assert_array_equal(found, expected if expected.ndim == 3 else expected[..., np.newaxis])
    assert found.dtype == np.uint8


@given(st.floats(0, 1))
def test_a_shift_moves_columns_to_the_right_and_leaves_black(share):
    image = drawn()
    by = round(share * 20)
    for row in range(24):
        for column in range(20):
            expected = image[row, column - by] if column >= by else 0
            assert np.all(perturb.shift(image, share)[row, column] == expected)


@pytest.mark.parametrize("channels", [1, 3])
def test_blur_jpeg_resolution_and_brightness_are_pillows(channels):
    image = drawn(channels)
    as_read = reference(image)
    same(perturb.blur(image, 1.5), as_read.filter(ImageFilter.GaussianBlur(1.5)))
    file = io.BytesIO()
    as_read.save(file, "JPEG", quality=10)
    same(perturb.jpeg(image, 10), Image.open(file))
    small = as_read.resize((8, 8), Image.Resampling.BICUBIC)
    same(perturb.shrink(image, 8), small.resize((20, 24), Image.Resampling.BICUBIC))
    same(perturb.brighten(image, 2), ImageEnhance.Brightness(as_read).enhance(2))


def test_brightness_multiplies_and_cuts():
    image = drawn()
    np.testing.assert_array_equal(perturb.brighten(image, 2), np.minimum(image.astype(int) * 2, 255))


def test_a_mask_fills_the_lowest_rows_with_the_mean():
    image = drawn()
    found = perturb.mask(image, 0.25)
    np.testing.assert_array_equal(found[:18], image[:18])
    np.testing.assert_array_equal(found[18:], np.broadcast_to(np.rint(image.mean((0, 1))), (6, 20, 3)))


def test_zoom_enlarges_the_center():
    image = np.zeros((40, 40, 3), np.uint8)
    image[15:25, 15:25] = 200
    assert np.count_nonzero(perturb.zoom(image, 2)[..., 0] > 100) == pytest.approx(400, rel=0.1)
    assert np.count_nonzero(perturb.zoom(image, 0.5)[..., 0] > 100) == pytest.approx(25, rel=0.4)


@pytest.mark.parametrize("name", [one.name for one in perturb.PERTURBATIONS.values() if one.neutral is not None])
def test_the_neutral_level_gives_the_same_bytes(name):
    image, one = drawn(), perturb.PERTURBATIONS[name]
    change = one.at(one.neutral, 20)
    same(network_input(image, Preprocessing(image_size=20), change=change), image[2:22])


WHOLE = ("shift", "scale", "rotation")
"""Perturbations that change the whole image."""


@pytest.mark.parametrize("name", list(perturb.PERTURBATIONS))
def test_every_level_changes_the_image_keeps_its_shape_and_leaves_its_input_alone(name):
    image, one = drawn(size=(90, 80)), perturb.PERTURBATIONS[name]
    before = image.copy()
    for level in one.levels:
        changed = network_input(image, Preprocessing(image_size=80), change=one.at(level, 80))
        assert changed.shape == (80, 80, 3)
        assert not np.array_equal(changed, image[5:85])
    np.testing.assert_array_equal(image, before)
    assert one.name == name


@pytest.mark.parametrize("name", WHOLE)
def test_a_larger_image_shows_what_lies_around_the_crop(name):
    image, one = np.full((200, 200, 3), 90, np.uint8), perturb.PERTURBATIONS[name]
    level = {"shift": 0.1, "scale": 0.8, "rotation": 10}[name]
    around = network_input(image, Preprocessing(image_size=100), change=one.at(level, 100))
    cut = network_input(image[50:150, 50:150], Preprocessing(image_size=100), change=one.at(level, 100))
    assert np.all(around == 90)
    assert cut.min() == 0  # black
