"""Changes of an image's pixels for augmentation, by Pillow. Images have three channels, or one."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from finetune.images.reading import Pixels


def rotate(pixels: Pixels, degrees: float) -> Pixels:
    """Rotate counterclockwise with black corners, by Pillow as `scipy.misc.imrotate(…, 'bicubic')` did.

    Args:
        pixels: image, uint8 [height, width, 3] or [height, width, 1]; also in the other functions here.
        degrees: angle.
    """
    return from_pillow(to_pillow(pixels).rotate(degrees, resample=Image.Resampling.BICUBIC))


def warp(pixels: Pixels, degrees: float, shear: float, zoom: float) -> Pixels:
    """Shear, scale and rotate about the center in one bicubic transform, with black corners.

    Args:
        degrees: angle of the rotation, counterclockwise, which comes last.
        shear: angle in degrees by which upright lines lean to the right.
        zoom: factor of all lengths; above 1, the center of the image is enlarged.
    """
    height, width = pixels.shape[:2]
    angle, lean = math.radians(degrees), math.tan(math.radians(shear))
    cosine, sine = math.cos(angle), math.sin(angle)
    # Pillow takes the way back, from each place of the result to its place in the image: the inverse of
    # zoom * [cosine, sine; -sine, cosine] @ [1, -lean; 0, 1], since rows count downwards.
    back = np.array([[1.0, lean], [0.0, 1.0]]) @ np.array([[cosine, -sine], [sine, cosine]]) / zoom
    center = np.array([width / 2, height / 2])
    moved = center - back @ center
    coefficients = (*back[0], moved[0], *back[1], moved[1])
    image = to_pillow(pixels)
    return from_pillow(image.transform(image.size, Image.Transform.AFFINE, coefficients, Image.Resampling.BICUBIC))


def stretch(pixels: Pixels) -> Pixels:
    """Stretch each channel so that its darkest value becomes 0 and its brightest 255."""
    return from_pillow(ImageOps.autocontrast(to_pillow(pixels)))


def adjust(pixels: Pixels, brightness: float, contrast: float) -> Pixels:
    """Multiply all values by `brightness`, then their differences from the mean grey by `contrast`.

    Both are factors, from 0. Values are cut at 0 and 255.
    """
    image = to_pillow(pixels)
    if brightness != 1.0:
        image = ImageEnhance.Brightness(image).enhance(brightness)
    if contrast != 1.0:
        image = ImageEnhance.Contrast(image).enhance(contrast)
    return from_pillow(image)


def erase(pixels: Pixels, side: int, top: int, left: int) -> Pixels:
    """Fill a square with the mean of each channel (DeVries and Taylor 2017, "Cutout").

    Args:
        side, top, left: side and place of the square in pixels.
    """
    erased = pixels.copy()
    erased[top : top + side, left : left + side] = np.rint(pixels.mean(axis=(0, 1))).astype(np.uint8)
    return erased


def to_pillow(pixels: Pixels) -> Image.Image:
    """Return pixels as an image of Pillow's, RGB or grey."""
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)


def from_pillow(image: Image.Image) -> Pixels:
    """Return the pixels of an RGB or grey image, uint8 [height, width, 3] or [height, width, 1]."""
    pixels = np.array(image)
    return pixels if pixels.ndim == 3 else pixels[..., np.newaxis]
