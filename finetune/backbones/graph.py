"""The layers of a unit as a graph, for networks whose layers are those of Keras."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from finetune.backbones.layer_kinds import LayerKind

KERNELS = ("kernel", "depthwise_kernel", "pointwise_kernel")
"""Names of variables that hold weights between an input and an output."""
STATISTICS = ("moving_mean", "moving_variance", "mean", "variance")
"""Names of variables that have no gradient: moving statistics, and those of `Normalization`."""


class Node(NamedTuple):
    """A layer in a graph.

    Attributes:
        name: name of the layer in Keras. Its variables are `NAME/kernel` and so on, below the unit's scope.
        layer: kind of the layer, with its settings.
        inputs: names of earlier nodes. An empty name stands for the unit's input.
    """

    name: str
    layer: LayerKind
    inputs: tuple[str, ...]


class Graph(NamedTuple):
    """The layers of a unit with their connections.

    Attributes:
        nodes: layers, each after those that it takes its inputs from. The last one gives the unit's output.
    """

    nodes: tuple[Node, ...]


class NumberedNames:
    """Keras's automatic names: the first convolution of a network is `conv2d`, the second one `conv2d_1`."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def next(self, kind: str) -> str:
        """Return the name of the next layer of a kind."""
        number = self._counts[kind]
        self._counts[kind] += 1
        return f"{kind}_{number}" if number else kind


def chain(*layers: tuple[str, LayerKind], after: str = "") -> tuple[Node, ...]:
    """Return nodes for layers that follow one another.

    Args:
        layers: name and kind of each layer.
        after: name of the node before them; empty for the unit's input.
    """
    before = (after, *(name for name, _ in layers))
    return tuple(Node(name, layer, (before[i],)) for i, (name, layer) in enumerate(layers))
