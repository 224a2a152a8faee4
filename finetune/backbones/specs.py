"""The kinds of layers and blocks that make up a network's units. `finetune.network.specs` builds them in TensorFlow."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from finetune.backbones.graph import Graph

Padding = Literal["SAME", "VALID"]


class BatchNorm(NamedTuple):
    """Batch normalization with an offset (beta). Its variables are in the scope `BatchNorm` of the layer before it.

    Attributes:
        epsilon: constant added to the variance.
        decay: share of the moving statistics that one training step keeps.
        gamma: whether it also has a scale.
    """

    epsilon: float = 0.001
    decay: float = 0.995
    gamma: bool = False


class Convolution(NamedTuple):
    """A convolution, then batch normalization and ReLU.

    Attributes:
        batch_norm: whether batch normalization follows. Without it, the layer has biases.
        relu: whether ReLU follows.
    """

    filters: int
    kernel: int | tuple[int, int]
    stride: int = 1
    padding: Padding = "SAME"
    batch_norm: bool = True
    relu: bool = True


class MaxPool(NamedTuple):
    """Max pooling over `kernel` x `kernel` positions."""

    kernel: int = 3
    stride: int = 2
    padding: Padding = "VALID"


class AveragePool(NamedTuple):
    """Average pooling over `kernel` x `kernel` positions; padding is not counted."""

    kernel: int = 3
    stride: int = 1
    padding: Padding = "SAME"


class GlobalAveragePool(NamedTuple):
    """Average pooling over all positions."""


class Flatten(NamedTuple):
    """The values of all positions side by side, in the order of rows, columns and channels."""


Layer: TypeAlias = Convolution | MaxPool | AveragePool
Branch: TypeAlias = tuple[tuple[str, Layer], ...]
"""A sequence of layers, each with its variable scope."""


class Mixed(NamedTuple):
    """Parallel branches, concatenated."""

    branches: tuple[Branch, ...]


class Reduction(NamedTuple):
    """Parallel branches and a max pool, concatenated. Each branch's last convolution halves height and width."""

    branches: tuple[Branch, ...]
    pool: MaxPool = MaxPool()
    pool_scope: str = "MaxPool_1a_3x3"


class Residual(NamedTuple):
    """Parallel branches whose output is projected to the input's width, scaled and added to the input.

    Attributes:
        branches: parallel branches, concatenated.
        scale: factor of the branches' contribution.
        relu: whether ReLU follows.
        up: scope of the projecting convolution, which has biases and no batch normalization.
    """

    branches: tuple[Branch, ...]
    scale: float
    relu: bool = True
    up: str = "Conv2d_1x1"


class Fire(NamedTuple):
    """A 1 x 1 convolution to few channels, then a 1 x 1 and a 3 x 3 convolution side by side, concatenated.

    Iandola et al. 2016, "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size"
    (arXiv:1602.07360).

    Attributes:
        squeeze: filters of the first convolution.
        expand: filters of each of the other two.
    """

    squeeze: int
    expand: int

    @property
    def layers(self) -> tuple[tuple[str, Convolution], ...]:
        """The convolutions with their variable scopes: the first one, and the two side by side."""
        return (
            ("squeeze", Convolution(self.squeeze, 1)),
            ("expand/1x1", Convolution(self.expand, 1)),
            ("expand/3x3", Convolution(self.expand, 3)),
        )


class Dense(NamedTuple):
    """A fully connected layer.

    Attributes:
        batch_norm: whether batch normalization follows. Without it, the layer has biases.
        relu: whether ReLU follows.
        width: number of outputs; None for the embedding size or the number of classes.
    """

    batch_norm: bool
    relu: bool = False
    width: int | None = None


Spec: TypeAlias = (
    Convolution
    | MaxPool
    | AveragePool
    | GlobalAveragePool
    | Flatten
    | Mixed
    | Reduction
    | Residual
    | Fire
    | Dense
    | Graph
)


def has_variables(made_of: Spec) -> bool:
    """Return whether a unit has variables."""
    if isinstance(made_of, Graph):
        from finetune.backbones.layer_shapes import variable_names

        return bool(variable_names(made_of))
    return not isinstance(made_of, MaxPool | AveragePool | GlobalAveragePool | Flatten)


def flattens(made_of: Spec) -> bool:
    """Return whether a unit puts the places of an image in one row."""
    if isinstance(made_of, Graph):
        from finetune.backbones import layer_kinds

        return any(isinstance(node.layer, layer_kinds.Flatten) for node in made_of.nodes)
    return isinstance(made_of, Flatten)
