"""Each change of an image's pixels does what its mathematics says, in colour and in grey."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from finetune.images import adjust, erase, rotate, stretch, warp

SIZE = 61


def places() -> np.ndarray:
    """Return an image whose pixels hold four times their own column and row, [SIZE, SIZE, 3]."""
    row, column = np.indices((SIZE, SIZE), dtype=np.uint8)
    return np.stack([4 * column, 4 * row, np.full_like(row, 200)], axis=2)


def noise(channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(20, 220, (12, 17, channels), dtype=np.uint8)


def test_a_quarter_turn_is_counterclockwise_as_imrotates_was():
    pixels = np.random.default_rng(0).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    np.testing.assert_array_equal(rotate(pixels, 90.0), np.rot90(pixels))


@given(st.floats(-30, 30), st.floats(-25, 25), st.floats(0.7, 1.4))
def test_a_point_is_sheared_then_turned_then_scaled_about_the_center(degrees, shear, zoom):
    """Follow each point from where the pixel says it came from to where it is found."""
    warped = warp(places(), degrees, shear, zoom).astype(float)
    inside = warped[..., 2] > 199  # the others came from beyond the edge, at least in part
    row, column = np.nonzero(inside)
    middle = (SIZE - 1) / 2
    x, y = warped[inside][:, 0] / 4 - middle, middle - warped[inside][:, 1] / 4  # y upwards
    x = x + np.tan(np.deg2rad(shear)) * y
    turned = (x + 1j * y) * np.exp(1j * np.deg2rad(degrees)) * zoom
    assert len(row) > 1000
    np.testing.assert_allclose(turned.real, column - middle, atol=1.0)  # values are whole, and the edge is bent
    np.testing.assert_allclose(turned.imag, middle - row, atol=1.0)
    assert abs(np.mean(turned.real - (column - middle))) < 0.3
    assert abs(np.mean(turned.imag - (middle - row))) < 0.3


@pytest.mark.parametrize("degrees", [-7.5, 3.0, 77.0])
def test_a_warp_that_only_turns_is_the_rotation(degrees):
    np.testing.assert_array_equal(warp(noise(), degrees, 0.0, 1.0), rotate(noise(), degrees))


def test_what_lies_beyond_the_edge_is_black():
    white = np.full((40, 40, 3), 255, np.uint8)
    smaller = warp(white, 0.0, 0.0, 0.5)
    assert smaller[:9].max() == smaller[:, :9].max() == smaller[-9:].max() == 0
    assert smaller[12:28, 12:28].min() == 255


@given(st.floats(0, 2), st.floats(0, 2))
def test_brightness_multiplies_values_and_contrast_their_differences_from_the_mean_grey(brightness, contrast):
    pixels = noise()
    bright = np.clip(pixels * brightness, 0, 255)
    grey = bright @ [0.299, 0.587, 0.114]  # ITU-R 601
    expected = np.clip(grey.mean() + contrast * (bright - grey.mean()), 0, 255)
    np.testing.assert_allclose(adjust(pixels, brightness, contrast), expected, atol=4)
    assert abs(adjust(pixels, brightness, contrast).mean() - expected.mean()) < 2.5


def test_the_stretch_gives_each_channel_the_whole_range():
    pixels = noise()
    low, high = pixels.min((0, 1)).astype(float), pixels.max((0, 1)).astype(float)
    stretched = stretch(pixels)
    np.testing.assert_allclose(stretched, (pixels - low) / (high - low) * 255, atol=1)
    assert stretched.min((0, 1)).tolist() == [0] * 3
    assert stretched.max((0, 1)).tolist() == [255] * 3


def test_the_erased_square_has_the_mean_and_nothing_else_changes():
    pixels = noise()
    erased = erase(pixels, 5, 2, 7)
    inside = np.zeros(pixels.shape[:2], bool)
    inside[2:7, 7:12] = True
    np.testing.assert_array_equal(erased[~inside], pixels[~inside])
    mean = pixels.reshape(-1, 3).astype(float).sum(0) / (12 * 17)
    assert (np.abs(erased[inside] - mean) <= 0.5).all()


CHANGES = [
    lambda pixels: rotate(pixels, 12.0),
    lambda pixels: warp(pixels, 12.0, 8.0, 1.1),
    stretch,
    lambda pixels: adjust(pixels, 1.2, 0.7),
    lambda pixels: erase(pixels, 4, 1, 1),
]


@pytest.mark.parametrize("change", CHANGES)
def test_grey_is_changed_like_the_colours_of_a_grey_image(change):
    grey = noise(1)
    one, three = change(grey), change(np.repeat(grey, 3, axis=2))
    assert one.shape == grey.shape
    assert one.dtype == np.uint8
    for channel in range(3):
        np.testing.assert_array_equal(one[..., 0], three[..., channel])
