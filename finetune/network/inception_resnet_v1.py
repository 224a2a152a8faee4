"""Inception-ResNet-v1 as FaceNet built it, unit by unit: what each one is made of, and the same in tf-slim.

Szegedy, Ioffe, Vanhoucke and Alemi, "Inception-v4, Inception-ResNet and the Impact of Residual
Connections on Learning" (arXiv:1602.07261), with the widths, paddings and residual scales of
davidsandberg/facenet's `models/inception_resnet_v1.py`. Each unit is a function from the layer
before it to its own output, so that any slice of the network can be built alone.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf
import tf_slim as slim

from finetune.architecture import HEAD, SCOPE, UNITS

Branch = tuple[tuple[int, int | tuple[int, int], str], ...]
"""Convolutions in a row: (filters, kernel, scope)."""

UP = "Conv2d_1x1"
"""Scope of the convolution of a residual unit that brings its branches back to the width of its input."""


class Convolution(NamedTuple):
    """A unit that is one convolution."""

    filters: int
    kernel: int
    stride: int = 1
    padding: str = "VALID"


class Residual(NamedTuple):
    """Branches side by side, brought back to the input's width, multiplied by `scale` and added to it."""

    branches: tuple[Branch, ...]
    scale: float
    relu: bool = True


class Reduction(NamedTuple):
    """Halves height and width: each branch's last convolution, and a max pool, take every second place."""

    branches: tuple[Branch, ...]


class MaxPool(NamedTuple):
    """The largest of 3 x 3 places, at every second one."""


class AveragePool(NamedTuple):
    """The mean over all places."""


Unit = Convolution | Residual | Reduction | MaxPool | AveragePool

_BLOCK35: tuple[Branch, ...] = (
    ((32, 1, "Conv2d_1x1"),),
    ((32, 1, "Conv2d_0a_1x1"), (32, 3, "Conv2d_0b_3x3")),
    ((32, 1, "Conv2d_0a_1x1"), (32, 3, "Conv2d_0b_3x3"), (32, 3, "Conv2d_0c_3x3")),
)
_BLOCK17: tuple[Branch, ...] = (
    ((128, 1, "Conv2d_1x1"),),
    ((128, 1, "Conv2d_0a_1x1"), (128, (1, 7), "Conv2d_0b_1x7"), (128, (7, 1), "Conv2d_0c_7x1")),
)
_BLOCK8: tuple[Branch, ...] = (
    ((192, 1, "Conv2d_1x1"),),
    ((192, 1, "Conv2d_0a_1x1"), (192, (1, 3), "Conv2d_0b_1x3"), (192, (3, 1), "Conv2d_0c_3x1")),
)
_MIXED_6A: tuple[Branch, ...] = (
    ((384, 3, "Conv2d_1a_3x3"),),
    ((192, 1, "Conv2d_0a_1x1"), (192, 3, "Conv2d_0b_3x3"), (256, 3, "Conv2d_1a_3x3")),
)
_MIXED_7A: tuple[Branch, ...] = (
    ((256, 1, "Conv2d_0a_1x1"), (384, 3, "Conv2d_1a_3x3")),
    ((256, 1, "Conv2d_0a_1x1"), (256, 3, "Conv2d_1a_3x3")),
    ((256, 1, "Conv2d_0a_1x1"), (256, 3, "Conv2d_0b_3x3"), (256, 3, "Conv2d_1a_3x3")),
)

# The shapes are those of a 160 x 160 image.
_BY_NAME: dict[str, Unit] = {
    "Conv2d_1a_3x3": Convolution(32, 3, stride=2),  # 79 x 79 x 32
    "Conv2d_2a_3x3": Convolution(32, 3),  # 77 x 77 x 32
    "Conv2d_2b_3x3": Convolution(64, 3, padding="SAME"),  # 77 x 77 x 64
    "MaxPool_3a_3x3": MaxPool(),  # 38 x 38 x 64
    "Conv2d_3b_1x1": Convolution(80, 1),  # 38 x 38 x 80
    "Conv2d_4a_3x3": Convolution(192, 3),  # 36 x 36 x 192
    "Conv2d_4b_3x3": Convolution(256, 3, stride=2),  # 17 x 17 x 256
    "Repeat": Residual(_BLOCK35, 0.17),  # 17 x 17 x 256
    "Mixed_6a": Reduction(_MIXED_6A),  # 8 x 8 x 896
    "Repeat_1": Residual(_BLOCK17, 0.10),  # 8 x 8 x 896
    "Mixed_7a": Reduction(_MIXED_7A),  # 3 x 3 x 1792
    "Repeat_2": Residual(_BLOCK8, 0.20),  # 3 x 3 x 1792
    "Block8": Residual(_BLOCK8, 1.0, relu=False),  # 3 x 3 x 1792
    "AvgPool_1a_8x8": AveragePool(),  # 1792
}
LAYERS: dict[str, Unit] = {name: _BY_NAME[name.split("/")[0]] for name in UNITS if name not in ("Bottleneck", HEAD)}
"""What each unit of `UNITS` is made of, but for the last two, which are fully connected."""


def build(unit: str, inputs: tf.Tensor, embedding_size: int, num_classes: int, *, folded: bool = False) -> tf.Tensor:
    """Builds one unit of `UNITS` under its own scope.

    Args:
        unit: its name.
        inputs: what the unit before it gave; images [n, s, s, 3] for the first, [n, c] for the
            last two, [n, h, w, c] for those between.
        embedding_size: width of `Bottleneck`.
        num_classes: width of `Logits`.
        folded: the weights hold the scales of residual units already.
    """
    if unit == HEAD:
        return slim.fully_connected(inputs, num_classes, activation_fn=None, normalizer_fn=None, scope=HEAD)
    with tf.compat.v1.variable_scope(SCOPE):
        if unit == "Bottleneck":
            return slim.fully_connected(inputs, embedding_size, activation_fn=None, scope=unit)
        layers = LAYERS[unit]
        if isinstance(layers, Convolution):
            filters, kernel, stride, padding = layers
            return slim.conv2d(inputs, filters, kernel, stride=stride, padding=padding, scope=unit)
        if isinstance(layers, MaxPool):
            return slim.max_pool2d(inputs, 3, stride=2, padding="VALID")
        if isinstance(layers, AveragePool):
            return tf.squeeze(slim.avg_pool2d(inputs, inputs.shape[1:3], stride=1, padding="VALID"), [1, 2])
        if isinstance(layers, Reduction):
            return _reduction(inputs, unit, layers.branches)
        return _residual(inputs, unit, layers, 1.0 if folded else layers.scale)


def _branch(net: tf.Tensor, scope: str, convolutions: Branch) -> tf.Tensor:
    with tf.compat.v1.variable_scope(scope):
        for filters, kernel, name in convolutions:
            net = slim.conv2d(net, filters, kernel, scope=name)
    return net


def _residual(net: tf.Tensor, scope: str, unit: Residual, scale: float) -> tf.Tensor:
    with tf.compat.v1.variable_scope(scope):
        mixed = tf.concat([_branch(net, f"Branch_{i}", branch) for i, branch in enumerate(unit.branches)], 3)
        up = slim.conv2d(mixed, net.shape[3], 1, normalizer_fn=None, activation_fn=None, scope=UP)
    # Outside the scope: TensorFlow rounds otherwise by the names of operations, and bytes are to stay what they were.
    net += up if scale == 1.0 else scale * up
    return tf.nn.relu(net) if unit.relu else net


def _reduction(net: tf.Tensor, scope: str, branches: tuple[Branch, ...]) -> tf.Tensor:
    with tf.compat.v1.variable_scope(scope):
        towers = []
        for i, branch in enumerate(branches):
            tower = _branch(net, f"Branch_{i}", branch[:-1])
            filters, kernel, name = branch[-1]
            with tf.compat.v1.variable_scope(f"Branch_{i}"):
                towers.append(slim.conv2d(tower, filters, kernel, stride=2, padding="VALID", scope=name))
        pool = f"Branch_{len(branches)}/MaxPool_1a_3x3"
        towers.append(slim.max_pool2d(net, 3, stride=2, padding="VALID", scope=pool))
    return tf.concat(towers, 3)
