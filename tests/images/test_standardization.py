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
