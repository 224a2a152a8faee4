"""Standardization in NumPy gives what TensorFlow gives."""

from __future__ import annotations

import numpy as np
import pytest

from finetune.backbones import STANDARDIZATIONS
from finetune.images import standardize, standardize_array

pytestmark = pytest.mark.tf


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("standardization", STANDARDIZATIONS)
def test_standardization_in_numpy_is_tensorflows(standardization, channels):
    if standardization == "imagenet" and channels == 1:
        pytest.skip("ImageNet has colours")
    pixels = np.random.default_rng(0).integers(0, 256, (5, 40, 40, channels)).astype(np.uint8)
    pixels[1] = 200
    pixels[2] = 0
    pixels[3, 0, 0, 0] = 201
    found, expected = standardize_array(pixels, standardization), np.asarray(standardize(pixels, standardization))
    assert found.dtype == np.float32
    if standardization == "per_image":
        np.testing.assert_allclose(found, expected, atol=2e-6)
    else:
        np.testing.assert_array_equal(found, expected)  # to the bit
