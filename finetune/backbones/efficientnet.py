"""EfficientNet-B1, unit by unit, with the names of Keras's layers.

The network follows Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks"
(arXiv:1905.11946); its blocks with squeeze and excitation are those of MobileNetV2 and Hu et al. (arXiv:1709.01507).
Settings and names are those of Keras's `EfficientNetB1`. Keras pads an image before a convolution with stride 2, by an
amount that it takes from the image's size. The padding `same` does the same for every size.
"""

from __future__ import annotations

from typing import NamedTuple

from finetune.backbones.backbone import Unit
from finetune.backbones.graph import Graph, Node, chain
from finetune.backbones.layer_kinds import (
    Activation,
    Add,
    BatchNormalization,
    Conv2D,
    DepthwiseConv2D,
    GlobalAveragePooling2D,
    LayerKind,
    Multiply,
    Reshape,
)

_SILU = Activation("silu")


class _Stage(NamedTuple):
    """Blocks with one width. The first one may halve the image.

    Attributes:
        repeats: number of blocks.
        kernel: side of the depthwise kernels.
        stride: stride of the first block.
        expansion: width inside a block, as a multiple of the width of its input.
        filters: width of the output.
    """

    repeats: int
    kernel: int
    stride: int
    expansion: int
    filters: int


_STAGES = (  # the repeats are those of B0 times 1.1, rounded up
    _Stage(2, 3, 1, 1, 16),
    _Stage(3, 3, 2, 6, 24),
    _Stage(3, 5, 2, 6, 40),
    _Stage(4, 3, 2, 6, 80),
    _Stage(4, 5, 1, 6, 112),
    _Stage(5, 5, 2, 6, 192),
    _Stage(2, 3, 1, 6, 320),
)


def _pointwise(filters: int) -> Conv2D:
    """Return a 1 x 1 convolution without bias."""
    return Conv2D(filters, (1, 1), padding="same", use_bias=False)


def _block(name: str, of: _Stage, width: int, stride: int) -> Unit:
    """Return a block: expansion, depthwise convolution, squeeze and excitation, projection.

    Args:
        name: name of the block, which begins the names of its layers.
        of: its stage.
        width: channels of its input, which is added to its output if the shapes are equal.
        stride: stride of its depthwise convolution.
    """
    inner, squeezed = width * of.expansion, width // 4
    depthwise = DepthwiseConv2D((of.kernel, of.kernel), (stride, stride), "same", use_bias=False)
    expansion: list[tuple[str, LayerKind]] = [
        ("expand_conv", _pointwise(inner)),
        ("expand_bn", BatchNormalization()),
        ("expand_activation", _SILU),
    ]
    filtering: list[tuple[str, LayerKind]] = [
        ("dwconv", depthwise),
        ("bn", BatchNormalization()),
        ("activation", _SILU),
    ]
    excitation: list[tuple[str, LayerKind]] = [
        ("se_squeeze", GlobalAveragePooling2D()),  # [n, c]
        ("se_reshape", Reshape((1, 1, inner))),  # [n, 1, 1, c]
        ("se_reduce", Conv2D(squeezed, (1, 1), padding="same", activation="silu")),
        ("se_expand", Conv2D(inner, (1, 1), padding="same", activation="sigmoid")),
    ]
    projection: list[tuple[str, LayerKind]] = [
        ("project_conv", _pointwise(of.filters)),
        ("project_bn", BatchNormalization()),
    ]
    nodes = (
        *chain(*_named(name, [*(expansion if of.expansion > 1 else ()), *filtering])),
        *chain(*_named(name, excitation), after=f"{name}_activation"),
        Node(f"{name}_se_excite", Multiply(), (f"{name}_activation", f"{name}_se_expand")),
        *chain(*_named(name, projection), after=f"{name}_se_excite"),
    )
    if stride == 1 and width == of.filters:
        nodes += (Node(f"{name}_add", Add(), (f"{name}_project_bn", "")),)
    return Unit(name, Graph(nodes))


def _named(block: str, layers: list[tuple[str, LayerKind]]) -> list[tuple[str, LayerKind]]:
    return [(f"{block}_{name}", layer) for name, layer in layers]


def _blocks(width: int) -> tuple[Unit, ...]:
    """Return the blocks of all stages: `block1a`, `block1b`, `block2a` and so on."""
    units = []
    for number, stage in enumerate(_STAGES, 1):
        for repeat in range(stage.repeats):
            name = f"block{number}{chr(ord('a') + repeat)}"
            units.append(_block(name, stage, width, 1 if repeat else stage.stride))
            width = stage.filters
    return tuple(units)


def _convolution(name: str, layer: Conv2D) -> Unit:
    """Return a convolution with batch normalization and SiLU."""
    layers = (("conv", layer), ("bn", BatchNormalization()), ("activation", _SILU))
    return Unit(name, Graph(chain(*_named(name, list(layers)))))


# All shapes are for a 240 x 240 image.
EFFICIENTNET_B1_UNITS = (
    _convolution("stem", Conv2D(32, (3, 3), (2, 2), "same", use_bias=False)),  # 120 x 120 x 32
    *_blocks(32),  # 120 x 120 x 16, 60 x 60 x 24, 30 x 30 x 40, 15 x 15 x 80, 15 x 15 x 112, 8 x 8 x 192, 8 x 8 x 320
    _convolution("top", _pointwise(1280)),  # 8 x 8 x 1280
    Unit("avg_pool", Graph(chain(("avg_pool", GlobalAveragePooling2D())))),  # 1280
)
"""The units of EfficientNet-B1. Keras's layers that rescale and normalize images are not among them."""
EFFICIENTNET_B1_LEAST_SIZE = 32
"""Smallest image side in pixels, as in Keras: the last map has one place."""
