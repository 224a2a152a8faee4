"""A small network with a few units of every kind, which takes a moment where a backbone takes seconds.

Its units have the names of the backbones' units, so that a `Stage` can name them.
"""

from __future__ import annotations

import dataclasses

from finetune.backbones import (
    AveragePool,
    Backbone,
    BatchNorm,
    Branch,
    Convolution,
    Dense,
    GlobalAveragePool,
    MaxPool,
    Mixed,
    Reduction,
    Residual,
    Spec,
    Unit,
)

BLOCK = Residual(
    (
        (("Conv2d_1x1", Convolution(3, 1)),),
        (("Conv2d_0a_1x1", Convolution(2, 1)), ("Conv2d_0b_1x3", Convolution(3, (1, 3)))),
    ),
    scale=0.5,
)
TINY = Backbone(
    name="tiny",
    title="Tiny",
    scope="Tiny",
    units=(
        Unit("Conv2d_1a_3x3", Convolution(4, 3, stride=2, padding="VALID")),  # 37 x 37 x 4 of 75 x 75
        Unit("MaxPool_3a_3x3", MaxPool()),  # 18 x 18 x 4
        Unit(
            "Mixed_5b",  # 18 x 18 x 6
            Mixed(
                (
                    (("Conv2d_1x1", Convolution(4, 1)),),
                    (("AvgPool_0a_3x3", AveragePool()), ("Conv2d_0b_1x1", Convolution(2, 1))),
                )
            ),
        ),
        Unit("Repeat/block35_1", BLOCK),
        Unit("Repeat/block35_2", BLOCK),
        Unit("Mixed_6a", Reduction(((("Conv2d_1a_3x3", Convolution(2, 3, stride=2, padding="VALID")),),))),  # 8 x 8 x 8
        Unit("Block8", BLOCK._replace(scale=1.0, relu=False)),
        Unit("AvgPool_1a_8x8", GlobalAveragePool()),  # 8
        Unit("Bottleneck", Dense(batch_norm=True)),
        Unit("Logits", Dense(batch_norm=False)),
    ),
    least_image_size=15,
    float32_units=frozenset({"Conv2d_1a_3x3", "Bottleneck", "Logits"}),
    batch_norm=BatchNorm(epsilon=0.01, decay=0.9, gamma=True),
)


def narrowed(backbone: Backbone, filters: int = 2) -> Backbone:
    """Return a network with the same names and few filters, so that its checkpoints take milliseconds."""

    def branch(layers: Branch) -> Branch:
        return tuple((name, of if not isinstance(of, Convolution) else _narrow(of, filters)) for name, of in layers)

    def unit(made_of: Spec) -> Spec:
        match made_of:
            case Convolution():
                return _narrow(made_of, filters)
            case Mixed() | Reduction() | Residual():
                return made_of._replace(branches=tuple(map(branch, made_of.branches)))
            case _:
                return made_of

    return dataclasses.replace(backbone, units=tuple(Unit(one.name, unit(one.made_of)) for one in backbone.units))


def _narrow(layer: Convolution, filters: int) -> Convolution:
    return layer._replace(filters=filters)
