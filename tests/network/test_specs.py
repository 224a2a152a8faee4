"""A mixed unit, a reduction and a residual unit equal computations by hand in float64."""

from __future__ import annotations

import numpy as np
import pytest

from tests.tiny import TINY

tf = pytest.importorskip("tensorflow")
from finetune import network  # noqa: E402

pytestmark = pytest.mark.tf


@pytest.fixture(scope="module")
def folded(random_variables):
    """Return weights and biases in float64, without batch normalization and residual scales."""
    return {name: np.float64(value) for name, value in network.fold(TINY, random_variables(TINY)).items()}


@pytest.fixture(scope="module")
def variables(random_variables):
    return random_variables(TINY)


def convolved(images, layer, folded, stride=1, relu=True):
    """Convolve with a kernel of odd sides, padded by half of it where the stride is one, and apply ReLU."""
    weights, biases = folded[f"{layer}/weights"], folded[f"{layer}/biases"]
    height, width = weights.shape[:2]
    pads = [(0, 0), (height // 2,) * 2, (width // 2,) * 2, (0, 0)] if stride == 1 else [(0, 0)] * 4
    padded = np.pad(images, pads)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), (1, 2))[:, ::stride, ::stride]
    outputs = np.einsum("nhwcij,ijco->nhwo", windows, weights) + biases
    return np.maximum(outputs, 0) if relu else outputs


def run(variables, images, unit):
    at = TINY.names.index(unit)
    return network.forward_pass(TINY, tf.constant(images, tf.float32), variables, slice(at, at + 1)).numpy()


def test_a_mixed_unit_concatenates_convolutions_and_means_that_do_not_count_padding(variables, folded):
    images = np.random.default_rng(1).normal(size=(2, 5, 6, 4))
    counts = np.lib.stride_tricks.sliding_window_view(np.pad(np.ones((5, 6)), 1), (3, 3)).sum((-2, -1))
    padded = np.pad(images, [(0, 0), (1, 1), (1, 1), (0, 0)])
    sums = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (1, 2)).sum((-2, -1))
    expected = [
        convolved(images, "Tiny/Mixed_5b/Branch_0/Conv2d_1x1", folded),
        convolved(sums / counts[:, :, np.newaxis], "Tiny/Mixed_5b/Branch_1/Conv2d_0b_1x1", folded),
    ]
    np.testing.assert_allclose(run(variables, images, "Mixed_5b"), np.concatenate(expected, 3), atol=1e-5)


def test_a_reduction_puts_the_largest_of_each_window_beside_its_branches(variables, folded):
    images = np.random.default_rng(2).normal(size=(2, 7, 7, 6))
    largest = np.lib.stride_tricks.sliding_window_view(images, (3, 3), (1, 2))[:, ::2, ::2].max((-2, -1))
    branch = convolved(images, "Tiny/Mixed_6a/Branch_0/Conv2d_1a_3x3", folded, stride=2)
    np.testing.assert_allclose(run(variables, images, "Mixed_6a"), np.concatenate([branch, largest], 3), atol=1e-5)


@pytest.mark.parametrize(("unit", "channels", "relu"), [("Repeat/block35_2", 6, True), ("Block8", 8, False)])
def test_a_residual_unit_adds_its_branches_to_its_input(variables, folded, unit, channels, relu):
    images = np.random.default_rng(3).normal(size=(2, 4, 5, channels))
    first = convolved(images, f"Tiny/{unit}/Branch_0/Conv2d_1x1", folded)
    narrow = convolved(images, f"Tiny/{unit}/Branch_1/Conv2d_0a_1x1", folded)
    second = convolved(narrow, f"Tiny/{unit}/Branch_1/Conv2d_0b_1x3", folded)
    up = convolved(np.concatenate([first, second], 3), f"Tiny/{unit}/Conv2d_1x1", folded, relu=False)
    expected = np.maximum(images + up, 0) if relu else images + up
    np.testing.assert_allclose(run(variables, images, unit), expected, atol=1e-5)
