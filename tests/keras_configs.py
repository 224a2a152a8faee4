"""Configurations of small Keras models, as `config.json` of a `.keras` archive holds them."""

from __future__ import annotations

from typing import Any

IMAGE = [None, 32, 32, 3]
WINDOW = {"data_format": "channels_last", "padding": "same", "activation": "linear"}


def layer(class_name: str, name: str, inputs: Any = (), module: str = "keras.layers", **config: Any) -> dict[str, Any]:
    """Return the configuration of a layer, called on the outputs of the layers `inputs`."""
    tensors = [tensor(one) if isinstance(one, str) else one for one in inputs]
    return {
        "module": module,
        "class_name": class_name,
        "config": {"name": name, **config},
        "registered_name": None,
        "name": name,
        "inbound_nodes": [{"args": [tensors] if len(tensors) > 1 else tensors, "kwargs": {}}] if tensors else [],
    }


def tensor(name: str) -> dict[str, Any]:
    """Return the first output of a layer, as an argument of a call."""
    return {"class_name": "__keras_tensor__", "config": {"shape": IMAGE, "keras_history": [name, 0, 0]}}


def image(name: str = "image", shape: Any = IMAGE) -> dict[str, Any]:
    """Return the configuration of an input layer."""
    return layer("InputLayer", name, batch_shape=shape)


def convolution(name: str, inputs: Any, filters: int = 4, **config: Any) -> dict[str, Any]:
    """Return the configuration of a 3 x 3 convolution."""
    return layer("Conv2D", name, inputs, filters=filters, kernel_size=[3, 3], **(WINDOW | config))


def functional(*layers: dict[str, Any], name: str = "model", **config: Any) -> dict[str, Any]:
    """Return the configuration of a functional model, from its first layer to its last one."""
    ends = {"input_layers": [layers[0]["name"], 0, 0], "output_layers": [layers[-1]["name"], 0, 0]}
    return layer("Functional", name, module="keras.src.models.functional", layers=list(layers), **(ends | config))


def sequential(*layers: dict[str, Any], name: str = "sequential", **config: Any) -> dict[str, Any]:
    """Return the configuration of a sequential model."""
    return layer("Sequential", name, module="keras", layers=list(layers), **config)


def small() -> dict[str, Any]:
    """Return a small network with a residual block and a classifier."""
    return functional(
        image(),
        convolution("conv1_conv", ["image"], use_bias=False),
        layer("BatchNormalization", "conv1_bn", ["conv1_conv"], axis=3, epsilon=1e-5),
        layer("ReLU", "conv1_relu", ["conv1_bn"], max_value=6.0),
        convolution("block_1_expand", ["conv1_relu"], activation="swish"),
        convolution("block_1_project", ["block_1_expand"]),
        layer("Add", "block_1_add", ["block_1_project", "conv1_relu"]),
        layer("GlobalAveragePooling2D", "pool", ["block_1_add"], keepdims=False),
        layer("Dropout", "dropout", ["pool"], rate=0.5),
        layer("Dense", "people", ["dropout"], units=7, activation="softmax"),
    )
