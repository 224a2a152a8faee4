"""Each degradation of a camera against a reference in SciPy, NumPy or Pillow, and its level that changes nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import ndimage

from finetune.images import camera

SIZE = (24, 20)


def drawn(channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, [*SIZE, channels], np.uint8)


def rounded(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


@settings(max_examples=30, deadline=None)
@given(st.floats(0, 15), st.floats(0, 180), st.sampled_from([1, 3]))
def test_motion_is_the_mean_of_copies_along_a_line(length, degrees, channels):
    """Compare with copies that SciPy moves by linear interpolation. Rounding to float32 can change a level by one."""
    image = drawn(channels)
    n = max(int(np.ceil(length)), 1)
    way = max(length - 1, 0) * (np.arange(n) / max(n - 1, 1) - 0.5)
    angle = np.deg2rad(degrees)
    copies = [
        ndimage.shift(image.astype(float), (t * np.sin(angle), -t * np.cos(angle), 0), order=1, mode="nearest")
        for t in way
    ]
    found = camera.motion(image, length, degrees)
    assert (found.shape, found.dtype) == (image.shape, np.uint8)
    assert np.abs(found.astype(int) - rounded(np.mean(copies, axis=0))).max() <= 1


def test_a_whole_length_along_a_row_is_a_box_filter_and_upright_one_along_a_column():
    image = drawn()
    for degrees, axis in ((0, 1), (90, 0)):
        expected = ndimage.uniform_filter1d(image.astype(float), 5, axis=axis, mode="nearest")
        assert np.abs(camera.motion(image, 5, degrees) - expected).max() <= 0.501


def test_motion_goes_counterclockwise_from_the_horizontal():
    image = np.zeros((21, 21, 1), np.uint8)
    image[10, 10] = 255
    rows, columns = np.nonzero(camera.motion(image, 9, 45)[..., 0] > 20)
    assert np.all(rows + columns == 20)  # rows count downwards, so the line rises to the right


@pytest.mark.parametrize("channels", [1, 3])
def test_noise_and_low_light_are_their_formulas_with_the_generator_s_draws(channels):
    image = drawn(channels)
    normal = np.random.default_rng(5).standard_normal(image.shape)
    found = camera.add_noise(image, 7.5, np.random.default_rng(5))
    np.testing.assert_array_equal(found, rounded(image + 7.5 * normal))
    found = camera.darken(image, 0.3, np.random.default_rng(5))
    np.testing.assert_array_equal(found, rounded(0.3 * image + 0.7 * 12 * normal))


def test_low_light_is_darker_and_noisier_the_less_light_there_is():
    even = np.full((80, 80, 3), 128, np.uint8)
    found = [camera.darken(even, factor, np.random.default_rng(1)) for factor in (1, 0.7, 0.4)]
    assert [image.mean() for image in found] == pytest.approx([128, 89.6, 51.2], abs=0.2)
    assert [image.std() for image in found] == pytest.approx([0, 3.6, 7.2], abs=0.2)


def test_grey_is_itu_r_601_in_all_channels():
    image = drawn()
    found = camera.to_grey(image)
    luma = image @ np.array([0.299, 0.587, 0.114])
    assert found.shape == image.shape
    assert np.all(found == found[..., :1])
    assert np.abs(found[..., 0] - luma).max() <= 0.51
    one = drawn(1)
    assert camera.to_grey(one) is one


@given(st.floats(0.1, 10))
def test_gamma_maps_each_value(gamma):
    values = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    expected = [round(255 * (value / 255) ** gamma) for value in range(256)]
    np.testing.assert_array_equal(camera.change_gamma(values, gamma).ravel(), expected)


@pytest.mark.parametrize(
    "same",
    [
        lambda image: camera.motion(image, 0, 30),
        lambda image: camera.motion(image, 1, 30),
        lambda image: camera.add_noise(image, 0, np.random.default_rng(0)),
        lambda image: camera.darken(image, 1, np.random.default_rng(0)),
        lambda image: camera.change_gamma(image, 1),
    ],
)
def test_the_neutral_level_gives_the_same_bytes(same):
    for channels in (1, 3):
        image = drawn(channels)
        np.testing.assert_array_equal(same(image), image)


def test_no_degradation_changes_its_input():
    image = drawn()
    before = image.copy()
    camera.motion(image, 5, 20)
    camera.add_noise(image, 5, np.random.default_rng(0))
    camera.darken(image, 0.5, np.random.default_rng(0))
    camera.to_grey(image)
    camera.change_gamma(image, 2)
    np.testing.assert_array_equal(image, before)
