"""Batch normalization in training uses the batch's statistics, and moves the stored ones toward them."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from finetune.backbones import BatchNorm

tf = pytest.importorskip("tensorflow")
from finetune.network import layers  # noqa: E402

pytestmark = pytest.mark.tf


@pytest.mark.parametrize("shape", [(6, 2), (3, 2, 2, 2)])
@pytest.mark.parametrize(
    ("settings", "gamma"), [(BatchNorm(), [1.0, 1.0]), (BatchNorm(epsilon=0.02, decay=0.8, gamma=True), [3.0, 0.5])]
)
def test_training_batch_norm_normalizes_by_the_batch_and_moves_the_statistics(shape, settings, gamma):
    inputs = np.random.default_rng(3).normal(size=shape).astype(np.float32)
    values = {
        "BatchNorm/beta": tf.Variable([0.5, -1.0]),
        "BatchNorm/gamma": tf.Variable([3.0, 0.5]),
        "BatchNorm/moving_mean": tf.Variable([1.0, 2.0]),
        "BatchNorm/moving_variance": tf.Variable([4.0, 0.25]),
    }
    with layers.existing_variables(values):
        outputs = tf.function(partial(layers.batch_norm, settings=settings), autograph=False)(inputs).numpy()
    after = {name: value.numpy() for name, value in values.items()}
    flat = inputs.reshape(-1, 2).astype(np.float64)
    mean, variance = flat.mean(0), flat.var(0)
    expected = gamma * (flat - mean) / np.sqrt(variance + settings.epsilon) + [0.5, -1]
    np.testing.assert_allclose(outputs.reshape(-1, 2), expected, atol=1e-4)
    # The fused kernel stores the unbiased variance, as TensorFlow 1's did.
    unbiased, moved = flat.var(0, ddof=1), 1 - settings.decay
    np.testing.assert_allclose(after["BatchNorm/moving_mean"], [1, 2] + moved * (mean - [1, 2]), atol=1e-6)
    expected = [4, 0.25] + moved * (unbiased - [4, 0.25])
    np.testing.assert_allclose(after["BatchNorm/moving_variance"], expected, atol=1e-6)
