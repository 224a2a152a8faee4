"""The kinds of layers in a graph, named as Keras names them, with the settings that matter for the forward pass.

They are data classes, because two named tuples of different kinds and equal settings would be equal. Images are
[n, h, w, c]. Sizes are (height, width).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Size: TypeAlias = tuple[int, int]
Padding: TypeAlias = Literal["same", "valid"]
Function: TypeAlias = Literal[
    "linear",
    "relu",
    "relu6",
    "leaky_relu",
    "elu",
    "selu",
    "silu",
    "gelu",
    "tanh",
    "sigmoid",
    "hard_sigmoid",
    "hard_silu",
]
"""An activation function without variables, by Keras's name. `leaky_relu` has slope 0.2, and `elu` has alpha 1."""


@dataclass(frozen=True)
class Conv2D:
    """A convolution. Each of the `groups` of filters sees its own part of the channels."""

    filters: int
    kernel: Size
    strides: Size = (1, 1)
    padding: Padding = "valid"
    dilation: Size = (1, 1)
    groups: int = 1
    use_bias: bool = True
    activation: Function = "linear"


@dataclass(frozen=True)
class DepthwiseConv2D:
    """A convolution of each channel by itself. It gives `depth_multiplier` channels for each."""

    kernel: Size
    strides: Size = (1, 1)
    padding: Padding = "valid"
    depth_multiplier: int = 1
    dilation: Size = (1, 1)
    use_bias: bool = True
    activation: Function = "linear"


@dataclass(frozen=True)
class SeparableConv2D:
    """A depthwise convolution, then a 1 x 1 convolution."""

    filters: int
    kernel: Size
    strides: Size = (1, 1)
    padding: Padding = "valid"
    dilation: Size = (1, 1)
    depth_multiplier: int = 1
    use_bias: bool = True
    activation: Function = "linear"


@dataclass(frozen=True)
class Dense:
    """A fully connected layer over the last axis: [n, c] to [n, units], and likewise at each place of an image."""

    units: int
    use_bias: bool = True
    activation: Function = "linear"


@dataclass(frozen=True)
class BatchNormalization:
    """Batch normalization of the last axis.

    Attributes:
        momentum: share of the moving statistics that one training step keeps.
        epsilon: constant added to the variance.
        center: whether it has an offset (beta).
        scale: whether it has a scale (gamma).
    """

    momentum: float = 0.99
    epsilon: float = 0.001
    center: bool = True
    scale: bool = True


@dataclass(frozen=True)
class LayerNormalization:
    """Layer normalization of the last axis. The settings are those of `BatchNormalization`."""

    epsilon: float = 0.001
    center: bool = True
    scale: bool = True


@dataclass(frozen=True)
class Normalization:
    """Normalization by a mean and a variance per channel, which are stored in the variables `mean` and `variance`.

    Attributes:
        mean, variance: constants in place of the variables, one per channel.
    """

    mean: tuple[float, ...] | None = None
    variance: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Rescaling:
    """Multiplication by a scale, then addition of an offset; one number each, or one per channel."""

    scale: tuple[float, ...]
    offset: tuple[float, ...] = (0.0,)


@dataclass(frozen=True)
class LayerScale:
    """Multiplication of each channel by its scale (gamma), as in ConvNeXt."""


@dataclass(frozen=True)
class Activation:
    """An activation function by name."""

    function: Function


@dataclass(frozen=True)
class ReLU:
    """A rectifier. Negative values are multiplied by `negative_slope`; the others are cut off at `max_value`."""

    max_value: float | None = None
    negative_slope: float = 0.0


@dataclass(frozen=True)
class PReLU:
    """A rectifier with one slope (alpha) per channel for negative values, the same at all places of an image."""


@dataclass(frozen=True)
class ZeroPadding2D:
    """Zeros around an image, as ((top, bottom), (left, right))."""

    padding: tuple[Size, Size]


@dataclass(frozen=True)
class Cropping2D:
    """Removal of rows and columns at the edges, as ((top, bottom), (left, right))."""

    cropping: tuple[Size, Size]


@dataclass(frozen=True)
class MaxPooling2D:
    """The largest value in each window."""

    pool: Size = (2, 2)
    strides: Size = (2, 2)
    padding: Padding = "valid"


@dataclass(frozen=True)
class AveragePooling2D:
    """The mean of each window; padding is not counted."""

    pool: Size = (2, 2)
    strides: Size = (2, 2)
    padding: Padding = "valid"


@dataclass(frozen=True)
class GlobalAveragePooling2D:
    """The mean over all places: [n, h, w, c] to [n, c], or to [n, 1, 1, c] with `keepdims`."""

    keepdims: bool = False


@dataclass(frozen=True)
class GlobalMaxPooling2D:
    """The largest value over all places: [n, h, w, c] to [n, c], or to [n, 1, 1, c] with `keepdims`."""

    keepdims: bool = False


@dataclass(frozen=True)
class Flatten:
    """All values of an image in one row: [n, h, w, c] to [n, h * w * c]."""


@dataclass(frozen=True)
class Reshape:
    """The same values in another shape, without the axis of the batch. One size may be -1."""

    target_shape: tuple[int, ...]


@dataclass(frozen=True)
class Add:
    """The sum of the inputs."""


@dataclass(frozen=True)
class Multiply:
    """The product of the inputs."""


@dataclass(frozen=True)
class Average:
    """The mean of the inputs."""


@dataclass(frozen=True)
class Maximum:
    """The largest of the inputs."""


@dataclass(frozen=True)
class Concatenate:
    """The channels of all inputs, one after another."""


@dataclass(frozen=True)
class CustomScaleLayer:
    """The first input, plus the second one multiplied by `scale`, as in Keras's Inception-ResNet-v2."""

    scale: float


@dataclass(frozen=True)
class Identity:
    """The input itself. Layers that act in Keras's training alone, such as dropout, become this."""


Kernel: TypeAlias = Conv2D | DepthwiseConv2D | SeparableConv2D | Dense
"""A layer with a kernel."""
Merge: TypeAlias = Add | Multiply | Average | Maximum | Concatenate | CustomScaleLayer
"""A layer with several inputs."""
LayerKind: TypeAlias = (
    Kernel
    | Merge
    | BatchNormalization
    | LayerNormalization
    | Normalization
    | Rescaling
    | LayerScale
    | Activation
    | ReLU
    | PReLU
    | ZeroPadding2D
    | Cropping2D
    | MaxPooling2D
    | AveragePooling2D
    | GlobalAveragePooling2D
    | GlobalMaxPooling2D
    | Flatten
    | Reshape
    | Identity
)
