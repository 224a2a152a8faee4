"""The figures of an image against a reference, and in the direction in which worse photos move them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from finetune.images import PERTURBATIONS, add_noise, appearance_of, darken


@pytest.fixture
def image() -> np.ndarray:
    """Draw a smooth image with some detail, uint8 [64, 64, 1]."""
    noise = np.random.default_rng(3).normal(size=(64, 64))
    smooth = ndimage.gaussian_filter(noise, 4, mode="wrap") * 300 + ndimage.gaussian_filter(noise, 1) * 40
    return np.clip(128 + smooth, 0, 255).astype(np.uint8)[..., np.newaxis]


def test_the_figures_are_their_formulas(image):
    grey = image[..., 0].astype(float)
    found = appearance_of(image)
    assert found.brightness == pytest.approx(grey.mean())
    assert found.contrast == pytest.approx(grey.std())
    assert found.sharpness == pytest.approx(ndimage.laplace(grey, mode="mirror").var())
    assert appearance_of(np.repeat(image, 3, axis=2)) == found


@pytest.mark.parametrize(("cycles", "share"), [(8, 0), (15, 0), (17, 1), (30, 1)])
def test_a_wave_is_fine_detail_from_half_of_the_highest_frequency(cycles, share):
    wave = 128 + 100 * np.sin(2 * np.pi * cycles * np.arange(64) / 64 + 0.3)
    pixels = np.broadcast_to(np.rint(wave).astype(np.uint8)[:, np.newaxis], (64, 64, 1))
    for turned in (pixels.reshape(64, 64, 1), pixels.reshape(64, 64).T[..., np.newaxis]):
        assert appearance_of(turned.copy()).fine_detail == pytest.approx(share, abs=0.01)


def test_an_even_image_has_neither_contrast_nor_detail():
    assert appearance_of(np.full((32, 32, 3), 90, np.uint8)) == (90, 0, 0, 0)


def test_worse_photos_move_the_figures_as_their_names_say(image):
    clean = appearance_of(image)
    soft = appearance_of(PERTURBATIONS["blur"].change(image, 2))
    noisy = appearance_of(add_noise(image, 10, np.random.default_rng(0)))
    dark = appearance_of(darken(image, 0.4, np.random.default_rng(0)))
    assert soft.sharpness < clean.sharpness / 2
    assert soft.fine_detail < clean.fine_detail
    assert noisy.sharpness > clean.sharpness
    assert noisy.fine_detail > clean.fine_detail
    assert dark.brightness < 0.5 * clean.brightness
    assert dark.contrast < clean.contrast
