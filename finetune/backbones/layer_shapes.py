"""The shapes of a layer's variables and of its output, without the axis of the batch."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from finetune.backbones.graph import Graph
from finetune.backbones.layer_kinds import (
    AveragePooling2D,
    BatchNormalization,
    Concatenate,
    Conv2D,
    Cropping2D,
    CustomScaleLayer,
    Dense,
    DepthwiseConv2D,
    Flatten,
    GlobalAveragePooling2D,
    GlobalMaxPooling2D,
    LayerKind,
    LayerNormalization,
    LayerScale,
    MaxPooling2D,
    Merge,
    Normalization,
    PReLU,
    Rescaling,
    Reshape,
    SeparableConv2D,
    Size,
    ZeroPadding2D,
)

Shape: TypeAlias = tuple[int | None, ...]
"""Sizes of the axes; None where a size depends on that of the image."""
UNKNOWN_WEIGHTS = "has weights whose number depends on the size of the image, which is left open"
LARGEST_IMAGE = 4096
"""Largest image side in pixels that is tried."""


def variable_sizes(layer: LayerKind, channels: int) -> dict[str, tuple[int, ...]]:
    """Return the shape of each variable of a layer, by Keras's name, for an input with so many channels."""
    match layer:
        case Conv2D():
            kernels = {"kernel": (*layer.kernel, channels // layer.groups, layer.filters)}
            return kernels | _bias(layer.use_bias, layer.filters)
        case DepthwiseConv2D():
            kernels = {"kernel": (*layer.kernel, channels, layer.depth_multiplier)}
            return kernels | _bias(layer.use_bias, channels * layer.depth_multiplier)
        case SeparableConv2D():
            kernels = {
                "depthwise_kernel": (*layer.kernel, channels, layer.depth_multiplier),
                "pointwise_kernel": (1, 1, channels * layer.depth_multiplier, layer.filters),
            }
            return kernels | _bias(layer.use_bias, layer.filters)
        case Dense():
            return {"kernel": (channels, layer.units)} | _bias(layer.use_bias, layer.units)
        case BatchNormalization() | LayerNormalization():
            names = ["gamma"] * layer.scale + ["beta"] * layer.center
            if isinstance(layer, BatchNormalization):
                names += ["moving_mean", "moving_variance"]
            return dict.fromkeys(names, (channels,))
        case Normalization(None, None):
            return {"mean": (channels,), "variance": (channels,)}
        case LayerScale():
            return {"gamma": (channels,)}
        case PReLU():
            return {"alpha": (1, 1, channels)}
        case _:
            return {}


def variable_names(graph: Graph) -> tuple[str, ...]:
    """Return the names of all variables of a unit, `LAYER/kernel` and so on, in the order of its layers."""
    return tuple(f"{node.name}/{name}" for node in graph.nodes for name in variable_sizes(node.layer, 1))


def _bias(use_bias: bool, channels: int) -> dict[str, tuple[int, ...]]:  # noqa: FBT001
    return {"bias": (channels,)} if use_bias else {}


def output_shape(layer: LayerKind, inputs: Sequence[Shape]) -> Shape:
    """Return the shape of a layer's output.

    Args:
        layer: kind of the layer.
        inputs: shapes of its inputs.

    Raises:
        ValueError: the layer can't take inputs of these shapes; the message says why.
    """
    if isinstance(layer, Merge):
        return _merged(layer, inputs)
    if len(inputs) != 1:
        raise ValueError(f"takes one input, not {len(inputs)}")
    (shape,) = inputs
    match layer:
        case Dense():
            return (*shape[:-1], layer.units)
        case Flatten():
            return (None,) if None in shape else (_product(shape),)
        case Reshape():
            return _reshaped(layer.target_shape, shape)
        case Normalization(tuple() as first, tuple() as second) | Rescaling(first, second):
            counts = {len(first), len(second)} - {1, shape[-1]}
            if counts:
                raise ValueError(f"has {counts.pop()} numbers for {shape[-1]} channels")
    if not isinstance(layer, _OVER_PLACES):
        return shape
    if len(shape) != 3:
        raise ValueError(f"takes feature maps [h, w, c], not {_shown(shape)}")
    return _over_places(layer, shape)


_OVER_PLACES = (
    Conv2D | DepthwiseConv2D | SeparableConv2D | MaxPooling2D | AveragePooling2D | ZeroPadding2D | Cropping2D | PReLU
) | (GlobalAveragePooling2D | GlobalMaxPooling2D)


def _over_places(layer: LayerKind, shape: Shape) -> Shape:
    """Return the output's shape of a layer that works on places: (h, w, c) to (h', w', c'), or to (c)."""
    height, width, channels = shape
    match layer:
        case GlobalAveragePooling2D() | GlobalMaxPooling2D():
            return (1, 1, channels) if layer.keepdims else (channels,)
        case ZeroPadding2D():
            (top, bottom), (left, right) = layer.padding
            return _at_least_one(height, top + bottom), _at_least_one(width, left + right), channels
        case Cropping2D():
            (top, bottom), (left, right) = layer.cropping
            return _at_least_one(height, -top - bottom), _at_least_one(width, -left - right), channels
        case MaxPooling2D() | AveragePooling2D():
            return *_strided(layer, layer.pool, shape), channels
        case Conv2D():
            if channels is not None and (channels % layer.groups or layer.filters % layer.groups):
                raise ValueError(f"has {layer.groups} groups for {channels} channels and {layer.filters} filters")
            return *_strided(layer, layer.kernel, shape), layer.filters
        case SeparableConv2D():
            return *_strided(layer, layer.kernel, shape), layer.filters
        case DepthwiseConv2D():
            depth = None if channels is None else channels * layer.depth_multiplier
            return *_strided(layer, layer.kernel, shape), depth
        case _:
            return shape


Strided: TypeAlias = Conv2D | DepthwiseConv2D | SeparableConv2D | MaxPooling2D | AveragePooling2D


def _strided(layer: Strided, window: Size, shape: Shape) -> tuple[int | None, int | None]:
    """Return height and width after a window has moved over an image."""
    dilation = (1, 1) if isinstance(layer, MaxPooling2D | AveragePooling2D) else layer.dilation

    def places(axis: int) -> int | None:
        size = shape[axis]
        if size is None:
            return None
        reach = 0 if layer.padding == "same" else (window[axis] - 1) * dilation[axis]
        if size <= reach:
            raise ValueError(f"has a window of {reach + 1} for {size} places")
        return -(-(size - reach) // layer.strides[axis])

    return places(0), places(1)


def _at_least_one(size: int | None, more: int) -> int | None:
    if size is not None and size + more < 1:
        raise ValueError(f"leaves nothing of {size} places")
    return None if size is None else size + more


def _merged(layer: Merge, inputs: Sequence[Shape]) -> Shape:
    """Return the output's shape of a layer with several inputs. Sizes of 1 are repeated, but not in a concatenation."""
    if len(inputs) < 2 or (isinstance(layer, CustomScaleLayer) and len(inputs) > 2):
        raise ValueError(f"takes two inputs, not {len(inputs)}")
    refused = ValueError(f"can't merge {' and '.join(map(_shown, inputs))}")
    if len({len(shape) for shape in inputs}) > 1:
        raise refused
    joined = isinstance(layer, Concatenate)
    merged: list[int | None] = []
    for axis, sizes in enumerate(zip(*inputs, strict=True)):
        if joined and axis == len(inputs[0]) - 1:
            merged.append(None if None in sizes else sum(size or 0 for size in sizes))
            continue
        known = {size for size in sizes if size is not None and (joined or size != 1)}
        if len(known) > 1:
            raise refused
        merged.append(None if None in sizes else known.pop() if known else 1)
    return tuple(merged)


def _reshaped(target: tuple[int, ...], shape: Shape) -> Shape:
    if None in shape:
        return tuple(None if size == -1 else size for size in target)
    total, known = _product(shape), math.prod(size for size in target if size != -1)
    if total % known or (-1 not in target and total != known):
        raise ValueError(f"can't bring {_shown(shape)} to {_shown(target)}")
    return tuple(total // known if size == -1 else size for size in target)


def _product(shape: Shape) -> int:
    return math.prod(size or 0 for size in shape)


def _shown(shape: Shape) -> str:
    return f"[{', '.join('?' if size is None else str(size) for size in shape)}]"


def graph_shapes(graph: Graph, shape: Shape) -> dict[str, Shape]:
    """Return the shape of each node's output by its name; the empty name stands for the unit's input.

    Raises:
        ValueError: a layer can't take its inputs; the message names it.
    """
    shapes = {"": shape}
    for node in graph.nodes:
        try:
            shapes[node.name] = output_shape(node.layer, [shapes[name] for name in node.inputs])
        except ValueError as error:
            raise ValueError(f"layer {node.name!r} {error}") from None
    return shapes


def graph_variables(graph: Graph, shape: Shape) -> dict[str, tuple[int, ...]]:
    """Return the shape of each variable of a unit, by its name below the unit's scope: `NODE/kernel` and so on.

    Args:
        graph: layers of the unit.
        shape: shape of the unit's input.

    Raises:
        ValueError: a layer can't take its inputs, or its number of weights depends on a size that is not known.
    """
    shapes = graph_shapes(graph, shape)
    found: dict[str, tuple[int, ...]] = {}
    for node in graph.nodes:
        channels = shapes[node.inputs[0]][-1]
        if channels is None and variable_sizes(node.layer, 1):
            raise ValueError(f"layer {node.name!r} {UNKNOWN_WEIGHTS}")
        found |= {f"{node.name}/{name}": size for name, size in variable_sizes(node.layer, channels or 0).items()}
    return found


def least_image_size(graphs: Iterable[Graph], channels: int = 3) -> int:
    """Return the smallest image side in pixels from which all graphs, one after another, leave at least one place.

    Raises:
        ValueError: no side up to `LARGEST_IMAGE` does.
    """
    graphs = tuple(graphs)
    for side in itertools.takewhile(lambda side: side <= LARGEST_IMAGE, itertools.count(1)):
        shape: Shape = (side, side, channels)
        try:
            for graph in graphs:
                shape = graph_shapes(graph, shape)[graph.nodes[-1].name]
        except ValueError as error:
            reason = error
            continue
        return side
    raise reason
