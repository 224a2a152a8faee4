"""The layers of a graph in Keras's own layers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import keras
import numpy as np

from finetune.backbones import Graph, layer_kinds as kinds, variable_sizes

Tensor: TypeAlias = Any
"""Keras tensor; Keras has no types for it."""
KEYWORDS: Mapping[str, str] = {
    "kernel": "kernel_size",
    "dilation": "dilation_rate",
    "pool": "pool_size",
    "function": "activation",
}
"""Keras's names of settings that are named otherwise here."""


def build(graph: Graph, net: Tensor, tensors: Mapping[str, np.ndarray], scope: str) -> tuple[Tensor, list[Any]]:
    """Build the layers of a unit.

    Args:
        graph: layers of the unit.
        net: output of the previous unit.
        tensors: values by TF1 name.
        scope: scope of the unit.

    Returns:
        Output of the last layer, and each layer with variables beside their values in Keras's order.
    """
    outputs, values = {"": net}, []
    for node in graph.nodes:
        layer = _layer(node.layer, node.name, outputs[node.inputs[0]].shape)
        nets = [outputs[name] for name in node.inputs]
        outputs[node.name] = layer(nets if isinstance(node.layer, kinds.Merge) else nets[0])
        names = variable_sizes(node.layer, 1)
        if names:
            values.append((layer, [tensors[f"{scope}/{node.name}/{name}"] for name in names]))
    return outputs[graph.nodes[-1].name], values


def _layer(kind: kinds.LayerKind, name: str, shape: Sequence[int | None]) -> keras.Layer:
    """Return the layer of a kind.

    Args:
        kind: kind with its settings.
        name: name of the layer.
        shape: shape of its first input.
    """
    settings: dict[str, Any] = {
        KEYWORDS.get(field.name, field.name): getattr(kind, field.name) for field in dataclasses.fields(kind)
    }
    match kind:
        case kinds.LayerScale() | kinds.CustomScaleLayer():
            return _of_applications(kind, name, shape)
        case kinds.PReLU():
            return keras.layers.PReLU(shared_axes=[1, 2], name=name)
        case kinds.Identity():
            return keras.layers.Identity(name=name)
        case kinds.Rescaling():
            scale, offset = ([*one] if len(one) > 1 else one[0] for one in (kind.scale, kind.offset))
            return keras.layers.Rescaling(scale, offset, name=name)
        case kinds.Dense():
            return keras.layers.Dense(kind.units, kind.activation, use_bias=kind.use_bias, name=name)
        case kinds.Normalization():
            return keras.layers.Normalization(axis=-1, mean=kind.mean, variance=kind.variance, name=name)
    make: Callable[..., keras.Layer] = getattr(keras.layers, type(kind).__name__)
    return make(**settings, name=name)


def _of_applications(
    kind: kinds.LayerScale | kinds.CustomScaleLayer, name: str, shape: Sequence[int | None]
) -> keras.Layer:
    """Return a layer that only `keras.applications` has. Keras finds it again when it loads a file."""
    if isinstance(kind, kinds.LayerScale):
        from keras.src.applications.convnext import LayerScale

        return LayerScale(1e-6, shape[-1], name=name)
    from keras.src.applications.inception_resnet_v2 import CustomScaleLayer

    return CustomScaleLayer(kind.scale, name=name)
