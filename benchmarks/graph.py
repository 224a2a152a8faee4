"""The network as a plain TensorFlow graph of constants, from which peers in other runtimes are made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import tensorflow as tf

from finetune import Model, network
from finetune.images.standardization import standardize

PIXELS, IMAGES, EMBEDDINGS, CLASS_LOGITS = "pixels", "images", "embeddings", "class_logits"
"""Names of the inputs and outputs of the two graphs. Names ignore case, so `logits` would clash with a scope."""

Graph: TypeAlias = tf.compat.v1.GraphDef


def embedding_graph(model: Model) -> Graph:
    """Return the graph from uint8 `pixels` [n, s, s, 3] to `embeddings` of length 1 [n, e].

    Batch normalization and residual scales are folded into the weights.
    """
    graph, size = tf.Graph(), model.preprocessing.image_size
    values = {name: np.asarray(value) for name, value in network.fold(model.backbone, model.variables).items()}
    with graph.as_default():
        pixels = tf.compat.v1.placeholder(tf.uint8, [None, size, size, 3], PIXELS)
        images = standardize(pixels, model.preprocessing.standardization)
        prelogits = network.forward_pass(model.backbone, images, _constants(values), batch_norm="folded")
        tf.identity(network.l2_normalize(prelogits), EMBEDDINGS)
    return _needed(graph.as_graph_def(), EMBEDDINGS)


def training_graph(model: Model) -> Graph:
    """Return the graph from standardized `images` [n, s, s, 3] to `class_logits`, with batch normalization kept."""
    graph, size = tf.Graph(), model.preprocessing.image_size
    values = model.tensors()
    with graph.as_default():
        images = tf.compat.v1.placeholder(tf.float32, [None, size, size, 3], IMAGES)
        logits = network.forward_pass(model.backbone, images, _constants(values), slice(None), batch_norm="stored")
        tf.identity(logits, CLASS_LOGITS)
    return _needed(graph.as_graph_def(), CLASS_LOGITS)


def constants(graph: Graph) -> dict[str, np.ndarray]:
    """Return the values of a graph's constants by name. The network's variables have their TF1 names."""
    return {node.name: tf.make_ndarray(node.attr["value"].tensor) for node in graph.node if node.op == "Const"}


def _constants(values: Mapping[str, np.ndarray]) -> dict[str, tf.Tensor]:
    return {name: tf.constant(value, name=name) for name, value in values.items()}


def _needed(graph: Graph, output: str) -> Graph:
    """Return the graph with only the nodes that an output depends on, in their order."""
    inputs = {node.name: [name.split(":")[0].lstrip("^") for name in node.input] for node in graph.node}
    needed, ahead = set(), [output]
    while ahead:
        name = ahead.pop()
        if name not in needed:
            needed.add(name)
            ahead += inputs[name]
    small = Graph(versions=graph.versions)
    small.node.extend(node for node in graph.node if node.name in needed)
    return small
