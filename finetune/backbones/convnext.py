"""ConvNeXt-Tiny, unit by unit, with the names of Keras's layers.

The network follows Liu et al., "A ConvNet for the 2020s" (arXiv:2201.03545). Settings and names are those of Keras's
`ConvNeXtTiny`. Keras numbers sums from the first one of the program: here, from the first one of the network.
"""

from __future__ import annotations

from finetune.backbones.backbone import Unit
from finetune.backbones.graph import Graph, Node, NumberedNames, chain
from finetune.backbones.layer_kinds import (
    Activation,
    Add,
    Conv2D,
    Dense,
    GlobalAveragePooling2D,
    LayerNormalization,
    LayerScale,
)

_NAME = "convnext_tiny"
_STAGES = ((3, 96), (3, 192), (9, 384), (3, 768))
"""Number of blocks and width of each stage."""
_NORM = LayerNormalization(1e-6)


def _block(names: NumberedNames, stage: int, block: int, width: int) -> Unit:
    """Return a block. The first one of a stage but the first halves the image before."""
    place = f"{_NAME}_stage_{stage}_block_{block}"
    nodes: tuple[Node, ...] = ()
    if stage and not block:
        nodes = chain(
            (f"{_NAME}_downsampling_layernorm_{stage - 1}", _NORM),
            (f"{_NAME}_downsampling_conv_{stage - 1}", Conv2D(width, (2, 2), (2, 2))),
        )
    before = nodes[-1].name if nodes else ""
    nodes += chain(
        (f"{place}_depthwise_conv", Conv2D(width, (7, 7), padding="same", groups=width)),
        (f"{place}_layernorm", _NORM),
        (f"{place}_pointwise_conv_1", Dense(4 * width)),
        (f"{place}_gelu", Activation("gelu")),
        (f"{place}_pointwise_conv_2", Dense(width)),
        (f"{place}_layer_scale", LayerScale()),
        after=before,
    )
    nodes += (Node(names.next("add"), Add(), (before, f"{place}_layer_scale")),)
    return Unit(f"stage_{stage}/block_{block}", Graph(nodes))


def _blocks(names: NumberedNames) -> tuple[Unit, ...]:
    """Return the blocks of all stages. The units of a stage are a repeat: `stage_3` means all of it."""
    stages = enumerate(_STAGES)
    return tuple(_block(names, stage, block, width) for stage, (blocks, width) in stages for block in range(blocks))


# All shapes are for a 224 x 224 image.
CONVNEXT_TINY_UNITS = (
    Unit(
        "stem",  # 56 x 56 x 96
        Graph(chain((f"{_NAME}_stem_conv", Conv2D(96, (4, 4), (4, 4))), (f"{_NAME}_stem_layernorm", _NORM))),
    ),
    *_blocks(NumberedNames()),  # 56 x 56 x 96, 28 x 28 x 192, 14 x 14 x 384, 7 x 7 x 768
    Unit(
        "avg_pool",  # 768
        Graph(chain(("global_average_pooling2d", GlobalAveragePooling2D()), ("layer_normalization", _NORM))),
    ),
)
"""The units of ConvNeXt-Tiny. Keras's layer that normalizes images is not among them.

The last unit has variables: the layer normalization of the features.
"""
CONVNEXT_TINY_LEAST_SIZE = 32
"""Smallest image side in pixels: the last map has one place."""
