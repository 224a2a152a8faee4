"""The network in Keras's own layers, so that it loads where finetune is not installed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import keras
import numpy as np

from finetune.architecture import HEAD, SCOPE, UNITS
from finetune.export.content import Content
from finetune.export.graph import CLASS_LOGITS, EMBEDDINGS, PROBABILITIES
from finetune.export.serving import IMAGES
from finetune.network.inception_resnet_v1 import LAYERS, UP, AveragePool, Branch, Convolution, MaxPool, Reduction
from finetune.network.layers import DECAY, EPSILON

Tensor: TypeAlias = Any
"""One of Keras's, which are not typed."""


def writer(suffix: str) -> Callable[[Content, Path], None]:
    """What writes `NAME.keras`, or `NAME.h5` in the format of Keras 2's time."""

    def write(content: Content, folder: Path) -> None:
        build(content).save(folder / f"{folder.name}.{suffix}")

    return write


def build(content: Content) -> keras.Model:
    """From uint8 `images` [n, s, s, 3] to `embeddings`, and with a head to a dict of these, logits and probabilities.

    Batch normalization is kept, and no weight is trainable until the user says so: moving statistics would drift.
    """
    size = content.preprocessing.image_size
    layers = _Layers(content)
    images = keras.Input((size, size, 3), dtype="uint8", name=IMAGES)
    net = layers.standardize(images)
    for unit in UNITS[: UNITS.index("Bottleneck")]:
        net = layers.unit(net, unit)
    prelogits = layers.batch_norm(layers.dense(net, f"{SCOPE}/Bottleneck"), f"{SCOPE}/Bottleneck")
    found = {EMBEDDINGS: keras.layers.UnitNormalization(name=EMBEDDINGS)(prelogits)}
    if content.head:
        found[CLASS_LOGITS] = layers.dense(prelogits, HEAD)
        found[PROBABILITIES] = keras.layers.Softmax(name=PROBABILITIES)(found[CLASS_LOGITS])
    model = keras.Model(images, found if content.head else found[EMBEDDINGS], name="InceptionResnetV1")
    for layer, values in layers.values:
        layer.set_weights(values)
    model.trainable = False
    return model


class _Layers:
    """Makes layers under the scopes of FaceNet's graph, and keeps what their weights are to be."""

    def __init__(self, content: Content) -> None:
        self._content, self._tensors = content, content.tensors
        self.values: list[tuple[keras.Layer, list[np.ndarray]]] = []

    def standardize(self, images: Tensor) -> Tensor:
        """Of Keras's own layers, which both file formats can hold."""
        if self._content.preprocessing.standardization == "fixed":
            return keras.layers.Rescaling(1 / 128, -127.5 / 128, name="standardize")(images)
        # The variance's least value is added to it, where TensorFlow takes the larger: for an image of any contrast
        # both are the same in float32.
        shape = images.shape[1:]
        pixels = keras.layers.Flatten(name="flat")(keras.layers.Rescaling(1.0, name="pixels")(images))
        # Over one axis: Keras reads several back from an .h5 file as the last one.
        layer = keras.layers.LayerNormalization(epsilon=1 / np.prod(shape), center=False, scale=False)
        return keras.layers.Reshape(shape, name="standardize")(layer(pixels))

    def unit(self, net: Tensor, unit: str) -> Tensor:
        """One unit of `LAYERS`."""
        made_of, scope = LAYERS[unit], f"{SCOPE}/{unit}"
        if isinstance(made_of, Convolution):
            return self.convolution(net, scope, made_of.kernel, made_of.stride, made_of.padding)
        if isinstance(made_of, MaxPool):
            return keras.layers.MaxPooling2D(3, 2, name=_name(scope))(net)
        if isinstance(made_of, AveragePool):
            return keras.layers.GlobalAveragePooling2D(name=_name(scope))(net)
        halves = isinstance(made_of, Reduction)
        ends = [self.branch(net, f"{scope}/Branch_{i}", branch, halves) for i, branch in enumerate(made_of.branches)]
        if isinstance(made_of, Reduction):
            ends.append(keras.layers.MaxPooling2D(3, 2, name=_name(f"{scope}/MaxPool_1a_3x3"))(net))
            return keras.layers.Concatenate(name=_name(scope))(ends)
        mixed = keras.layers.Concatenate(name=_name(f"{scope}/mixed"))(ends)
        up = self._layer(keras.layers.Conv2D, net.shape[-1], 1, scope=f"{scope}/{UP}")(mixed)
        scaled = keras.layers.Rescaling(made_of.scale, name=_name(f"{scope}/scale"))(up)
        net = keras.layers.Add(name=_name(f"{scope}/add"))([net, scaled])
        return keras.layers.ReLU(name=_name(f"{scope}/relu"))(net) if made_of.relu else net

    def branch(self, net: Tensor, scope: str, convolutions: Branch, halves: bool) -> Tensor:
        """Convolutions in a row; with `halves` the last takes every second place."""
        for i, (_, kernel, name) in enumerate(convolutions):
            last = halves and i == len(convolutions) - 1
            stride, padding = (2, "VALID") if last else (1, "SAME")
            net = self.convolution(net, f"{scope}/{name}", kernel, stride, padding)
        return net

    def convolution(self, net: Tensor, scope: str, kernel: int | tuple[int, int], stride: int, padding: str) -> Tensor:
        """With batch normalization and ReLU after it."""
        filters = self._tensors[f"{scope}/weights"].shape[-1]
        layer = self._layer(keras.layers.Conv2D, filters, kernel, stride, padding.lower(), use_bias=False, scope=scope)
        net = self.batch_norm(layer(net), scope)
        return keras.layers.ReLU(name=_name(f"{scope}/relu"))(net)

    def dense(self, net: Tensor, scope: str) -> Tensor:
        """Fully connected, with a bias where the checkpoint has one."""
        width = self._tensors[f"{scope}/weights"].shape[-1]
        return self._layer(keras.layers.Dense, width, use_bias=f"{scope}/biases" in self._tensors, scope=scope)(net)

    def batch_norm(self, net: Tensor, scope: str) -> Tensor:
        """FaceNet's, with an offset and no scale."""
        layer = keras.layers.BatchNormalization(
            momentum=DECAY, epsilon=EPSILON, scale=False, name=_name(f"{scope}/BatchNorm")
        )
        names = ("beta", "moving_mean", "moving_variance")
        self.values.append((layer, [self._tensors[f"{scope}/BatchNorm/{name}"] for name in names]))
        return layer(net)

    def _layer(self, kind: Any, *arguments: object, scope: str, **options: object) -> keras.Layer:
        layer = kind(*arguments, name=_name(scope), **options)
        names = [f"{scope}/{part}" for part in ("weights", "biases")]
        self.values.append((layer, [self._tensors[name] for name in names if name in self._tensors]))
        return layer


def _name(scope: str) -> str:
    """Keras allows no slashes in the names of layers."""
    return scope.removeprefix(f"{SCOPE}/").replace("/", "_")
