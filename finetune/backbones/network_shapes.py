"""The shape of each variable of a network, computed from its units. The names are those that tf-slim gives."""

from __future__ import annotations

import math
from collections.abc import Iterable

from finetune.backbones.backbone import Backbone, Unit
from finetune.backbones.graph import Graph
from finetune.backbones.layer_shapes import graph_shapes, graph_variables
from finetune.backbones.specs import (
    BatchNorm,
    Branch,
    Convolution,
    Dense,
    Fire,
    Flatten,
    GlobalAveragePool,
    Layer,
    Mixed,
    Reduction,
    Residual,
)

Sizes = tuple[int, ...]
"""Height, width and channels of an output, or its number of values."""
Variables = dict[str, Sizes]


def variable_shapes(
    backbone: Backbone, embedding_size: int, num_classes: int, image: tuple[int, int, int] | None = None
) -> Variables:
    """Return the shape of each variable of the whole network, by TF1 name in the order of the units.

    Args:
        backbone: the network.
        embedding_size: number of values in an embedding.
        num_classes: number of classes of the head.
        image: shape of one image; by default, that of a training from scratch. Only the first layer depends on the
            channels, and only a layer after `Flatten` on the sides.

    Raises:
        ValueError: the image is too small for a layer.
    """
    found: Variables = {}
    net: Sizes = image or backbone.image_shape
    widths = {backbone.embedding_unit: embedding_size, backbone.head: num_classes}
    for unit in backbone.units:
        scope = backbone.scope_of(unit.name)
        variables, net = _unit(unit, net, backbone.batch_norm, widths.get(unit.name, 0))
        found |= {f"{scope}/{name}": sizes for name, sizes in variables.items()}
    return found


def _unit(unit: Unit, net: Sizes, norm: BatchNorm, width: int) -> tuple[Variables, Sizes]:
    """Return the variables of a unit by their names below its scope, and the sizes of its output."""
    match unit.made_of:
        case Dense(batch_norm, _, fixed):
            filters = fixed or width
            return _weights((net[-1], filters), norm if batch_norm else None), (filters,)
        case GlobalAveragePool():
            return {}, net[-1:]
        case Flatten():
            return {}, (math.prod(net),)
        case Fire():
            first, *expand = unit.made_of.layers
            variables, net = _branch((first,), net, norm)
            more, net = _side_by_side([(layer,) for layer in expand], ("", ""), net, norm)
            return variables | more, net
        case Mixed(branches):
            return _side_by_side(branches, _numbered(branches), net, norm)
        case Reduction(branches):
            variables, (*sides, channels) = _side_by_side(branches, _numbered(branches), net, norm)
            return variables, (*sides, channels + net[-1])
        case Residual(branches):
            variables, (*_, channels) = _side_by_side(branches, _numbered(branches), net, norm)
            up = _weights((1, 1, channels, net[-1]), None)
            return variables | {f"{unit.made_of.up}/{name}": sizes for name, sizes in up.items()}, net
        case Graph():
            shape = graph_shapes(unit.made_of, net)[unit.made_of.nodes[-1].name]
            return graph_variables(unit.made_of, net), tuple(side or 0 for side in shape)
        case layer:
            return _layer(layer, net, norm)


def _numbered(branches: tuple[Branch, ...]) -> list[str]:
    return [f"Branch_{i}/" for i in range(len(branches))]


def _side_by_side(
    branches: Iterable[Branch], scopes: Iterable[str], net: Sizes, norm: BatchNorm
) -> tuple[Variables, Sizes]:
    """Return the variables of parallel branches under their scopes, and the sizes of the concatenated outputs."""
    found: Variables = {}
    channels = 0
    for scope, branch in zip(scopes, branches, strict=True):
        variables, (*sides, more) = _branch(branch, net, norm)
        found |= {scope + name: sizes for name, sizes in variables.items()}
        channels += more
    return found, (*sides, channels)


def _branch(branch: Branch, net: Sizes, norm: BatchNorm) -> tuple[Variables, Sizes]:
    """Return the variables of layers that follow one another, and the sizes of the last output."""
    found: Variables = {}
    for name, layer in branch:
        variables, net = _layer(layer, net, norm)
        found |= {f"{name}/{variable}": sizes for variable, sizes in variables.items()}
    return found, net


def _layer(layer: Layer, net: Sizes, norm: BatchNorm) -> tuple[Variables, Sizes]:
    """Return the variables of a layer, and the sizes of its output: (h, w, c) to (h', w', c')."""
    kernel = layer.kernel if isinstance(layer.kernel, tuple) else (layer.kernel, layer.kernel)
    reach = kernel if layer.padding == "VALID" else (1, 1)
    if any(side < window for side, window in zip(net, reach, strict=False)):
        raise ValueError(f"a window of {kernel} for {net[:2]} places")
    sides = tuple(-(-(side - window + 1) // layer.stride) for side, window in zip(net, reach, strict=False))
    if not isinstance(layer, Convolution):
        return {}, (*sides, net[-1])
    weights = _weights((*kernel, net[-1], layer.filters), norm if layer.batch_norm else None)
    return weights, (*sides, layer.filters)


def _weights(sizes: Sizes, norm: BatchNorm | None) -> Variables:
    """Return a layer's weights with their biases, or with the variables of the batch normalization after them."""
    if norm is None:
        return {"weights": sizes, "biases": sizes[-1:]}
    names = ("beta", *(["gamma"] if norm.gamma else []), "moving_mean", "moving_variance")
    return {"weights": sizes} | {f"BatchNorm/{name}": sizes[-1:] for name in names}
