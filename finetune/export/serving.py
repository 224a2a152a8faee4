"""The network as it is served: uint8 pixels in, batch normalization and residual scales folded away."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from finetune import network
from finetune.export.content import Content
from finetune.export.graph import CLASS_LOGITS, EMBEDDINGS, PROBABILITIES
from finetune.images import standardize

IMAGES = "images"
"""What goes in: uint8 [n, s, s, 3], RGB."""


def folded(content: Content) -> dict[str, np.ndarray]:
    """The weights without batch normalization, by TF1 name."""
    return {name: np.asarray(value) for name, value in network.fold(content.backbone, content.tensors).items()}


def outputs(content: Content, weights: Mapping[str, Any], images: tf.Tensor) -> dict[str, tf.Tensor]:
    """All that the network gives, by name.

    Args:
        weights: those of `folded`, as arrays or as variables.
        images: uint8 [n, s, s, 3].
    """
    inputs = standardize(images, content.preprocessing.standardization)
    values = {name: tf.convert_to_tensor(value) for name, value in weights.items()}
    prelogits = network.forward_pass(content.backbone, inputs, values, batch_norm="folded")
    found = {EMBEDDINGS: network.l2_normalize(prelogits)}
    if content.head:
        logits = network.forward_pass(content.backbone, prelogits, values, network.HEAD, batch_norm="folded")
        found |= {CLASS_LOGITS: logits, PROBABILITIES: tf.nn.softmax(logits)}
    return found


def signature(content: Content) -> tf.TensorSpec:
    """Of the input."""
    size = content.preprocessing.image_size
    return tf.TensorSpec([None, size, size, 3], tf.uint8, IMAGES)


def write_saved_model(content: Content, folder: Path) -> None:
    """Writes a SavedModel with the signatures `embed`, which serves by default too, and with a head `classify`."""
    weights = {name: tf.Variable(value) for name, value in folded(content).items()}
    module = tf.Module()
    module.weights = list(weights.values())  # what hangs on a module is saved with it

    def function(names: tuple[str, ...]) -> tf.types.experimental.ConcreteFunction:
        def serve(images: tf.Tensor) -> dict[str, tf.Tensor]:
            found = outputs(content, weights, images)
            return {name: tf.identity(found[name], name) for name in names}

        return tf.function(serve, input_signature=[signature(content)], autograph=False).get_concrete_function()

    embed = function((EMBEDDINGS,))
    signatures = {"serving_default": embed, "embed": embed}
    if content.head:
        signatures["classify"] = function((CLASS_LOGITS, PROBABILITIES))
    tf.saved_model.save(module, str(folder), signatures)
