"""Random degradations of the images of an epoch, as poor cameras make them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from finetune.images import PERTURBATIONS, Pixels, add_noise, change_gamma, darken, motion, to_grey
from finetune.recipe import Camera

MASKED = 0.3, 0.5
"""Range of the share of the rows that a mask covers."""
OF_VALUES, OF_LIGHT, OF_SENSOR = 1, 2, 3
"""Ends of the keys of the draws. Those of the other augmentations have none, so that neither changes the other."""


class Draws(NamedTuple):
    """Draws of one image, each from 0 to 1. Which ones are used does not change the others."""

    mask: float
    masked: float
    low_light: float
    motion: float
    angle: float
    blur: float
    resolution: float
    noise: float
    grey: float
    gamma: float
    jpeg: float
    share: float


class Degradation:
    """Random degradations of images, which depend only on the key and the index of an image.

    Args:
        camera: degradations that a recipe asks for.
        key: key of the epoch's augmentation.
    """

    def __init__(self, camera: Camera, key: int) -> None:
        self._camera, self._key = camera, key

    def __call__(self, pixels: Pixels, index: int) -> Pixels:
        """Degrade a cropped image in the order in which scene, lens, sensor and file do: [size, size, channels]."""
        camera, draws = self._camera, Draws(*self._generator(index, OF_VALUES).random(len(Draws._fields)).tolist())
        if camera.share is not None and draws.share >= camera.share:
            return pixels
        if camera.mask and draws.mask < camera.mask:
            pixels = _at("mask", pixels, _between(MASKED, draws.masked))
        if camera.low_light:
            pixels = darken(pixels, _between(camera.low_light, draws.low_light), self._generator(index, OF_LIGHT))
        if camera.motion:
            pixels = motion(pixels, _between(camera.motion, draws.motion), 180.0 * draws.angle)
        if camera.blur:
            pixels = _at("blur", pixels, _between(camera.blur, draws.blur))
        if camera.resolution and (side := _whole_between(camera.resolution, draws.resolution)) < len(pixels):
            pixels = _at("resolution", pixels, side)
        if camera.noise:
            pixels = add_noise(pixels, _between(camera.noise, draws.noise), self._generator(index, OF_SENSOR))
        if camera.grey and draws.grey < camera.grey:
            pixels = to_grey(pixels)
        if camera.gamma:
            pixels = change_gamma(pixels, _between(camera.gamma, draws.gamma))
        return _at("jpeg", pixels, _whole_between(camera.jpeg, draws.jpeg)) if camera.jpeg else pixels

    def _generator(self, index: int, of: int) -> np.random.Generator:
        return np.random.default_rng([self._key, int(index), of])


def _at(name: str, pixels: Pixels, level: float) -> Pixels:
    """Return the pixels with a perturbation of this name at a level."""
    return PERTURBATIONS[name].change(pixels, level)


def _between(limits: tuple[float, float], draw: float) -> float:
    low, high = limits
    return low + (high - low) * draw


def _whole_between(limits: tuple[int, int], draw: float) -> int:
    low, high = limits
    return low + int((high - low + 1) * draw)
