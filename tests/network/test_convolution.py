"""Convolutions that train: those of tf-slim, with other gradients in bfloat16."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import tf_slim as slim

from finetune import Model, Stage
from finetune.network.convolution import conv2d, training_convolutions
from finetune.network.layers import existing_variables, normalizing
from finetune.training import Trainer

KERNELS = [1, (1, 1), (1, 7), (7, 1), (1, 2), (3, 1), 3]


def outputs_and_gradients(layer, kernel, dtype, *, biases=True, **options):
    """Return a layer's output, and the gradients of its inputs and its variables."""
    draw = np.random.default_rng(1)
    sides = (kernel, kernel) if isinstance(kernel, int) else kernel
    variables = {"layer/weights": draw.normal(size=[*sides, 5, 6]), "layer/biases": draw.normal(size=6)}
    variables = {name: tf.Variable(value, dtype=tf.float32) for name, value in variables.items()}
    inputs = tf.Variable(draw.normal(size=[2, 9, 8, 5]), dtype=tf.float32)
    direction = tf.constant(draw.normal(size=[2, 9, 8, 6]), tf.float32)
    normalizer = None if biases else (lambda net: 2.0 * net)

    @tf.function(autograph=False)
    def compiled():
        with tf.GradientTape() as tape, existing_variables(variables), normalizing(normalizer):
            with slim.arg_scope([slim.conv2d], **({} if biases else {"normalizer_fn": normalizer})):
                net = layer(tf.cast(inputs, dtype), 6, kernel, scope="layer", **options)
            loss = tf.reduce_sum(tf.cast(net, tf.float32) * direction)
        found = tape.gradient(loss, [inputs, *variables.values()], unconnected_gradients="zero")
        return tf.cast(net, tf.float32), *found

    return [value.numpy() for value in compiled()]


def trained(*arguments, **options):
    with training_convolutions():
        return conv2d(*arguments, **options)


@pytest.mark.parametrize("biases", [True, False])
@pytest.mark.parametrize("kernel", KERNELS)
def test_in_bfloat16_the_output_is_tf_slims_and_the_gradients_are_those_of_float32(kernel, biases):
    output, *_ = outputs_and_gradients(trained, kernel, tf.bfloat16, biases=biases)
    np.testing.assert_array_equal(output, outputs_and_gradients(slim.conv2d, kernel, tf.bfloat16, biases=biases)[0])
    # The ReLU lets through what is positive, which rounding may change where an output is near 0.
    linear = {"biases": biases, "activation_fn": None}
    _, *gradients = outputs_and_gradients(trained, kernel, tf.bfloat16, **linear)
    _, *expected = outputs_and_gradients(slim.conv2d, kernel, tf.float32, **linear)
    for found, exact in zip(gradients, expected, strict=True):
        assert found.shape == exact.shape
        assert np.abs(found - exact).max() <= 0.02 * np.abs(exact).max()


@pytest.mark.parametrize("kernel", KERNELS)
def test_in_float32_every_bit_is_tf_slims(kernel):
    for found, expected in zip(
        outputs_and_gradients(trained, kernel, tf.float32),
        outputs_and_gradients(slim.conv2d, kernel, tf.float32),
        strict=True,
    ):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("options", [{"stride": 2}, {"padding": "VALID"}])
def test_strides_and_valid_padding_are_left_to_tf_slim(options):
    def shape(layer):
        with tf.Graph().as_default():
            variables = {"layer/weights": tf.zeros([1, 3, 5, 6]), "layer/biases": tf.zeros([6])}
            with existing_variables(variables):
                return layer(tf.zeros([2, 9, 8, 5], tf.bfloat16), 6, (1, 3), scope="layer", **options).shape.as_list()

    assert shape(trained) == shape(slim.conv2d)


def operations(checkpoint, precision):
    """Count the operations of a training step by their type."""
    model = Model.restore(checkpoint, precision=precision)
    trainer = Trainer(model, Stage("s", model.backbone.names[0], 1, batch_norm="train"))
    size = model.preprocessing.image_size

    def step(images):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(trainer._prelogits(images, None, training=True))
        return tape.gradient(loss, [model.variables[name] for name in trainer.weights])

    graph = tf.function(step, autograph=False).get_concrete_function(tf.TensorSpec([2, size, size, 3])).graph
    return [operation.type for operation in graph.get_operations()]


def test_a_training_step_has_the_fast_gradients_in_bfloat16_alone(drawn_checkpoint):
    exact, fast = (operations(drawn_checkpoint, precision) for precision in ("float32", "bfloat16"))
    assert exact.count("MatMul") < fast.count("MatMul")
    assert exact.count("Conv2DBackpropFilter") > 2 * fast.count("Conv2DBackpropFilter")
    assert exact.count("Conv2D") == fast.count("Conv2D")
