"""The network for serving: its input is uint8 pixels; batch norm and residual scales are folded into the weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from finetune import network
from finetune.export.formats.content import CLASS_LOGITS, EMBEDDINGS, IMAGES, PROBABILITIES, Content
from finetune.images import standardize


def folded(content: Content) -> dict[str, np.ndarray]:
    """Return the weights by TF1 name, with batch normalization folded into them."""
    return {name: np.asarray(value) for name, value in network.fold(content.backbone, content.tensors).items()}


def outputs(content: Content, weights: Mapping[str, Any], images: tf.Tensor) -> dict[str, tf.Tensor]:
    """Compute all outputs of the network, by name.

    Args:
        content: network and input contract.
        weights: weights from `folded`, as arrays or as variables.
        images: pixels, uint8 [n, s, s, c].
    """
    inputs = standardize(images, content.preprocessing.standardization)
    values = {name: tf.convert_to_tensor(value) for name, value in weights.items()}
    prelogits = network.forward_pass(content.backbone, inputs, values, batch_norm="folded")  # [n, embedding size]
    found = {EMBEDDINGS: network.l2_normalize(prelogits)}
    if content.head:
        logits = network.forward_pass(content.backbone, prelogits, values, network.HEAD, batch_norm="folded")
        found |= {CLASS_LOGITS: logits, PROBABILITIES: tf.nn.softmax(logits)}  # [n, classes]
    return found


def signature(content: Content) -> tf.TensorSpec:
    """Return the shape, type and name of the input."""
    return tf.TensorSpec([None, *content.preprocessing.shape], tf.uint8, IMAGES)


def constant_function(content: Content) -> tf.types.experimental.ConcreteFunction:
    """Return the function from images to all outputs, for any batch size, with the weights as constants."""
    weights = folded(content)
    forward = tf.function(
        lambda images: outputs(content, weights, images), input_signature=[signature(content)], autograph=False
    )
    return forward.get_concrete_function()
