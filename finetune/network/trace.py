"""Unit costs and output shapes of a backbone, found by building it without values."""

from __future__ import annotations

import functools
from typing import NamedTuple

import tensorflow as tf

from finetune.backbones import Backbone, Dense
from finetune.network.layers import batch_norm_variables, normalizing, variables_from
from finetune.network.specs import build_unit

Shape = tuple[int, int, int]
"""Height, width and number of channels of an image."""


class _Trace(NamedTuple):
    costs: tuple[int, ...]
    outputs: tuple[tuple[int, ...], ...]


def multiply_adds(backbone: Backbone, embedding_size: int, num_classes: int, image: Shape) -> tuple[int, ...]:
    """Return the multiply-adds of each unit's forward pass for one image [h, w, c], in the order of the units."""
    return _trace(backbone, embedding_size, num_classes, image).costs


def output_shapes(
    backbone: Backbone, embedding_size: int, num_classes: int, image: Shape
) -> tuple[tuple[int, ...], ...]:
    """Return the shape of each unit's output for one image [h, w, c], in the order of the units."""
    return _trace(backbone, embedding_size, num_classes, image).outputs


@functools.cache
def _trace(backbone: Backbone, embedding_size: int, num_classes: int, image: Shape) -> _Trace:
    costs, outputs = [], []

    def stand_in(_: str, shape: tuple[int, ...]) -> tf.Tensor:
        return tf.compat.v1.placeholder(tf.float32, shape)

    def ask(inputs: tf.Tensor) -> tf.Tensor:
        batch_norm_variables(inputs.shape[-1], backbone.batch_norm)
        return inputs

    widths = {backbone.embedding_unit: embedding_size, backbone.head: num_classes}
    graph = tf.Graph()
    with graph.as_default(), variables_from(stand_in), normalizing(ask):
        net = tf.compat.v1.placeholder(tf.float32, [None, *image])
        for unit in backbone.units:
            before = len(graph.get_operations())
            width = unit.made_of.width if isinstance(unit.made_of, Dense) else None
            net = build_unit(backbone, unit, net, width or widths.get(unit.name, 0))
            costs.append(sum(_cost(operation) for operation in graph.get_operations()[before:]))
            outputs.append(tuple(net.shape.as_list()[1:]))
    return _Trace(tuple(costs), tuple(outputs))


def _cost(operation: tf.Operation) -> int:
    """Return the multiply-adds of a convolution [n, h, w, c] or a matrix product [n, c] for one image."""
    if operation.type not in ("Conv2D", "DepthwiseConv2dNative", "MatMul"):
        return 0
    kernel, outputs = operation.inputs[1].shape, operation.outputs[0].shape
    places = 1 if operation.type == "MatMul" else outputs[1:3].num_elements()
    return int(places * kernel.num_elements())
