"""Random changes of the images of an epoch, beside crop and flip, which TensorFlow draws."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from finetune.dataset.degradation import Degradation
from finetune.images import Pixels, adjust, erase, rotate, stretch, warp
from finetune.recipe import Augment


class Draws(NamedTuple):
    """Draws of one image, each from -1 to 1, or from 0 to 1. Which ones are used does not change the others."""

    shear: float
    zoom: float
    brightness: float
    contrast: float
    auto_contrast: float
    side: float
    top: float
    left: float


SIGNED = 4
"""Number of draws, the first ones, that go to either side of 0."""


class Augmentation:
    """Random changes of images, which depend only on the key and the index of an image.

    Args:
        augment: changes that a recipe asks for.
        key: key of the epoch's augmentation.

    Attributes:
        finishes: True if `finish` changes anything.
    """

    def __init__(self, augment: Augment, key: int) -> None:
        self._key = key
        self._shear, self._zoom = augment.random_shear or 0.0, augment.random_zoom or 0.0
        self._brightness, self._contrast = augment.random_brightness or 0.0, augment.random_contrast or 0.0
        self._auto_contrast, self._cutout = augment.random_auto_contrast or 0.0, augment.random_cutout or 0.0
        self._changes = bool(self._brightness or self._contrast or self._auto_contrast or self._cutout)
        self._degrade = Degradation(augment.camera, key) if augment.camera and augment.camera.draws else None
        self.finishes = self._changes or self._degrade is not None

    def place(self, pixels: Pixels, index: int, degrees: float) -> Pixels:
        """Rotate, shear and scale a whole image, before it is cropped: [height, width, channels]."""
        if not (self._shear or self._zoom):
            return rotate(pixels, degrees) if degrees else pixels
        draws = self._draws(index)
        return warp(pixels, degrees, self._shear * draws.shear, 1.0 + self._zoom * draws.zoom)

    def finish(self, pixels: Pixels, index: int) -> Pixels:
        """Change the values of a cropped image, erase a square, and degrade the result: [size, size, channels]."""
        if self._changes:
            pixels = self._change(pixels, index)
        return self._degrade(pixels, index) if self._degrade else pixels

    def _change(self, pixels: Pixels, index: int) -> Pixels:
        draws = self._draws(index)
        if draws.auto_contrast < self._auto_contrast:
            pixels = stretch(pixels)
        pixels = adjust(pixels, 1.0 + self._brightness * draws.brightness, 1.0 + self._contrast * draws.contrast)
        side = round(self._cutout * draws.side * len(pixels))
        places = len(pixels) - side + 1  # the square lies wholly within the image
        return erase(pixels, side, int(draws.top * places), int(draws.left * places)) if side else pixels

    def _draws(self, index: int) -> Draws:
        values = np.random.default_rng([self._key, int(index)]).random(len(Draws._fields))
        values[:SIGNED] = 2.0 * values[:SIGNED] - 1.0
        return Draws(*values.tolist())
