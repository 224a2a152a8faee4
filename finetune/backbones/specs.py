"""What a unit of a network is made of. `finetune.network.specs` builds it in TensorFlow."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

Padding = Literal["SAME", "VALID"]


class BatchNorm(NamedTuple):
    """Batch normalization with an offset (beta); its variables lie in the scope `BatchNorm` of the layer before it.

    Attributes:
        epsilon: added to the variance.
        decay: share of the moving statistics that one training step keeps.
        gamma: whether there is a scale too.
    """

    epsilon: float = 0.001
    decay: float = 0.995
    gamma: bool = False


class Convolution(NamedTuple):
    """A convolution without bias, then batch normalization, then ReLU."""

    filters: int
    kernel: int | tuple[int, int]
    stride: int = 1
    padding: Padding = "SAME"


class MaxPool(NamedTuple):
    """The largest of `kernel` x `kernel` places."""

    kernel: int = 3
    stride: int = 2
    padding: Padding = "VALID"


class AveragePool(NamedTuple):
    """The mean of `kernel` x `kernel` places; padding does not count."""

    kernel: int = 3
    stride: int = 1
    padding: Padding = "SAME"


class GlobalAveragePool(NamedTuple):
    """The mean over all places."""


Layer: TypeAlias = Convolution | MaxPool | AveragePool
Branch: TypeAlias = tuple[tuple[str, Layer], ...]
"""Layers in a row, each with its scope."""


class Mixed(NamedTuple):
    """Branches side by side, concatenated."""

    branches: tuple[Branch, ...]


class Reduction(NamedTuple):
    """Branches that halve height and width by their last convolution, and a max pool beside them, concatenated."""

    branches: tuple[Branch, ...]
    pool: MaxPool = MaxPool()
    pool_scope: str = "MaxPool_1a_3x3"


class Residual(NamedTuple):
    """Branches side by side, brought back to the input's width by a convolution, multiplied and added to the input.

    Attributes:
        branches: as of `Mixed`.
        scale: of what is added.
        relu: whether ReLU follows.
        up: scope of the convolution that brings the branches back; it has biases and no batch normalization.
    """

    branches: tuple[Branch, ...]
    scale: float
    relu: bool = True
    up: str = "Conv2d_1x1"


class Dense(NamedTuple):
    """A fully connected layer without activation. Its width is the embedding's, or the number of classes.

    Attributes:
        batch_norm: whether batch normalization follows; it has biases where not.
    """

    batch_norm: bool


Spec: TypeAlias = Convolution | MaxPool | AveragePool | GlobalAveragePool | Mixed | Reduction | Residual | Dense
WITHOUT_VARIABLES = (MaxPool, AveragePool, GlobalAveragePool)
