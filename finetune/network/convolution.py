"""Convolutions whose kernels train, with gradients that are fast in bfloat16."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tf_slim as slim


def training_convolutions() -> contextlib.AbstractContextManager[object]:
    """Return a context in which the weights of the forward pass get gradients, which are then faster in bfloat16."""
    return slim.arg_scope([conv2d], trains=True)


@slim.add_arg_scope
def conv2d(
    inputs: tf.Tensor, filters: int, kernel: int | tuple[int, int], *, trains: bool = False, **options: Any
) -> tf.Tensor:
    """Build a convolution as `slim.conv2d` does, with the same options: [n, h, w, c] to [n, h', w', filters].

    With `trains`, kernels of one row or one column have gradients that are faster in bfloat16.
    """
    sides = (kernel, kernel) if isinstance(kernel, int) else kernel
    simple = options.get("stride", 1) == 1 and options.get("padding", "SAME") == "SAME" and 1 in sides
    if not (trains and simple and inputs.dtype == tf.bfloat16):
        return slim.conv2d(inputs, filters, kernel, **options)
    with tf.compat.v1.variable_scope(options["scope"]):
        weights = slim.model_variable("weights", shape=[*sides, inputs.shape[-1], filters], dtype=inputs.dtype)
        net = _convolve(inputs, weights)
        if options.get("normalizer_fn"):
            net = options["normalizer_fn"](net)
        else:
            net = tf.nn.bias_add(net, slim.model_variable("biases", shape=[filters], dtype=inputs.dtype))
    activation = options.get("activation_fn", tf.nn.relu)
    return activation(net) if activation else net


@tf.custom_gradient
def _convolve(inputs: tf.Tensor, weights: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, ...]]]:
    """Convolve with a kernel [kh, kw, c, c'] at each place: [n, h, w, c] to [n, h, w, c'].

    The gradient of each place of the kernel is a matrix product. On a processor with AMX, oneDNN's own operation takes
    1.5 to 6 times as long for kernels of one row or one column in bfloat16. In float32 both take as long.
    """

    def gradients(upstream: tf.Tensor) -> tuple[tf.Tensor, ...]:
        of_inputs = tf.compat.v1.nn.conv2d_backprop_input(tf.shape(inputs), weights, upstream, [1] * 4, "SAME")
        rows, columns, channels, filters = weights.shape
        margins = [[(side - 1) // 2, side // 2] for side in (rows, columns)]
        padded = tf.pad(inputs, [[0, 0], *margins, [0, 0]])
        height, width = inputs.shape[1:3]
        places = [padded[:, i : i + height, j : j + width] for i in range(rows) for j in range(columns)]
        of_each = [
            tf.matmul(tf.reshape(place, [-1, channels]), tf.reshape(upstream, [-1, filters]), transpose_a=True)
            for place in places
        ]  # kh * kw of [c, c']
        return of_inputs, tf.reshape(tf.stack(of_each), weights.shape)

    return tf.nn.conv2d(inputs, weights, 1, "SAME"), gradients
