"""The normalizations of a graph. All compute in float32."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from finetune.backbones import layer_kinds as kinds

LEAST_FUSED_EPSILON = 1.001e-5
"""Smallest constant that TensorFlow's fused batch normalization takes. It replaces smaller ones by this."""
LEAST_DEVIATION = 1e-7
"""Smallest standard deviation by which `Normalization` divides: Keras's `epsilon`."""


def batch_norm_by_batch(layer: kinds.BatchNormalization, inputs: tf.Tensor, variables: Mapping[str, Any]) -> tf.Tensor:
    """Normalize by the batch statistics and move the stored ones toward them, as Keras does with `training=True`.

    Like Keras 3, it stores the variance of the batch itself, not the unbiased estimate that FaceNet's layers store.

    Args:
        layer: settings.
        inputs: values, [n, h, w, c] or [n, c].
        variables: variables of the layer by Keras's name.
    """
    channels = inputs.shape[-1]
    beta = variables["beta"] if layer.center else tf.zeros([channels])
    gamma = variables["gamma"] if layer.scale else tf.ones([channels])
    if layer.epsilon >= LEAST_FUSED_EPSILON and inputs.shape.rank in (2, 4):
        images = inputs if inputs.shape.rank == 4 else inputs[:, tf.newaxis, tf.newaxis, :]  # [n, h, w, c]
        outputs, mean, unbiased = tf.compat.v1.nn.fused_batch_norm(
            images, gamma, beta, epsilon=layer.epsilon, is_training=True
        )
        outputs = outputs if inputs.shape.rank == 4 else outputs[:, 0, 0, :]  # [n, c] where [n, c] came in
        values = tf.cast(tf.size(inputs) // channels, tf.float32)  # per channel
        variance = unbiased * (values - 1.0) / values
    else:
        inputs = tf.cast(inputs, tf.float32)
        mean, variance = tf.nn.moments(inputs, list(range(inputs.shape.rank - 1)))
        outputs = tf.nn.batch_normalization(inputs, mean, variance, beta, gamma, layer.epsilon)
    for stored, of_batch in (("moving_mean", mean), ("moving_variance", variance)):
        variables[stored].assign_sub((1.0 - layer.momentum) * (variables[stored] - of_batch))
    return outputs


def normalize(
    layer: kinds.BatchNormalization | kinds.LayerNormalization | kinds.Normalization,
    inputs: tf.Tensor,
    variables: Mapping[str, Any],
) -> tf.Tensor:
    """Normalize by stored statistics, or over the channels of each place.

    Args:
        layer: settings.
        inputs: float32 values, [n, …, c].
        variables: variables of the layer by Keras's name.
    """
    beta, gamma = variables.get("beta"), variables.get("gamma")
    if isinstance(layer, kinds.Normalization):
        mean, variance = (variables.get(name, getattr(layer, name)) for name in ("mean", "variance"))
        return (inputs - mean) / tf.maximum(tf.sqrt(variance), LEAST_DEVIATION)
    if isinstance(layer, kinds.LayerNormalization):
        mean, variance = tf.nn.moments(inputs, [-1], keepdims=True)
    else:
        mean, variance = variables["moving_mean"], variables["moving_variance"]
    return tf.nn.batch_normalization(inputs, mean, variance, beta, gamma, layer.epsilon)
