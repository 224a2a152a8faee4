"""Folding batch normalization and residual scales into weights and biases keeps the values, and gradients pass."""

from __future__ import annotations

import numpy as np
import pytest

from finetune.backbones import by_name
from tests.tiny import TINY

tf = pytest.importorskip("tensorflow")
from finetune import network  # noqa: E402

pytestmark = pytest.mark.tf
V1, V2 = by_name("inception_resnet_v1"), by_name("inception_resnet_v2")


def _statistics():
    return {
        "BatchNorm/beta": tf.Variable([0.5, -1.0]),
        "BatchNorm/gamma": tf.Variable([3.0, 0.5]),
        "BatchNorm/moving_mean": tf.Variable([1.0, 2.0]),
        "BatchNorm/moving_variance": tf.Variable([4.0, 0.25]),
    }


@pytest.mark.parametrize(("backbone", "epsilon", "gamma"), [(V1, 0.001, [1.0, 1.0]), (TINY, 0.01, [3.0, 0.5])])
def test_folded_weights_and_biases_give_what_batch_norm_by_the_stored_statistics_gives(backbone, epsilon, gamma):
    generator = np.random.default_rng(2)
    inputs, weights = generator.normal(size=(6, 5)), generator.normal(size=(5, 2))
    layer = {"layer/weights": tf.constant(weights, tf.float32)}
    layer |= {f"layer/{name}": value for name, value in _statistics().items()}
    folded = network.fold(backbone, {**layer, "other/weights": tf.constant(3.0), "other/biases": tf.constant(4.0)})
    normalized = (inputs @ weights - [1.0, 2.0]) / np.sqrt(np.array([4.0, 0.25]) + epsilon)
    expected = gamma * normalized + [0.5, -1.0]
    np.testing.assert_allclose(inputs @ folded["layer/weights"].numpy() + folded["layer/biases"], expected, atol=1e-5)
    assert set(folded) == {"layer/weights", "layer/biases", "other/weights", "other/biases"}
    assert (float(folded["other/weights"]), float(folded["other/biases"])) == (3.0, 4.0)


@pytest.mark.parametrize("backbone", [V1, V2, TINY], ids=lambda backbone: backbone.name)
def test_folded_variables_give_what_scaled_branches_and_stored_statistics_give(random_variables, backbone):
    images = np.random.default_rng(5).normal(size=(2, 75, 75, 3)).astype(np.float32)
    variables = random_variables(backbone)
    folded = network.fold(backbone, variables)
    assert not [name for name in folded if "/BatchNorm/" in name]
    np.testing.assert_allclose(
        network.forward_pass(backbone, images, folded, batch_norm="folded"),
        network.forward_pass(backbone, images, variables, batch_norm="stored"),
        atol=1e-4,
    )


def test_the_scale_of_a_residual_unit_is_in_its_weights_and_biases(variables):
    folded, scope = network.fold(V1, variables), "InceptionResnetV1/Repeat_1/block17_3/Conv2d_1x1"
    for part in ("weights", "biases"):
        np.testing.assert_allclose(folded[f"{scope}/{part}"], 0.1 * variables[f"{scope}/{part}"].numpy(), rtol=1e-6)


def test_gradients_pass_through_the_fold_to_weights_gamma_and_beta():
    weights = tf.Variable([[1.0, 2.0]])
    layer = {"layer/weights": weights} | {f"layer/{name}": value for name, value in _statistics().items()}
    with tf.GradientTape() as tape:
        folded = network.fold(TINY, layer)
        loss = tf.reduce_sum(folded["layer/weights"] * [[2.0, 3.0]] + folded["layer/biases"] * [5.0, 7.0])
    sources = [weights, layer["layer/BatchNorm/gamma"], layer["layer/BatchNorm/beta"]]
    by_weights, by_gamma, by_beta = tape.gradient(loss, sources)
    spread, gamma = np.sqrt(np.array([4.0, 0.25]) + 0.01), np.array([3.0, 0.5])
    np.testing.assert_allclose(by_weights, [[2.0, 3.0]] * gamma / spread, rtol=1e-6)
    # Weights times their gradients, less means times those of the biases.
    expected = np.array([1.0 * 2.0 - 1.0 * 5.0, 2.0 * 3.0 - 2.0 * 7.0]) / spread
    np.testing.assert_allclose(by_gamma, expected, rtol=1e-6)
    np.testing.assert_allclose(by_beta, [5.0, 7.0])
