"""Degradations as poor cameras make them, beside those of `perturbation`. Each is a function of uint8 pixels."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from finetune.images.reading import Pixels

DARK_NOISE = 12.0
"""Standard deviation of the noise without any light, in grey levels."""


def motion(pixels: Pixels, length: float, degrees: float) -> Pixels:
    """Blur along a line, as if camera or face moved during the exposure.

    The result is the mean of copies of the image along the line, at most one pixel apart. Each copy is moved by
    bilinear interpolation, with the edges repeated.

    Args:
        pixels: image, uint8 [height, width, 3] or [height, width, 1]; also in the other functions here.
        length: length of the line in pixels, from 0. Up to 1, the image stays as it is.
        degrees: angle of the line, counterclockwise from the horizontal.
    """
    kernel = _line(length, math.radians(degrees))
    blurred = cv2.filter2D(pixels.astype(np.float32), -1, kernel, borderType=cv2.BORDER_REPLICATE)
    # OpenCV drops the axis of a single channel.
    return _to_pixels(np.asarray(blurred, np.float32).reshape(pixels.shape))


def add_noise(pixels: Pixels, deviation: float, generator: np.random.Generator) -> Pixels:
    """Add Gaussian noise of this standard deviation in grey levels, drawn for each pixel and channel."""
    return _to_pixels(pixels + deviation * generator.standard_normal(pixels.shape))


def darken(pixels: Pixels, factor: float, generator: np.random.Generator) -> Pixels:
    """Take a photo in low light: less light, and more noise.

    All values are multiplied by the factor. Gaussian noise follows, with a standard deviation of (1 - factor) times
    `DARK_NOISE`.

    Args:
        factor: share of the light that is left, above 0, at most 1.
        generator: source of the noise.
    """
    return _to_pixels(factor * pixels + (1.0 - factor) * DARK_NOISE * generator.standard_normal(pixels.shape))


def to_grey(pixels: Pixels) -> Pixels:
    """Return an image without its colors (ITU-R 601-2), with as many channels as before, all equal."""
    if pixels.shape[2] == 1:
        return pixels
    return np.repeat(np.asarray(Image.fromarray(pixels).convert("L"))[..., np.newaxis], 3, axis=2)


def change_gamma(pixels: Pixels, gamma: float) -> Pixels:
    """Map each value v to 255 (v / 255) ** gamma. Above 1, the image gets darker."""
    table = _to_pixels(255.0 * (np.arange(256) / 255.0) ** gamma)
    return table[pixels]


def _line(length: float, angle: float) -> npt.NDArray[np.float32]:
    """Return the kernel of a line: the mean of points along it, each shared among its four neighbors."""
    extent, n = max(length - 1.0, 0.0), max(math.ceil(length), 1)
    along = extent * np.linspace(-0.5, 0.5, n)
    rows, columns = -math.sin(angle) * along, math.cos(angle) * along
    top, left = np.floor(rows).astype(int), np.floor(columns).astype(int)
    reach = math.ceil(extent / 2) + 1
    kernel = np.zeros([2 * reach + 1, 2 * reach + 1])
    for down in (0, 1):
        for right in (0, 1):
            weights = (1 - np.abs(rows - top - down)) * (1 - np.abs(columns - left - right))
            np.add.at(kernel, (reach + top + down, reach + left + right), weights / n)
    return kernel.astype(np.float32)


def _to_pixels(values: npt.NDArray[np.floating]) -> Pixels:
    return np.rint(values).clip(0, 255).astype(np.uint8)
