"""Changes of an image as cameras and their circumstances make them, at stated levels, to measure what they cost."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from finetune.images.augmentation import adjust, from_pillow, rotate, to_pillow, warp
from finetune.images.reading import Pixels, central_crop


def shift(pixels: Pixels, share: float) -> Pixels:
    """Move an image to the right by a share of its width, in whole pixels; what was not in the image is black.

    Args:
        pixels: image, uint8 [height, width, 3] or [height, width, 1]; also in the other functions here.
        share: share of the width, from 0 to 1.
    """
    moved, by = np.zeros_like(pixels), round(share * pixels.shape[1])
    moved[:, by:] = pixels[:, : pixels.shape[1] - by]
    return moved


def blur(pixels: Pixels, sigma: float) -> Pixels:
    """Blur with Pillow's approximation of a Gaussian of this standard deviation in pixels."""
    return from_pillow(to_pillow(pixels).filter(ImageFilter.GaussianBlur(sigma)))


def jpeg(pixels: Pixels, quality: float) -> Pixels:
    """Compress as JPEG of this quality, from 1 to 100, with Pillow's defaults, and decode it again."""
    file = io.BytesIO()
    to_pillow(pixels).save(file, "JPEG", quality=int(quality))
    return from_pillow(Image.open(file))


def shrink(pixels: Pixels, side: float) -> Pixels:
    """Make an image smaller, to this side in pixels, and enlarge it again; bicubic both times."""
    image = to_pillow(pixels)
    small = image.resize((int(side), int(side)), Image.Resampling.BICUBIC)
    return from_pillow(small.resize(image.size, Image.Resampling.BICUBIC))


def mask(pixels: Pixels, share: float) -> Pixels:
    """Fill the lowest share of the rows with the mean of each channel, as a mask over mouth and nose."""
    masked = pixels.copy()
    rows = round(share * len(pixels))
    masked[len(pixels) - rows :] = np.rint(pixels.mean(axis=(0, 1))).astype(np.uint8)
    return masked


def zoom(pixels: Pixels, factor: float) -> Pixels:
    """Enlarge about the center by a factor above 1, or make smaller with a black border by one below 1."""
    return warp(pixels, 0, 0, factor)


def brighten(pixels: Pixels, factor: float) -> Pixels:
    """Multiply all values by a factor from 0; values are cut at 255."""
    return adjust(pixels, factor, 1.0)


class Perturbation(NamedTuple):
    """Kind of change, with the levels at which it is measured.

    Attributes:
        name: word by which users choose it.
        unit: what a level says, for tables and pictures.
        levels: levels, in order.
        change: function from pixels and level to changed pixels of the same shape.
        neutral: level that changes nothing; None if there is none.
        of_whole: True to change the whole image before its central crop, so that what lies around it comes into view.
    """

    name: str
    unit: str
    levels: tuple[float, ...]
    change: Callable[[Pixels, float], Pixels]
    neutral: float | None = 0
    of_whole: bool = False

    def at(self, level: float, size: int) -> Callable[[Pixels], Pixels]:
        """Return the change at a level, as a function from decoded pixels to pixels that are cropped afterwards.

        Args:
            level: level of the change.
            size: side of the central crop, in pixels.
        """
        if self.of_whole:
            return lambda pixels: self.change(pixels, level)
        return lambda pixels: self.change(central_crop(pixels, size), level)


PERTURBATIONS: dict[str, Perturbation] = {
    one.name: one
    for one in (
        Perturbation("shift", "share of the side, to the right", (0.05, 0.1, 0.15, 0.2, 0.3), shift, of_whole=True),
        Perturbation("scale", "factor", (0.6, 0.8, 1.2, 1.4, 1.6), zoom, neutral=1, of_whole=True),
        Perturbation("rotation", "degrees", (5, 10, 20, 30, 45), rotate, of_whole=True),
        Perturbation("blur", "standard deviation in pixels", (1, 2, 3, 4, 6), blur),
        Perturbation("jpeg", "quality", (50, 30, 20, 10, 5), jpeg, neutral=None),
        Perturbation("resolution", "side in pixels", (64, 48, 32, 24, 16), shrink, neutral=None),
        Perturbation("brightness", "factor", (0.1, 0.25, 0.5, 2, 3), brighten, neutral=1),
        Perturbation("mask", "lowest share of the face", (0.2, 0.3, 0.4, 0.5, 0.6), mask),
    )
}
"""All perturbations by name."""
