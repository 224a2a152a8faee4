"""Degradations are drawn by key and index alone, each by a draw of its own, in the order of a camera."""

from __future__ import annotations

import numpy as np
import pytest

from finetune.dataset.augmentation import Augmentation
from finetune.dataset.degradation import OF_LIGHT, OF_SENSOR, OF_VALUES, Degradation, Draws
from finetune.images import PERTURBATIONS, add_noise, change_gamma, darken, motion, to_grey
from finetune.recipe import Augment, Camera

KEY = 7
EVERYTHING = {
    "mask": 0.5,
    "low_light": [0.4, 1.0],
    "motion": [0, 9],
    "blur": [0.5, 2.0],
    "resolution": [10, 30],
    "noise": [1.0, 12.0],
    "grey": 0.5,
    "gamma": [0.6, 1.6],
    "jpeg": [20, 60],
}


def generator(index: int, of: int) -> np.random.Generator:
    return np.random.default_rng([KEY, index, of])


def draws(index: int) -> Draws:
    return Draws(*generator(index, OF_VALUES).random(12).tolist())


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(1).integers(30, 200, (40, 40, 3), dtype=np.uint8)


def at(name, pixels, level):
    return PERTURBATIONS[name].change(pixels, level)


ONE_BY_ONE = {
    "mask": lambda pixels, d, _: at("mask", pixels, 0.3 + 0.2 * d.masked) if d.mask < 0.5 else pixels,
    "low_light": lambda pixels, d, i: darken(pixels, 0.4 + 0.6 * d.low_light, generator(i, OF_LIGHT)),
    "motion": lambda pixels, d, _: motion(pixels, 9 * d.motion, 180 * d.angle),
    "blur": lambda pixels, d, _: at("blur", pixels, 0.5 + 1.5 * d.blur),
    "resolution": lambda pixels, d, _: at("resolution", pixels, 10 + int(21 * d.resolution)),
    "noise": lambda pixels, d, i: add_noise(pixels, 1 + 11 * d.noise, generator(i, OF_SENSOR)),
    "grey": lambda pixels, d, _: to_grey(pixels) if d.grey < 0.5 else pixels,
    "gamma": lambda pixels, d, _: change_gamma(pixels, 0.6 + 1.0 * d.gamma),
    "jpeg": lambda pixels, d, _: at("jpeg", pixels, 20 + int(41 * d.jpeg)),
}
"""Each degradation with its draw, in the order of a camera."""


def test_every_key_is_drawn_and_comes_in_its_order():
    assert [*ONE_BY_ONE, "share"] == list(Camera.model_fields) == [*EVERYTHING, "share"]
    assert set(Draws._fields) == {*Camera.model_fields, "masked", "angle"}


def test_light_and_sensor_have_noise_of_their_own():
    even = np.full((40, 40, 3), 128, np.uint8)
    light = Degradation(Camera(low_light=[0.5, 0.5]), KEY)(even, 0) - 64.0
    sensor = Degradation(Camera(noise=[6, 6]), KEY)(even, 0) - 128.0
    assert abs(np.corrcoef(light.ravel(), sensor.ravel())[0, 1]) < 5 / np.sqrt(even.size)


@pytest.mark.parametrize("key", ONE_BY_ONE)
def test_a_degradation_has_its_own_draw_whatever_else_is_on(image, key):
    alone = Degradation(Camera(**{key: EVERYTHING[key]}), KEY)
    for index in range(20):
        np.testing.assert_array_equal(alone(image, index), ONE_BY_ONE[key](image, draws(index), index))


def test_all_of_them_are_applied_in_the_order_of_a_camera(image):
    everything = Degradation(Camera(**EVERYTHING), KEY)
    for index in range(20):
        expected = image
        for change in ONE_BY_ONE.values():
            expected = change(expected, draws(index), index)
        np.testing.assert_array_equal(everything(image, index), expected)


def test_a_share_of_the_images_is_degraded_as_without_it_and_the_rest_stays(image):
    all_of_them, some = Degradation(Camera(**EVERYTHING), KEY), Degradation(Camera(**EVERYTHING, share=0.3), KEY)
    stayed = []
    for index in range(400):
        found = some(image, index)
        stayed.append(found is image)
        if found is not image:
            np.testing.assert_array_equal(found, all_of_them(image, index))
    assert np.mean(stayed) == pytest.approx(0.7, abs=5 * np.sqrt(0.21 / 400))


def test_whole_numbers_are_drawn_from_both_ends_alike(image, monkeypatch):
    from finetune.dataset import degradation

    seen = []
    monkeypatch.setattr(degradation, "_at", lambda name, pixels, level: seen.append(level) or pixels)
    degrade = Degradation(Camera(jpeg=[20, 23]), KEY)
    for index in range(2000):
        degrade(image, index)
    values, counts = np.unique(seen, return_counts=True)
    assert values.tolist() == [20, 21, 22, 23]
    assert np.abs(counts - 500).max() < 5 * np.sqrt(375)


def test_an_image_that_is_no_larger_keeps_its_resolution(image):
    assert Degradation(Camera(resolution=[40, 80]), KEY)(image, 0) is image


@pytest.mark.parametrize(("grey", "share"), [(True, 1), (False, 0), (0.25, 0.25), (1, 1)])
def test_grey_is_a_probability_or_every_image(image, grey, share):
    degrade = Degradation(Camera(grey=grey, gamma=[1, 1]), KEY)
    found = [np.ptp(degrade(image, index), axis=2).max() == 0 for index in range(400)]
    assert np.mean(found) == pytest.approx(share, abs=5 * 0.5 / 20 if 0 < share < 1 else 0)


def test_the_same_key_draws_again_and_another_key_otherwise(image):
    first, again, other = (Degradation(Camera(**EVERYTHING), key) for key in (KEY, KEY, 8))
    np.testing.assert_array_equal(first(image, 3), again(image, 3))
    assert not np.array_equal(first(image, 3), other(image, 3))
    assert not np.array_equal(first(image, 3), first(image, 4))


def test_the_camera_comes_after_the_other_changes_and_leaves_their_draws(image):
    others = {"random_brightness": 0.3, "random_contrast": 0.4, "random_auto_contrast": 0.5, "random_cutout": 0.5}
    plain, both = Augmentation(Augment(**others), KEY), Augmentation(Augment(**others, camera=EVERYTHING), KEY)
    degrade = Degradation(Camera(**EVERYTHING), KEY)
    for index in range(20):
        np.testing.assert_array_equal(both.finish(image, index), degrade(plain.finish(image, index), index))


def test_a_camera_alone_finishes_and_one_that_never_acts_does_not(image):
    assert Augmentation(Augment(camera={"grey": True}), KEY).finishes
    assert not Augmentation(Augment(camera={"grey": False, "mask": 0}), KEY).finishes
    assert not Augmentation(Augment(camera={"grey": True, "share": 0}), KEY).finishes


def test_a_grey_image_stays_grey_with_one_channel(image):
    degrade = Degradation(Camera(**EVERYTHING), KEY)
    for index in range(10):
        assert degrade(image[..., :1], index).shape == (40, 40, 1)
