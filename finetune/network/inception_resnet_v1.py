"""Inception-ResNet-v1 as FaceNet built it, unit by unit, in tf-slim.

Szegedy, Ioffe, Vanhoucke and Alemi, "Inception-v4, Inception-ResNet and the Impact of Residual
Connections on Learning" (arXiv:1602.07261), with the widths, paddings and residual scales of
davidsandberg/facenet's `models/inception_resnet_v1.py`. Each unit is a function from the layer
before it to its own output, so that any slice of the network can be built alone.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import tensorflow as tf
import tf_slim as slim

from finetune.architecture import HEAD, SCOPE, UNITS

Layer = Callable[[tf.Tensor], tf.Tensor]
Branch = tuple[tuple[int, int | list[int], str], ...]
"""Convolutions in a row: (filters, kernel, scope)."""

UP = "Conv2d_1x1"
"""Scope of the convolution of a residual unit that brings its branches back to the width of its input."""


def build(unit: str, inputs: tf.Tensor, embedding_size: int, num_classes: int, *, folded: bool = False) -> tf.Tensor:
    """Builds one unit of `UNITS` under its own scope.

    Args:
        unit: its name.
        inputs: what the unit before it gave; images [n, s, s, 3] for the first, [n, c] for the
            last two, [n, h, w, c] for those between.
        embedding_size: width of `Bottleneck`.
        num_classes: width of `Logits`.
        folded: the weights hold the residual scale of `SCALES` already.
    """
    if unit == HEAD:
        return slim.fully_connected(inputs, num_classes, activation_fn=None, normalizer_fn=None, scope=HEAD)
    with tf.compat.v1.variable_scope(SCOPE):
        if unit == "Bottleneck":
            return slim.fully_connected(inputs, embedding_size, activation_fn=None, scope=unit)
        if unit in SCALES:
            return _UNITS[unit](inputs, scale=1.0 if folded else SCALES[unit])
        return _UNITS[unit](inputs)


def _branch(net: tf.Tensor, scope: str, convolutions: Branch) -> tf.Tensor:
    with tf.compat.v1.variable_scope(scope):
        for filters, kernel, name in convolutions:
            net = slim.conv2d(net, filters, kernel, scope=name)
    return net


def _residual(net: tf.Tensor, scope: str, branches: tuple[Branch, ...], scale: float, relu: bool = True) -> tf.Tensor:
    """The branches side by side, brought back to the input's width, scaled and added to it."""
    with tf.compat.v1.variable_scope(scope):
        mixed = tf.concat([_branch(net, f"Branch_{i}", branch) for i, branch in enumerate(branches)], 3)
        width = net.shape[3]
        up = slim.conv2d(mixed, width, 1, normalizer_fn=None, activation_fn=None, scope=UP)
    net += up if scale == 1.0 else scale * up
    return tf.nn.relu(net) if relu else net


def _reduction(net: tf.Tensor, scope: str, branches: tuple[Branch, ...]) -> tf.Tensor:
    """Halves height and width: each branch's last convolution, and a max pool, take every second place."""
    with tf.compat.v1.variable_scope(scope):
        towers = []
        for i, branch in enumerate(branches):
            tower = _branch(net, f"Branch_{i}", branch[:-1])
            filters, kernel, name = branch[-1]
            with tf.compat.v1.variable_scope(f"Branch_{i}"):
                towers.append(slim.conv2d(tower, filters, kernel, stride=2, padding="VALID", scope=name))
        towers.append(
            slim.max_pool2d(net, 3, stride=2, padding="VALID", scope=f"Branch_{len(branches)}/MaxPool_1a_3x3")
        )
    return tf.concat(towers, 3)


_BLOCK35: tuple[Branch, ...] = (
    ((32, 1, "Conv2d_1x1"),),
    ((32, 1, "Conv2d_0a_1x1"), (32, 3, "Conv2d_0b_3x3")),
    ((32, 1, "Conv2d_0a_1x1"), (32, 3, "Conv2d_0b_3x3"), (32, 3, "Conv2d_0c_3x3")),
)
_BLOCK17: tuple[Branch, ...] = (
    ((128, 1, "Conv2d_1x1"),),
    ((128, 1, "Conv2d_0a_1x1"), (128, [1, 7], "Conv2d_0b_1x7"), (128, [7, 1], "Conv2d_0c_7x1")),
)
_BLOCK8: tuple[Branch, ...] = (
    ((192, 1, "Conv2d_1x1"),),
    ((192, 1, "Conv2d_0a_1x1"), (192, [1, 3], "Conv2d_0b_1x3"), (192, [3, 1], "Conv2d_0c_3x1")),
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


def _average_pool(net: tf.Tensor) -> tf.Tensor:
    return tf.squeeze(slim.avg_pool2d(net, net.shape[1:3], stride=1, padding="VALID"), [1, 2])


def _conv(scope: str, filters: int, kernel: int, stride: int = 1, padding: str = "VALID") -> Layer:
    return partial(slim.conv2d, num_outputs=filters, kernel_size=kernel, stride=stride, padding=padding, scope=scope)


# The shapes are those of a 160 x 160 image.
_UNITS: dict[str, Callable[..., tf.Tensor]] = {
    "Conv2d_1a_3x3": _conv("Conv2d_1a_3x3", 32, 3, stride=2),  # 79 x 79 x 32
    "Conv2d_2a_3x3": _conv("Conv2d_2a_3x3", 32, 3),  # 77 x 77 x 32
    "Conv2d_2b_3x3": _conv("Conv2d_2b_3x3", 64, 3, padding="SAME"),  # 77 x 77 x 64
    "MaxPool_3a_3x3": partial(slim.max_pool2d, kernel_size=3, stride=2, padding="VALID"),  # 38 x 38 x 64
    "Conv2d_3b_1x1": _conv("Conv2d_3b_1x1", 80, 1),  # 38 x 38 x 80
    "Conv2d_4a_3x3": _conv("Conv2d_4a_3x3", 192, 3),  # 36 x 36 x 192
    "Conv2d_4b_3x3": _conv("Conv2d_4b_3x3", 256, 3, stride=2),  # 17 x 17 x 256
    "Mixed_6a": partial(_reduction, scope="Mixed_6a", branches=_MIXED_6A),  # 8 x 8 x 896
    "Mixed_7a": partial(_reduction, scope="Mixed_7a", branches=_MIXED_7A),  # 3 x 3 x 1792
    "Block8": partial(_residual, scope="Block8", branches=_BLOCK8, relu=False),  # 3 x 3 x 1792
    "AvgPool_1a_8x8": _average_pool,  # 1792
}
SCALES: dict[str, float] = {"Block8": 1.0}
"""By what each residual unit multiplies its branches before it adds them to its input."""
for _unit in UNITS:
    for _repeat, _branches, _scale in (
        ("Repeat/", _BLOCK35, 0.17),  # 17 x 17 x 256
        ("Repeat_1/", _BLOCK17, 0.10),  # 8 x 8 x 896
        ("Repeat_2/", _BLOCK8, 0.20),  # 3 x 3 x 1792
    ):
        if _unit.startswith(_repeat):
            _UNITS[_unit] = partial(_residual, scope=_unit, branches=_branches)
            SCALES[_unit] = _scale
