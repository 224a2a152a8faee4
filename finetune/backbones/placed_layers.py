"""The layers with variables of a network, in the order of its units, with the names of their TF1 variables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from finetune.backbones.backbone import Backbone
from finetune.backbones.specs import Branch, Convolution, Dense, Fire, Mixed, Reduction, Residual

STATISTICS = ("beta", "moving_mean", "moving_variance")
"""Last parts of the names of a batch normalization's variables, in the order in which FaceNet makes them."""


class PlacedLayer(NamedTuple):
    """A convolution or fully connected layer, and its place in the network.

    Attributes:
        unit: name of its unit.
        scope: variable scope of the layer.
        dense: whether it is fully connected.
        batch_norm: whether batch normalization follows. Otherwise it has biases.
        branch: number of its branch, from 0; None outside branches.
        step: position in the branch, from 0.
        steps: number of layers with variables in the branch.
    """

    unit: str
    scope: str
    dense: bool = False
    batch_norm: bool = True
    branch: int | None = None
    step: int = 0
    steps: int = 1

    @property
    def variables(self) -> tuple[str, ...]:
        """The TF1 names of its variables, without gamma."""
        weights = f"{self.scope}/weights"
        if not self.batch_norm:
            return weights, f"{self.scope}/biases"
        return weights, *(f"{self.scope}/BatchNorm/{statistic}" for statistic in STATISTICS)


def layers(backbone: Backbone) -> Iterator[PlacedLayer]:
    """Yield the layers with variables."""
    for unit in backbone.units:
        scope = backbone.scope_of(unit.name)
        match unit.made_of:
            case Convolution():
                yield PlacedLayer(unit.name, scope, batch_norm=unit.made_of.batch_norm)
            case Dense():
                yield PlacedLayer(unit.name, scope, dense=True, batch_norm=unit.made_of.batch_norm)
            case Fire():
                for name, layer in unit.made_of.layers:
                    yield PlacedLayer(unit.name, f"{scope}/{name}", batch_norm=layer.batch_norm)
            case Mixed() | Reduction():
                yield from _of_branches(unit.name, scope, unit.made_of.branches)
            case Residual():
                yield from _of_branches(unit.name, scope, unit.made_of.branches)
                yield PlacedLayer(unit.name, f"{scope}/{unit.made_of.up}", batch_norm=False)


def _of_branches(unit: str, scope: str, branches: tuple[Branch, ...]) -> Iterator[PlacedLayer]:
    for number, branch in enumerate(branches):
        names = [name for name, layer in branch if isinstance(layer, Convolution)]
        for step, name in enumerate(names):
            yield PlacedLayer(unit, f"{scope}/Branch_{number}/{name}", branch=number, step=step, steps=len(names))
