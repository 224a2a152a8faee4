"""The graph of a unit in TensorFlow, over variables that already exist.

Each layer computes what Keras's layer of that name computes. Keras's own layers are not used: they would make their
own variables, and decide by a flag whether statistics move.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import tensorflow as tf

from finetune.backbones import Graph, foldable, folded_graph, layer_kinds as kinds, variable_sizes
from finetune.network.graph_layers import compute
from finetune.network.graph_norms import batch_norm_by_batch, normalize

BatchNormMode: TypeAlias = Literal["folded", "stored", "train"]
IN_FLOAT32 = (kinds.BatchNormalization, kinds.LayerNormalization, kinds.Normalization)
"""Kinds of layers that compute in float32 at any precision."""


def build_graph(graph: Graph, inputs: tf.Tensor, batch_norm: BatchNormMode) -> tf.Tensor:
    """Build the graph of a unit inside its variable scope, which the caller has opened.

    Args:
        graph: layers of the unit.
        inputs: output of the previous unit, [n, h, w, c] or [n, c].
        batch_norm: how the unit normalizes. `folded` takes the variables that `fold_graph` has made. `stored` uses the
            stored statistics in a separate operation. `train` uses the batch statistics and moves the stored ones
            toward them.

    Returns:
        Output of the last layer, of the type of `inputs`.
    """
    inputs = tf.convert_to_tensor(inputs)
    built = folded_graph(graph) if batch_norm == "folded" else graph
    outputs = {"": inputs}
    for node in built.nodes:
        nets = [outputs[name] for name in node.inputs]
        dtype = tf.float32 if isinstance(node.layer, IN_FLOAT32) else inputs.dtype
        sizes = variable_sizes(node.layer, nets[0].shape[-1])
        with tf.name_scope(node.name):
            variables = {
                name: tf.compat.v1.get_variable(f"{node.name}/{name}", size, dtype) for name, size in sizes.items()
            }
            outputs[node.name] = tf.cast(_output(node.layer, nets, variables, batch_norm), inputs.dtype)
    return outputs[built.nodes[-1].name]


def _output(
    layer: kinds.LayerKind, nets: Sequence[tf.Tensor], variables: Mapping[str, Any], batch_norm: BatchNormMode
) -> tf.Tensor:
    """Return the output of a layer, in the type that it computes in."""
    if isinstance(layer, kinds.BatchNormalization) and batch_norm == "train":
        return batch_norm_by_batch(layer, nets[0], variables)
    if isinstance(layer, IN_FLOAT32):
        return normalize(layer, tf.cast(nets[0], tf.float32), variables)
    return compute(layer, nets, variables)


def fold_graph(graph: Graph, scope: str, variables: Mapping[str, Any]) -> dict[str, Any]:
    """Fold the frozen batch normalization of a unit into the layers before it, as far as `foldable` says.

    The stored statistics and gamma scale each output channel of the layer's kernel. Its bias replaces beta and the
    mean. The factors are computed in float64. Gradients pass through to kernel, bias, gamma and beta.

    Args:
        graph: layers of the unit.
        scope: variable scope of the unit.
        variables: variables by TF1 name. Those of other units are returned as they are.

    Returns:
        Tensors by TF1 name, without the variables of folded batch normalization.
    """
    folded = dict(variables)
    layers = {node.name: node.layer for node in graph.nodes}
    for norm, source in foldable(graph).items():
        if f"{scope}/{norm}/moving_variance" not in variables:
            continue  # the unit is not among the variables
        settings, layer = layers[norm], layers[source]
        assert isinstance(settings, kinds.BatchNormalization)
        stored = {
            name: tf.cast(folded.pop(f"{scope}/{norm}/{name}"), tf.float64) for name in variable_sizes(settings, 0)
        }
        factor = stored.get("gamma", 1.0) / tf.sqrt(stored["moving_variance"] + settings.epsilon)  # [channels]
        bias = -stored["moving_mean"]
        if f"{scope}/{source}/bias" in folded:
            bias += tf.cast(folded[f"{scope}/{source}/bias"], tf.float64)
        folded[f"{scope}/{source}/bias"] = tf.cast(bias * factor + stored.get("beta", 0.0), tf.float32)
        kernel = f"{scope}/{source}/{'pointwise_kernel' if isinstance(layer, kinds.SeparableConv2D) else 'kernel'}"
        if isinstance(layer, kinds.DepthwiseConv2D):
            factor = tf.reshape(factor, [-1, layer.depth_multiplier])  # [channels, multiplier], as in the kernel
        folded[kernel] = folded[kernel] * tf.cast(factor, tf.float32)
    return folded
