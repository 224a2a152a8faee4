"""Standardization of pixel values to the network's input, in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from finetune.backbones import Standardization

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
"""Mean and standard deviation of red, green and blue in ImageNet, of values from 0 to 1."""


def standardize_array(pixels: npt.NDArray[Any], standardization: Standardization) -> npt.NDArray[np.float32]:
    """Standardize pixel values as `standardize` does in TensorFlow.

    The values are the same to the bit, but those of `per_image`. Its mean and deviation are computed in float64 here.

    Args:
        pixels: pixel values, uint8 [n, s, s, c].
        standardization: one of those that `standardize` describes.

    Returns:
        Input of the network, float32 [n, s, s, c].
    """
    images = pixels.astype(np.float32)
    match standardization:
        case "fixed":
            return (images - np.float32(127.5)) / np.float32(128)
        case "unit":
            return images / np.float32(255)
        case "symmetric":
            return images / np.float32(127.5) - np.float32(1)
        case "imagenet":
            mean, deviation = (np.array(values, np.float32) for values in (IMAGENET_MEAN, IMAGENET_DEVIATION))
            return (images / np.float32(255) - mean) / deviation
        case "none":
            return images
    wide = images.astype(np.float64)
    mean, deviation = (of(wide, axis=(1, 2, 3), keepdims=True) for of in (np.mean, np.std))
    return ((wide - mean) / np.maximum(deviation, images[0].size ** -0.5)).astype(np.float32)
