"""The neck: fully connected layers between a network's pooled features and its classifier. The last one embeds."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

from finetune.backbones.backbone import Backbone, Unit
from finetune.backbones.specs import Dense

HIDDEN = "Neck_{}"
"""Name of a hidden layer of the neck, by its number from 1."""


class Neck(NamedTuple):
    """The layers of a neck.

    Attributes:
        hidden: widths of the layers between the features and the embedding layer. ReLU follows each.
        batch_norm: whether batch normalization follows each layer. Without it, the layers have biases.
    """

    hidden: tuple[int, ...] = ()
    batch_norm: bool = True


def with_neck(backbone: Backbone, neck: Neck) -> Backbone:
    """Return a network of Keras's with another neck."""
    features = tuple(unit for unit in backbone.units if not isinstance(unit.made_of, Dense))
    hidden = [
        Unit(HIDDEN.format(number), Dense(neck.batch_norm, relu=True, width=width))
        for number, width in enumerate(neck.hidden, 1)
    ]
    ends = Unit(backbone.embedding_unit, Dense(neck.batch_norm)), Unit(backbone.head, Dense(batch_norm=False))
    dense = frozenset(unit.name for unit in (*hidden, *ends))
    float32_units = frozenset({features[0].name}) | dense
    return dataclasses.replace(backbone, units=(*features, *hidden, *ends), float32_units=float32_units)


def stored_neck(backbone: Backbone, shapes: Mapping[str, tuple[int, ...]]) -> Neck:
    """Return the neck that the variables of a network of Keras's have.

    Args:
        backbone: the network.
        shapes: shapes of the stored variables, by TF1 name.
    """
    hidden: list[int] = []
    while (name := f"{backbone.scope}/{HIDDEN.format(len(hidden) + 1)}/weights") in shapes:
        hidden.append(shapes[name][-1])
    biases = f"{backbone.scope_of(backbone.embedding_unit)}/biases"
    return Neck(tuple(hidden), batch_norm=biases not in shapes)
