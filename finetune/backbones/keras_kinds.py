"""The kind of a layer from the configuration that Keras stores. Nothing in it is executed.

Each setting that changes the output is read or required to have its usual value. Others, such as initializers and
regularizers, have no effect on the forward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from finetune.backbones import layer_kinds as kinds
from finetune.backbones.keras_settings import Settings, Unreadable, shown, whole_number
from finetune.backbones.layer_kinds import LayerKind


def _window(settings: Settings, *, depthwise: bool = False) -> dict[str, Any]:
    """Return the settings of a convolution's window and what follows it."""
    settings.require("data_format", "channels_last", None)
    strides, dilation = settings.size("strides", 1), settings.size("dilation_rate", 1)
    if max(strides) > 1 and max(dilation) > 1:
        raise Unreadable("has both strides and a dilation rate above 1")
    if depthwise and strides[0] != strides[1]:
        raise Unreadable("has two different strides in a depthwise convolution")
    return {
        "kernel": settings.size("kernel_size"),
        "strides": strides,
        "padding": settings.padding(),
        "dilation": dilation,
        "use_bias": settings.flag("use_bias", default=True),
        "activation": settings.function(),
    }


def _conv2d(settings: Settings) -> LayerKind:
    return kinds.Conv2D(settings.whole("filters"), groups=settings.whole("groups", 1), **_window(settings))


def _depthwise(settings: Settings) -> LayerKind:
    depth = settings.whole("depth_multiplier", 1)
    return kinds.DepthwiseConv2D(depth_multiplier=depth, **_window(settings, depthwise=True))


def _separable(settings: Settings) -> LayerKind:
    depth = settings.whole("depth_multiplier", 1)
    window = _window(settings, depthwise=True)
    return kinds.SeparableConv2D(settings.whole("filters"), depth_multiplier=depth, **window)


def _dense(settings: Settings) -> LayerKind:
    bias = settings.flag("use_bias", default=True)
    return kinds.Dense(settings.whole("units"), bias, settings.function())


def _batch_normalization(settings: Settings) -> LayerKind:
    settings.last_axis()
    settings.require("renorm", False)  # noqa: FBT003
    return kinds.BatchNormalization(
        settings.number("momentum", 0.99),
        settings.number("epsilon", 0.001),
        settings.flag("center", default=True),
        settings.flag("scale", default=True),
    )


def _layer_normalization(settings: Settings) -> LayerKind:
    settings.last_axis()
    settings.require("rms_scaling", False)  # noqa: FBT003
    center, scale = (settings.flag(key, default=True) for key in ("center", "scale"))
    return kinds.LayerNormalization(settings.number("epsilon", 0.001), center, scale)


def _normalization(settings: Settings) -> LayerKind:
    settings.last_axis()
    settings.require("invert", False)  # noqa: FBT003
    if settings.get("mean") is None:
        return kinds.Normalization()
    return kinds.Normalization(settings.numbers("mean", 0.0), settings.numbers("variance", 1.0))


def _relu(settings: Settings) -> LayerKind:
    if settings.number("threshold", 0.0):
        raise Unreadable("has a threshold other than 0")
    most = None if settings.get("max_value") is None else settings.number("max_value", 0.0)
    return kinds.ReLU(most, settings.number("negative_slope", 0.0))


def _leaky_relu(settings: Settings) -> LayerKind:
    key = "alpha" if settings.get("negative_slope") is None else "negative_slope"  # `alpha` was Keras 2's name
    return kinds.ReLU(None, settings.number(key, 0.3))


def _prelu(settings: Settings) -> LayerKind:
    settings.require("shared_axes", [1, 2])
    return kinds.PReLU()


def _elu(settings: Settings) -> LayerKind:
    if settings.number("alpha", 1.0) != 1.0:
        raise Unreadable("has an alpha other than 1")
    return kinds.Activation("elu")


def _pooling(kind: type[kinds.MaxPooling2D | kinds.AveragePooling2D]) -> Callable[[Settings], LayerKind]:
    def read(settings: Settings) -> LayerKind:
        settings.require("data_format", "channels_last", None)
        pool = settings.size("pool_size", 2)
        strides = pool if settings.get("strides") is None else settings.size("strides")
        return kind(pool, strides, settings.padding())

    return read


def _global_pooling(
    kind: type[kinds.GlobalAveragePooling2D | kinds.GlobalMaxPooling2D],
) -> Callable[[Settings], LayerKind]:
    def read(settings: Settings) -> LayerKind:
        settings.require("data_format", "channels_last", None)
        return kind(settings.flag("keepdims", default=False))

    return read


def _zero_padding(settings: Settings) -> LayerKind:
    settings.require("data_format", "channels_last", None)
    return kinds.ZeroPadding2D(settings.edges("padding"))


def _cropping(settings: Settings) -> LayerKind:
    settings.require("data_format", "channels_last", None)
    return kinds.Cropping2D(settings.edges("cropping"))


def _flatten(settings: Settings) -> LayerKind:
    settings.require("data_format", "channels_last", None)
    return kinds.Flatten()


def _reshape(settings: Settings) -> LayerKind:
    target = settings.get("target_shape")
    if not isinstance(target, list) or not 1 <= len(target) <= 3 or target.count(-1) > 1:
        raise Unreadable(f"has {shown(target)} as its target_shape, not 1 to 3 sizes")
    return kinds.Reshape(tuple(-1 if size == -1 else whole_number("target_shape", size) for size in target))


def _concatenate(settings: Settings) -> LayerKind:
    settings.last_axis()
    return kinds.Concatenate()


KINDS: Mapping[str, Callable[[Settings], LayerKind]] = {
    "Conv2D": _conv2d,
    "DepthwiseConv2D": _depthwise,
    "SeparableConv2D": _separable,
    "Dense": _dense,
    "BatchNormalization": _batch_normalization,
    "LayerNormalization": _layer_normalization,
    "Normalization": _normalization,
    "Rescaling": lambda settings: kinds.Rescaling(settings.numbers("scale", 1.0), settings.numbers("offset", 0.0)),
    "LayerScale": lambda _: kinds.LayerScale(),
    "Activation": lambda settings: kinds.Activation(settings.function()),
    "ReLU": _relu,
    "LeakyReLU": _leaky_relu,
    "PReLU": _prelu,
    "ELU": _elu,
    "ZeroPadding2D": _zero_padding,
    "Cropping2D": _cropping,
    "MaxPooling2D": _pooling(kinds.MaxPooling2D),
    "AveragePooling2D": _pooling(kinds.AveragePooling2D),
    "GlobalAveragePooling2D": _global_pooling(kinds.GlobalAveragePooling2D),
    "GlobalMaxPooling2D": _global_pooling(kinds.GlobalMaxPooling2D),
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Add": lambda _: kinds.Add(),
    "Multiply": lambda _: kinds.Multiply(),
    "Average": lambda _: kinds.Average(),
    "Maximum": lambda _: kinds.Maximum(),
    "Concatenate": _concatenate,
    "CustomScaleLayer": lambda settings: kinds.CustomScaleLayer(settings.number("scale", 1.0)),
    "Identity": lambda _: kinds.Identity(),
}
"""Readers of a layer's settings, by Keras's class of the layer."""
IN_TRAINING_ALONE = frozenset(
    {
        "Dropout",
        "SpatialDropout2D",
        "StochasticDepth",
        "GaussianDropout",
        "GaussianNoise",
        "AlphaDropout",
        "ActivityRegularization",
        "RandomBrightness",
        "RandomContrast",
        "RandomFlip",
        "RandomRotation",
        "RandomTranslation",
        "RandomZoom",
    }
)
"""Keras's layers that do nothing but in training."""


def layer_kind(class_name: str, settings: Settings) -> LayerKind:
    """Return the kind of a layer with its settings.

    Raises:
        Unreadable: the class is not among the known ones, or a setting can't be used.
    """
    if class_name in IN_TRAINING_ALONE:
        return kinds.Identity()
    if class_name not in KINDS:
        raise Unreadable(f"is a {class_name}, which is not among the layers that can be used")
    settings.require("lora_rank", None)
    dtype = settings.get("dtype")
    if isinstance(dtype, Mapping) and str(dtype.get("class_name")).startswith("Quantized"):
        raise Unreadable("is quantized")
    return KINDS[class_name](settings)
