"""Variable shapes, unit costs and output shapes of a backbone, found by building it without values."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import NamedTuple

import tensorflow as tf

from finetune.backbones import Backbone
from finetune.network.layers import batch_norm_variables, normalizing, variables_from
from finetune.network.specs import build_unit

USUAL_SIZE = 160
"""Image side in pixels used to trace variable shapes, which do not depend on it."""


class _Trace(NamedTuple):
    variables: Mapping[str, tuple[int, ...]]
    costs: tuple[int, ...]
    outputs: tuple[tuple[int, ...], ...]


def variable_shapes(backbone: Backbone, embedding_size: int, num_classes: int) -> Mapping[str, tuple[int, ...]]:
    """Return the shape of each variable of the whole network, by TF1 name in the order of the units."""
    return _trace(backbone, embedding_size, num_classes, USUAL_SIZE).variables


def multiply_adds(backbone: Backbone, embedding_size: int, num_classes: int, image_size: int) -> tuple[int, ...]:
    """Return the multiply-adds of each unit's forward pass for one image, in the order of the units."""
    return _trace(backbone, embedding_size, num_classes, image_size).costs


def output_shapes(
    backbone: Backbone, embedding_size: int, num_classes: int, image_size: int
) -> tuple[tuple[int, ...], ...]:
    """Return the shape of each unit's output for one image, in the order of the units."""
    return _trace(backbone, embedding_size, num_classes, image_size).outputs


@functools.cache
def _trace(backbone: Backbone, embedding_size: int, num_classes: int, image_size: int) -> _Trace:
    shapes: dict[str, tuple[int, ...]] = {}
    costs, outputs = [], []

    def record(name: str, shape: tuple[int, ...]) -> tf.Tensor:
        shapes[name] = shape
        return tf.compat.v1.placeholder(tf.float32, shape)

    def ask(inputs: tf.Tensor) -> tf.Tensor:
        batch_norm_variables(inputs.shape[-1], backbone.batch_norm)
        return inputs

    widths = {backbone.embedding_unit: embedding_size, backbone.head: num_classes}
    graph = tf.Graph()
    with graph.as_default(), variables_from(record), normalizing(ask):
        net = tf.compat.v1.placeholder(tf.float32, [None, image_size, image_size, 3])
        for unit in backbone.units:
            before = len(graph.get_operations())
            net = build_unit(backbone, unit, net, widths.get(unit.name, 0))
            costs.append(sum(_cost(operation) for operation in graph.get_operations()[before:]))
            outputs.append(tuple(net.shape.as_list()[1:]))
    return _Trace(shapes, tuple(costs), tuple(outputs))


def _cost(operation: tf.Operation) -> int:
    """Return the multiply-adds of a convolution [n, h, w, c] or a matrix product [n, c] for one image."""
    if operation.type not in ("Conv2D", "MatMul"):
        return 0
    kernel, outputs = operation.inputs[1].shape, operation.outputs[0].shape
    places = outputs[1:3].num_elements() if operation.type == "Conv2D" else 1
    return int(places * kernel.num_elements())
