"""Inception-v3, unit by unit, with the names of Keras's layers.

The network follows Szegedy, Vanhoucke, Ioffe, Shlens and Wojna, "Rethinking the Inception Architecture for Computer
Vision" (arXiv:1512.00567). Widths, paddings and names are those of Keras's `InceptionV3`. Keras numbers the layers of
a kind from the first one of the program: here, from the first one of the network.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from finetune.backbones.backbone import Unit
from finetune.backbones.graph import Graph, Node, NumberedNames, chain
from finetune.backbones.layer_kinds import (
    Activation,
    AveragePooling2D,
    BatchNormalization,
    Concatenate,
    Conv2D,
    GlobalAveragePooling2D,
    MaxPooling2D,
    Padding,
    Size,
)


class _Convolution(NamedTuple):
    """A convolution without bias, then batch normalization without scale, then ReLU."""

    filters: int
    kernel: Size = (1, 1)
    stride: int = 1
    padding: Padding = "same"


class _Fork(NamedTuple):
    """A 1 x 3 convolution beside a 3 x 1 convolution, concatenated under a name."""

    filters: int
    name: str


_Step: TypeAlias = _Convolution | _Fork | AveragePooling2D | MaxPooling2D
_AVERAGE = AveragePooling2D((3, 3), (1, 1), "same")
_HALVING = MaxPooling2D((3, 3), (2, 2))


def _convolution(names: NumberedNames, of: _Convolution, after: str) -> tuple[Node, ...]:
    """Return the layers of a convolution; Keras numbers all three alike."""
    layer = Conv2D(of.filters, of.kernel, (of.stride, of.stride), of.padding, use_bias=False)
    return chain(
        (names.next("conv2d"), layer),
        (names.next("batch_normalization"), BatchNormalization(scale=False)),
        (names.next("activation"), Activation("relu")),
        after=after,
    )


def _branch(names: NumberedNames, *steps: _Step) -> tuple[Node, ...]:
    """Return the layers of a branch, one step after another."""
    nodes: tuple[Node, ...] = ()
    for step in steps:
        after = nodes[-1].name if nodes else ""
        match step:
            case _Convolution():
                nodes += _convolution(names, step, after)
            case _Fork():
                sides = [_convolution(names, _Convolution(step.filters, size), after) for size in ((1, 3), (3, 1))]
                name = step.name or names.next("concatenate")
                nodes += (*sides[0], *sides[1], Node(name, Concatenate(), tuple(side[-1].name for side in sides)))
            case AveragePooling2D():
                nodes += chain((names.next("average_pooling2d"), step), after=after)
            case MaxPooling2D():
                nodes += chain((names.next("max_pooling2d"), step), after=after)
    return nodes


def _mixed(names: NumberedNames, name: str, *branches: tuple[_Step, ...]) -> Unit:
    """Return a block of parallel branches, concatenated."""
    built = [_branch(names, *branch) for branch in branches]
    merged = Node(name, Concatenate(), tuple(nodes[-1].name for nodes in built))
    return Unit(name, Graph((*(node for nodes in built for node in nodes), merged)))


def _stem(names: NumberedNames, *steps: _Step) -> Unit:
    """Return a convolution, with the pooling that follows it, as a unit named after the convolution."""
    nodes = _branch(names, *steps)
    return Unit(nodes[0].name, Graph(nodes))


def _narrow(names: NumberedNames, index: int, pooled: int) -> Unit:
    """Return a block of 1 x 1, 5 x 5 and double 3 x 3 convolutions; `pooled` filters follow the pooling."""
    return _mixed(
        names,
        f"mixed{index}",
        (_Convolution(64),),
        (_Convolution(48), _Convolution(64, (5, 5))),
        (_Convolution(64), _Convolution(96, (3, 3)), _Convolution(96, (3, 3))),
        (_AVERAGE, _Convolution(pooled)),
    )


def _crossed(names: NumberedNames, index: int, filters: int) -> Unit:
    """Return a block whose 7 x 7 convolutions are pairs of 1 x 7 and 7 x 1 ones, with so many filters inside."""
    across, down = (1, 7), (7, 1)
    return _mixed(
        names,
        f"mixed{index}",
        (_Convolution(192),),
        (_Convolution(filters), _Convolution(filters, across), _Convolution(192, down)),
        (
            *(_Convolution(filters, kernel) for kernel in ((1, 1), down, across, down)),
            _Convolution(192, across),
        ),
        (_AVERAGE, _Convolution(192)),
    )


def _wide(names: NumberedNames, index: int) -> Unit:
    """Return a block whose branches fork at their ends."""
    return _mixed(
        names,
        f"mixed{index}",
        (_Convolution(320),),
        (_Convolution(384), _Fork(384, f"mixed9_{index - 9}")),
        (_Convolution(448), _Convolution(384, (3, 3)), _Fork(384, "")),
        (_AVERAGE, _Convolution(192)),
    )


def _units(names: NumberedNames) -> tuple[Unit, ...]:
    """Return all units, from standardized images to features. The shapes are those for a 299 x 299 image."""
    halved = _Convolution(192, (3, 3), 2, "valid")
    return (
        _stem(names, _Convolution(32, (3, 3), 2, "valid")),  # 149 x 149 x 32
        _stem(names, _Convolution(32, (3, 3), padding="valid")),  # 147 x 147 x 32
        _stem(names, _Convolution(64, (3, 3)), _HALVING),  # 73 x 73 x 64
        _stem(names, _Convolution(80, padding="valid")),  # 73 x 73 x 80
        _stem(names, _Convolution(192, (3, 3), padding="valid"), _HALVING),  # 35 x 35 x 192
        _narrow(names, 0, pooled=32),  # 35 x 35 x 256
        _narrow(names, 1, pooled=64),  # 35 x 35 x 288
        _narrow(names, 2, pooled=64),  # 35 x 35 x 288
        _mixed(
            names,
            "mixed3",  # 17 x 17 x 768
            (_Convolution(384, (3, 3), 2, "valid"),),
            (_Convolution(64), _Convolution(96, (3, 3)), _Convolution(96, (3, 3), 2, "valid")),
            (_HALVING,),
        ),
        _crossed(names, 4, filters=128),  # 17 x 17 x 768
        _crossed(names, 5, filters=160),  # 17 x 17 x 768
        _crossed(names, 6, filters=160),  # 17 x 17 x 768
        _crossed(names, 7, filters=192),  # 17 x 17 x 768
        _mixed(
            names,
            "mixed8",  # 8 x 8 x 1280
            (_Convolution(192), halved._replace(filters=320)),
            (_Convolution(192), _Convolution(192, (1, 7)), _Convolution(192, (7, 1)), halved),
            (_HALVING,),
        ),
        _wide(names, 9),  # 8 x 8 x 2048
        _wide(names, 10),  # 8 x 8 x 2048
        Unit("avg_pool", Graph(chain(("avg_pool", GlobalAveragePooling2D())))),  # 2048
    )


INCEPTION_V3_UNITS = _units(NumberedNames())
"""The units of Inception-v3. Its images have values from -1 to 1."""
INCEPTION_V3_LEAST_SIZE = 75
"""Smallest image side in pixels: the last map has one place."""
