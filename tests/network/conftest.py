from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture(scope="module")
def variables():
    """A whole network at an embedding of 8 and 3 classes, of small random weights."""
    import tensorflow as tf

    from finetune import network

    generator = np.random.default_rng(0)
    return {
        name: tf.Variable(
            generator.uniform(0.5, 1.5, shape) if name.endswith("variance") else generator.normal(0, 0.05, shape),
            dtype=tf.float32,
        )
        for name, shape in network.variable_shapes(8, 3).items()
    }
