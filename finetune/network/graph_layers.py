"""The layers of a graph in TensorFlow, but the normalizations."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from finetune.backbones import layer_kinds as kinds, output_shape

FUNCTIONS: Mapping[kinds.Function, Callable[[tf.Tensor], tf.Tensor]] = {
    "linear": tf.identity,
    "relu": tf.nn.relu,
    "relu6": tf.nn.relu6,
    "leaky_relu": tf.nn.leaky_relu,
    "elu": tf.nn.elu,
    "selu": tf.nn.selu,
    "silu": tf.nn.silu,
    "gelu": lambda net: 0.5 * net * (1.0 + tf.math.erf(net * 0.5**0.5)),
    "tanh": tf.nn.tanh,
    "sigmoid": tf.nn.sigmoid,
    "hard_sigmoid": lambda net: tf.nn.relu6(net + 3.0) / 6.0,
    "hard_silu": lambda net: net * (tf.nn.relu6(net + 3.0) / 6.0),
}
"""The activation functions. GELU is the exact one, as in Keras. It is written with `erf`, which ONNX has too."""


def compute(layer: kinds.LayerKind, nets: Sequence[tf.Tensor], variables: Mapping[str, Any]) -> tf.Tensor:
    """Return the output of a layer that does not normalize.

    Args:
        layer: kind of the layer.
        nets: its inputs, [n, h, w, c] or [n, c].
        variables: variables of the layer by Keras's name.
    """
    net = nets[0]
    match layer:
        case kinds.Conv2D() | kinds.DepthwiseConv2D() | kinds.SeparableConv2D() | kinds.Dense():
            return _with_kernel(layer, net, variables)
        case kinds.Activation():
            return FUNCTIONS[layer.function](net)
        case kinds.ReLU():
            return _relu(layer, net)
        case kinds.PReLU():
            return tf.nn.relu(net) - variables["alpha"] * tf.nn.relu(-net)
        case kinds.LayerScale():
            return net * variables["gamma"]
        case kinds.Rescaling():
            return net * tf.constant(layer.scale, net.dtype) + tf.constant(layer.offset, net.dtype)
        case kinds.Reshape() | kinds.Flatten():
            return tf.reshape(net, [-1, *output_shape(layer, [tuple(net.shape[1:])])])  # [n, …]
        case kinds.Identity():
            return net
        case kinds.Add() | kinds.Multiply() | kinds.Average() | kinds.Maximum():
            return _merge(layer, nets)
        case kinds.Concatenate():
            return tf.concat(nets, -1)
        case kinds.CustomScaleLayer():
            return nets[0] + layer.scale * nets[1]
        case _:
            return _over_places(layer, net)


def _with_kernel(layer: kinds.Kernel, net: tf.Tensor, variables: Mapping[str, Any]) -> tf.Tensor:
    """Return the output of a layer with a kernel, with its bias and its activation function."""
    match layer:
        case kinds.Conv2D(groups=1):
            net = tf.nn.conv2d(net, variables["kernel"], layer.strides, layer.padding.upper(), dilations=layer.dilation)
        case kinds.Conv2D():
            net = _grouped(layer, net, variables["kernel"])
        case kinds.DepthwiseConv2D():
            net = _depthwise(layer, net, variables["kernel"])
        case kinds.SeparableConv2D():
            net = _depthwise(layer, net, variables["depthwise_kernel"])
            net = tf.nn.conv2d(net, variables["pointwise_kernel"], 1, "VALID")
        case kinds.Dense() if net.shape.rank == 4:
            net = tf.nn.conv2d(net, variables["kernel"][tf.newaxis, tf.newaxis], 1, "VALID")  # [n, h, w, units]
        case kinds.Dense():
            net = tf.tensordot(net, variables["kernel"], 1) if net.shape.rank > 2 else net @ variables["kernel"]
    if layer.use_bias:
        net = tf.nn.bias_add(net, variables["bias"])
    return net if layer.activation == "linear" else FUNCTIONS[layer.activation](net)


def _depthwise(layer: kinds.DepthwiseConv2D | kinds.SeparableConv2D, net: tf.Tensor, kernel: Any) -> tf.Tensor:
    strides = [1, *layer.strides, 1]
    return tf.nn.depthwise_conv2d(net, kernel, strides, layer.padding.upper(), dilations=layer.dilation)


def _grouped(layer: kinds.Conv2D, net: tf.Tensor, kernel: Any) -> tf.Tensor:
    """Return a convolution in groups. TensorFlow has no gradient for it on CPUs, and so it is done in other ways."""
    if net.shape[-1] == layer.groups and layer.strides[0] == layer.strides[1]:
        # The kernel [h, w, 1, filters] becomes the depthwise one, [h, w, channels, filters per channel].
        kernel = tf.reshape(kernel, [*layer.kernel, layer.groups, -1])
        strides = [1, *layer.strides, 1]
        return tf.nn.depthwise_conv2d(net, kernel, strides, layer.padding.upper(), dilations=layer.dilation)
    parts = zip(tf.split(net, layer.groups, -1), tf.split(kernel, layer.groups, -1), strict=True)
    padding = layer.padding.upper()
    return tf.concat([tf.nn.conv2d(*part, layer.strides, padding, dilations=layer.dilation) for part in parts], -1)


def _relu(layer: kinds.ReLU, net: tf.Tensor) -> tf.Tensor:
    positive = tf.nn.relu(net) if layer.max_value is None else tf.clip_by_value(net, 0.0, layer.max_value)
    return positive - layer.negative_slope * tf.nn.relu(-net) if layer.negative_slope else positive


def _merge(layer: kinds.Merge, nets: Sequence[tf.Tensor]) -> tf.Tensor:
    """Merge the inputs, two by two."""
    merged = functools.reduce({kinds.Multiply: tf.multiply, kinds.Maximum: tf.maximum}.get(type(layer), tf.add), nets)
    return merged / len(nets) if isinstance(layer, kinds.Average) else merged


def _over_places(layer: kinds.LayerKind, net: tf.Tensor) -> tf.Tensor:
    """Return the output of a layer without variables that works on places, [n, h, w, c]."""
    match layer:
        case kinds.MaxPooling2D():
            return tf.nn.max_pool2d(net, layer.pool, layer.strides, layer.padding.upper())
        case kinds.AveragePooling2D():
            return tf.nn.avg_pool2d(net, layer.pool, layer.strides, layer.padding.upper())
        case kinds.GlobalAveragePooling2D():
            return tf.reduce_mean(
                tf.cast(net, tf.float32), [1, 2], keepdims=layer.keepdims
            )  # [n, c], summed in float32
        case kinds.GlobalMaxPooling2D():
            return tf.reduce_max(net, [1, 2], keepdims=layer.keepdims)  # [n, c]
        case kinds.ZeroPadding2D():
            return tf.pad(net, [(0, 0), *layer.padding, (0, 0)])
        case kinds.Cropping2D():
            (top, bottom), (left, right) = layer.cropping
            return net[:, top : net.shape[1] - bottom, left : net.shape[2] - right, :]
    raise TypeError(f"no such layer: {layer}")
