"""The network in Keras's own layers, which loads without finetune."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import keras
import numpy as np

from finetune.backbones import (
    AveragePool,
    Branch,
    Convolution,
    Dense,
    Fire,
    Flatten,
    GlobalAveragePool,
    Graph,
    Layer,
    Mixed,
    Reduction,
    Residual,
    Unit,
)
from finetune.export.formats import keras_graph
from finetune.export.formats.content import CLASS_LOGITS, EMBEDDINGS, IMAGES, PROBABILITIES, Content
from finetune.images import IMAGENET_DEVIATION, IMAGENET_MEAN

AFFINE: dict[str, tuple[Any, Any]] = {
    "fixed": (1 / 128, -127.5 / 128),
    "unit": (1 / 255, 0.0),
    "symmetric": (1 / 127.5, -1.0),
    "imagenet": (
        [1 / (255 * deviation) for deviation in IMAGENET_DEVIATION],
        [-mean / deviation for mean, deviation in zip(IMAGENET_MEAN, IMAGENET_DEVIATION, strict=True)],
    ),
    "none": (1.0, 0.0),
}
"""Scale and offset of Keras's layer for each standardization that multiplies and adds."""
Tensor: TypeAlias = Any
"""Keras tensor; Keras has no types for it."""


def build(content: Content) -> keras.Model:
    """Build the model from `images` to `embeddings`; with a head, to a dict of embeddings, logits and probabilities.

    Batch normalization is kept. No weight is trainable until the user changes that, because the moving statistics would
    drift.
    """
    layers = _Layers(content)
    images = keras.Input(content.preprocessing.shape, dtype="uint8", name=IMAGES)  # [n, s, s, c]
    net = layers.standardize(images)
    *body, head = content.backbone.units
    for unit in body:
        net = layers.unit(net, unit)
    found = {EMBEDDINGS: keras.layers.UnitNormalization(name=EMBEDDINGS)(net)}
    if content.head:
        found[CLASS_LOGITS] = layers.unit(net, head)
        found[PROBABILITIES] = keras.layers.Softmax(name=PROBABILITIES)(found[CLASS_LOGITS])
    model = keras.Model(images, found if content.head else found[EMBEDDINGS], name=content.backbone.scope)
    for layer, values in layers.values:
        layer.set_weights(values)
    model.trainable = False
    return model


class _Layers:
    """Maker of layers, which are named after the scopes of FaceNet's graph. It collects the layers' weights."""

    def __init__(self, content: Content) -> None:
        self._content, self._tensors = content, content.tensors
        self.values: list[tuple[keras.Layer, list[np.ndarray]]] = []

    def standardize(self, images: Tensor) -> Tensor:
        """Standardize with Keras's own layers, which both file formats can store."""
        standardization = self._content.preprocessing.standardization
        if standardization in AFFINE:
            scale, offset = AFFINE[standardization]
            return keras.layers.Rescaling(scale, offset, name="standardize")(images)
        # Keras adds the least variance to the variance, and TensorFlow takes the larger of the two. For an image with
        # any contrast, both give the same result in float32.
        shape = images.shape[1:]
        pixels = keras.layers.Flatten(name="flat")(keras.layers.Rescaling(1.0, name="pixels")(images))
        # One axis only: if there are several, Keras reads just the last one from an .h5 file.
        layer = keras.layers.LayerNormalization(epsilon=1 / np.prod(shape), center=False, scale=False)
        return keras.layers.Reshape(shape, name="standardize")(layer(pixels))

    def unit(self, net: Tensor, unit: Unit) -> Tensor:
        """Make the layers of a unit of the backbone."""
        made_of, scope = unit.made_of, self._content.backbone.scope_of(unit.name)
        match made_of:
            case GlobalAveragePool():
                return keras.layers.GlobalAveragePooling2D(name=self._name(scope))(net)
            case Flatten():
                return keras.layers.Flatten(name=self._name(scope))(net)
            case Dense():
                net = self.dense(net, scope)
                net = self.batch_norm(net, scope) if made_of.batch_norm else net
                return self.relu(net, scope) if made_of.relu else net
            case Fire():
                (squeeze, narrow), *expand = made_of.layers
                net = self.layer(net, narrow, f"{scope}/{squeeze}")
                ends = [self.layer(net, layer, f"{scope}/{name}") for name, layer in expand]
                return keras.layers.Concatenate(name=self._name(scope))(ends)
            case Residual():
                return self.residual(net, scope, made_of)
            case Reduction():
                ends = self.branches(net, scope, made_of.branches)
                pool = self.layer(net, made_of.pool, f"{scope}/{made_of.pool_scope}")
                return keras.layers.Concatenate(name=self._name(scope))([*ends, pool])
            case Mixed():
                ends = self.branches(net, scope, made_of.branches)
                return keras.layers.Concatenate(name=self._name(scope))(ends)
            case Graph():
                net, values = keras_graph.build(made_of, net, self._tensors, scope)
                self.values += values
                return net
            case _:
                return self.layer(net, made_of, scope)

    def residual(self, net: Tensor, scope: str, made_of: Residual) -> Tensor:
        """Make a residual block, which adds its branches to its input."""
        ends = self.branches(net, scope, made_of.branches)
        mixed = keras.layers.Concatenate(name=self._name(f"{scope}/mixed"))(ends)
        up = self._layer(keras.layers.Conv2D, net.shape[-1], 1, scope=f"{scope}/{made_of.up}")(mixed)
        scaled = keras.layers.Rescaling(made_of.scale, name=self._name(f"{scope}/scale"))(up)
        net = keras.layers.Add(name=self._name(f"{scope}/add"))([net, scaled])
        return self.relu(net, scope) if made_of.relu else net

    def branches(self, net: Tensor, scope: str, branches: Sequence[Branch]) -> list[Tensor]:
        """Make parallel branches, each a sequence of layers."""
        ends = []
        for i, branch in enumerate(branches):
            end = net
            for name, layer in branch:
                end = self.layer(end, layer, f"{scope}/Branch_{i}/{name}")
            ends.append(end)
        return ends

    def layer(self, net: Tensor, layer: Layer, scope: str) -> Tensor:
        """Make a layer, with the batch normalization and the ReLU that follow it."""
        padding = layer.padding.lower()
        if not isinstance(layer, Convolution):
            average = isinstance(layer, AveragePool)
            pool = keras.layers.AveragePooling2D if average else keras.layers.MaxPooling2D
            return pool(layer.kernel, layer.stride, padding, name=self._name(scope))(net)
        kind = keras.layers.Conv2D
        biased = not layer.batch_norm
        made = self._layer(kind, layer.filters, layer.kernel, layer.stride, padding, use_bias=biased, scope=scope)
        net = self.batch_norm(made(net), scope) if layer.batch_norm else made(net)
        return self.relu(net, scope) if layer.relu else net

    def relu(self, net: Tensor, scope: str) -> Tensor:
        """Make the ReLU after a layer."""
        return keras.layers.ReLU(name=self._name(f"{scope}/relu"))(net)

    def dense(self, net: Tensor, scope: str) -> Tensor:
        """Make a fully connected layer, with a bias if the checkpoint has one."""
        width = self._tensors[f"{scope}/weights"].shape[-1]
        return self._layer(keras.layers.Dense, width, use_bias=f"{scope}/biases" in self._tensors, scope=scope)(net)

    def batch_norm(self, net: Tensor, scope: str) -> Tensor:
        """Make the batch normalization after a layer."""
        epsilon, decay, gamma = self._content.backbone.batch_norm
        layer = keras.layers.BatchNormalization(
            momentum=decay, epsilon=epsilon, scale=gamma, name=self._name(f"{scope}/BatchNorm")
        )
        names = (*(["gamma"] if gamma else []), "beta", "moving_mean", "moving_variance")
        self.values.append((layer, [self._tensors[f"{scope}/BatchNorm/{name}"] for name in names]))
        return layer(net)

    def _layer(self, kind: Any, *arguments: object, scope: str, **options: object) -> keras.Layer:
        layer = kind(*arguments, name=self._name(scope), **options)
        names = [f"{scope}/{part}" for part in ("weights", "biases")]
        self.values.append((layer, [self._tensors[name] for name in names if name in self._tensors]))
        return layer

    def _name(self, scope: str) -> str:
        """Return the layer name for a scope, without slashes, which Keras does not allow."""
        return scope.removeprefix(f"{self._content.backbone.scope}/").replace("/", "_")
