"""The units of a backbone in tf-slim, each a function of the previous unit's output.

Any slice of a network can therefore be built alone.
"""

from __future__ import annotations

import tensorflow as tf
import tf_slim as slim

from finetune.backbones import (
    AveragePool,
    Backbone,
    Branch,
    Convolution,
    Dense,
    Fire,
    Flatten,
    GlobalAveragePool,
    Graph,
    Layer,
    MaxPool,
    Mixed,
    Reduction,
    Residual,
    Unit,
)
from finetune.network.convolution import conv2d
from finetune.network.graph import BatchNormMode, build_graph


def build_unit(
    backbone: Backbone, unit: Unit, inputs: tf.Tensor, width: int = 0, *, batch_norm: BatchNormMode = "stored"
) -> tf.Tensor:
    """Build a unit under its own scope.

    Args:
        backbone: the network.
        unit: unit to build.
        inputs: output of the previous unit: images [n, s, s, 3] for the first one, [n, c] after the
            global pooling, [n, h, w, c] between.
        width: number of outputs of a `Dense` unit.
        batch_norm: how the unit normalizes. With `folded`, the weights hold the scales of residual units too.
    """
    if unit.name == backbone.head:
        return _dense(inputs, unit, width)
    with tf.compat.v1.variable_scope(backbone.scope):
        match unit.made_of:
            case Dense():
                return _dense(inputs, unit, width)
            case GlobalAveragePool():
                pooled = slim.avg_pool2d(inputs, inputs.shape[1:3], stride=1, padding="VALID")  # [n, 1, 1, c]
                return tf.squeeze(pooled, [1, 2])  # [n, c]
            case Flatten():
                return tf.reshape(inputs, [-1, inputs.shape[1:].num_elements()])  # [n, h * w * c]
            case Fire():
                return _fire(inputs, unit.name, unit.made_of)
            case Residual():
                scale = 1.0 if batch_norm == "folded" else unit.made_of.scale
                return _residual(inputs, unit.name, unit.made_of, scale)
            case Reduction():
                return _reduction(inputs, unit.name, unit.made_of)
            case Mixed():
                return _mixed(inputs, unit.name, unit.made_of)
            case Convolution():
                return _layer(inputs, unit.made_of, unit.name)
            case Graph():
                with tf.compat.v1.variable_scope(unit.name):
                    return build_graph(unit.made_of, inputs, batch_norm)
            case _:
                return _layer(inputs, unit.made_of, None)


def _dense(net: tf.Tensor, unit: Unit, width: int) -> tf.Tensor:
    """Build a fully connected layer: [n, c] to [n, width]."""
    assert isinstance(unit.made_of, Dense)
    options = {} if unit.made_of.batch_norm else {"normalizer_fn": None}
    activation = tf.nn.relu if unit.made_of.relu else None
    return slim.fully_connected(net, width, activation_fn=activation, scope=unit.name, **options)


def _layer(net: tf.Tensor, layer: Layer, scope: str | None) -> tf.Tensor:
    """Build a layer: [n, h, w, c] to [n, h', w', c']."""
    if isinstance(layer, Convolution):
        filters, kernel, stride, padding, batch_norm, relu = layer
        options = ({} if batch_norm else {"normalizer_fn": None}) | ({} if relu else {"activation_fn": None})
        return conv2d(net, filters, kernel, stride=stride, padding=padding, scope=scope, **options)
    assert isinstance(layer, MaxPool | AveragePool)
    pool = slim.max_pool2d if isinstance(layer, MaxPool) else slim.avg_pool2d
    return pool(net, layer.kernel, stride=layer.stride, padding=layer.padding, scope=scope)


def _branch(net: tf.Tensor, scope: str, layers: Branch) -> tf.Tensor:
    with tf.compat.v1.variable_scope(scope):
        for name, layer in layers:
            net = _layer(net, layer, name)
    return net


def _residual(net: tf.Tensor, scope: str, unit: Residual, scale: float) -> tf.Tensor:
    with tf.compat.v1.variable_scope(scope):
        mixed = tf.concat([_branch(net, f"Branch_{i}", branch) for i, branch in enumerate(unit.branches)], 3)
        up = conv2d(mixed, net.shape[3], 1, normalizer_fn=None, activation_fn=None, scope=unit.up)
    # This stays outside the scope. Operation names affect TensorFlow's rounding, and results must stay bit-identical.
    net += up if scale == 1.0 else scale * up
    return tf.nn.relu(net) if unit.relu else net


def _fire(net: tf.Tensor, scope: str, unit: Fire) -> tf.Tensor:
    (squeeze, narrow), *expand = unit.layers
    with tf.compat.v1.variable_scope(scope):
        net = _layer(net, narrow, squeeze)
        return tf.concat([_layer(net, layer, name) for name, layer in expand], 3)


def _reduction(net: tf.Tensor, scope: str, unit: Reduction) -> tf.Tensor:
    with tf.compat.v1.variable_scope(scope):
        towers = []
        for i, branch in enumerate(unit.branches):
            tower = _branch(net, f"Branch_{i}", branch[:-1])
            # The scope is opened again because operation names affect rounding: see `_residual`.
            towers.append(_branch(tower, f"Branch_{i}", branch[-1:]))
        towers.append(_layer(net, unit.pool, f"Branch_{len(unit.branches)}/{unit.pool_scope}"))
    return tf.concat(towers, 3)


def _mixed(net: tf.Tensor, scope: str, unit: Mixed) -> tf.Tensor:
    with tf.compat.v1.variable_scope(scope):
        return tf.concat([_branch(net, f"Branch_{i}", branch) for i, branch in enumerate(unit.branches)], 3)
