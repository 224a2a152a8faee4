"""Draws of an image depend on the key and the image's index alone, and keep within their limits."""

from __future__ import annotations

import numpy as np
import pytest

from finetune.dataset.augmentation import Augmentation
from finetune.images import adjust, erase, rotate, stretch, warp
from finetune.recipe import Augment

EVERYTHING = Augment(
    random_shear=10.0,
    random_zoom=0.2,
    random_brightness=0.3,
    random_contrast=0.4,
    random_auto_contrast=0.25,
    random_cutout=0.5,
)
N = 2000


def draws(key: int = 7) -> np.ndarray:
    """Return the draws of N images, [N, 8]."""
    augmentation = Augmentation(EVERYTHING, key)
    return np.array([augmentation._draws(index) for index in range(N)])


def test_draws_are_uniform_and_independent():
    values = draws()
    low = np.array([-1] * 4 + [0] * 4)
    assert (values >= low).all()
    assert (values < 1).all()
    unit = (values - low) / (1 - low)
    for column in unit.T:
        # The largest distance of the empirical from the uniform distribution: 1.95 / √n is passed once in 1000.
        assert np.abs(np.sort(column) - (np.arange(N) + 0.5) / N).max() < 1.95 / np.sqrt(N)
    correlations = np.corrcoef(np.concatenate([unit, np.roll(unit, 1, axis=0)], axis=1).T) - np.eye(16)
    assert np.abs(correlations).max() < 5 / np.sqrt(N)


def test_another_key_draws_otherwise_and_the_same_key_draws_again():
    np.testing.assert_array_equal(draws(), draws())
    assert not (draws() == draws(key=8)).any()


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(1).integers(30, 200, (40, 40, 3), dtype=np.uint8)


ONE_BY_ONE = {
    "random_brightness": lambda pixels, d: adjust(pixels, 1 + 0.3 * d[2], 1.0),
    "random_contrast": lambda pixels, d: adjust(pixels, 1.0, 1 + 0.4 * d[3]),
    "random_auto_contrast": lambda pixels, d: stretch(pixels) if d[4] < 0.25 else pixels,
    "random_cutout": lambda pixels, d: erase(
        pixels, side := round(20 * d[5]), *(int(d[place] * (41 - side)) for place in (6, 7))
    ),
}


@pytest.mark.parametrize("key", ONE_BY_ONE)
def test_a_change_has_its_own_draw_whatever_else_is_on(image, key):
    alone = Augmentation(Augment(**{key: getattr(EVERYTHING, key)}), 7)
    assert alone.finishes
    for index in range(20):
        values = Augmentation(EVERYTHING, 7)._draws(index)
        np.testing.assert_array_equal(alone.finish(image, index), ONE_BY_ONE[key](image, values))
        np.testing.assert_array_equal(alone.place(image, index, 0.0), image)


@pytest.mark.parametrize("asked", [{"random_shear": 10.0}, {"random_zoom": 0.2}])
def test_shear_and_zoom_are_one_warp_with_the_rotation(image, asked):
    alone = Augmentation(Augment(**asked), 7)
    assert not alone.finishes
    for index in range(20):
        values = Augmentation(EVERYTHING, 7)._draws(index)
        shear, zoom = asked.get("random_shear", 0) * values.shear, 1 + asked.get("random_zoom", 0) * values.zoom
        np.testing.assert_array_equal(alone.place(image, index, 3.0), warp(image, 3.0, shear, zoom))


def test_without_them_there_is_the_rotation_alone(image):
    nothing = Augmentation(Augment(random_rotate=10.0), 7)
    assert not nothing.finishes
    assert nothing.place(image, 0, 0.0) is image
    np.testing.assert_array_equal(nothing.place(image, 0, 3.0), rotate(image, 3.0))


def test_the_stretch_comes_first_then_brightness_and_contrast_then_the_square(image):
    augmentation = Augmentation(EVERYTHING, 7)
    stretched = [index for index in range(60) if augmentation._draws(index).auto_contrast < 0.25]
    assert stretched
    for index in range(60):
        values = augmentation._draws(index)
        changed = ONE_BY_ONE["random_auto_contrast"](image, values)
        changed = adjust(changed, 1 + 0.3 * values.brightness, 1 + 0.4 * values.contrast)
        np.testing.assert_array_equal(augmentation.finish(image, index), ONE_BY_ONE["random_cutout"](changed, values))


def test_a_grey_image_stays_grey(image):
    grey = image[..., :1]
    augmentation = Augmentation(EVERYTHING, 7)
    for index in range(10):
        assert augmentation.finish(augmentation.place(grey, index, 5.0), index).shape == (40, 40, 1)
