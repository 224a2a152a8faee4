"""Standardization equals that of TensorFlow 1."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tensorflow")
from finetune.images.standardization import standardize

pytestmark = pytest.mark.tf


def published(pixels: np.ndarray, standardization: str) -> np.ndarray:
    """Standardize as TensorFlow 1 did, in float64, one image at a time."""
    if standardization == "fixed":
        return (pixels - 127.5) / 128
    images = pixels.astype(np.float64)
    return np.stack([(x - x.mean()) / max(x.std(), 1 / np.sqrt(x.size)) for x in images])


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("standardization", ["fixed", "per_image"])
def test_standardization_is_the_published_one(standardization, dtype):
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 6, 3)).astype(dtype)
    pixels[1] = 200
    pixels[2] = 200
    pixels[2, 0, 0, 0] = 201  # so flat that the lower bound of the deviation decides
    standardized = standardize(pixels, standardization)
    assert standardized.dtype == np.float32
    np.testing.assert_allclose(standardized, published(pixels, standardization), atol=1e-4)


# Worked by hand for the values 0, 51 and 255, which are 0, 0.2 and 1 of the range.
@pytest.mark.parametrize(
    ("standardization", "expected"),
    [
        ("unit", [0, 0.2, 1]),
        ("symmetric", [-1, -0.6, 1]),
        ("none", [0, 51, 255]),
        ("imagenet", [-0.485 / 0.229, (0.2 - 0.456) / 0.224, (1 - 0.406) / 0.225]),
    ],
)
def test_other_networks_standardizations_by_hand(standardization, expected):
    pixels = np.array([0, 51, 255], np.uint8).reshape(1, 1, 1, 3)  # one pixel: red, green, blue
    np.testing.assert_allclose(standardize(pixels, standardization).numpy().ravel(), expected, rtol=1e-6, atol=1e-6)


def test_a_grey_image_is_standardized_over_its_own_values():
    pixels = np.random.default_rng(1).integers(0, 256, (2, 6, 6, 1)).astype(np.uint8)
    np.testing.assert_allclose(standardize(pixels, "per_image"), published(pixels, "per_image"), rtol=1e-5, atol=1e-6)
