"""FaceNet's own graph, as programs for TensorFlow 1 take it.

The names are those that `validate_on_lfw.py`, `classifier.py` and the others of davidsandberg/facenet look up.
Batch normalization is by the stored statistics whatever `phase_train` is fed: it is there because it is fed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from finetune import network
from finetune.export.formats.content import CLASS_LOGITS, EMBEDDINGS, PROBABILITIES, Content

_OLDER = {"AddV2": "Add", "FusedBatchNormV3": "FusedBatchNorm"}
"""Operations that TensorFlow 1.7 does not know, in its own words."""


def build(content: Content, read: Callable[[str, np.ndarray], tf.Tensor]) -> None:
    """Build the graph in the default one.

    Args:
        content: the network, its weights and its contract.
        read: makes the tensor of a variable, given its name and its value.
    """
    values = {name: read(name, value) for name, value in content.tensors.items()}
    size = content.preprocessing.image_size
    image_batch = tf.compat.v1.placeholder(tf.float32, [None, size, size, 3], "image_batch")
    inputs = tf.identity(image_batch, "input")
    tf.compat.v1.placeholder(tf.int32, [None], "label_batch")
    tf.compat.v1.placeholder_with_default(input=False, shape=[], name="phase_train")
    prelogits = network.forward_pass(content.backbone, inputs, values, batch_norm="stored")  # [n, embedding size]
    tf.identity(network.l2_normalize(prelogits), EMBEDDINGS)
    if content.head:
        logits = network.forward_pass(content.backbone, prelogits, values, network.HEAD, batch_norm="stored")
        # With the slash the name stays as it is: else TensorFlow takes it for that of the head's scope.
        tf.identity(logits, f"{CLASS_LOGITS}/")
        tf.nn.softmax(logits, name=PROBABILITIES)


def meta_graph(graph: tf.Graph, saver: tf.compat.v1.train.SaverDef | None = None) -> tf.compat.v1.MetaGraphDef:
    """Return the graph as TensorFlow from 1.7 on reads it, with the saver that restores it."""
    meta = tf.compat.v1.train.export_meta_graph(graph=graph, saver_def=saver, strip_default_attrs=True)
    for node in meta.graph_def.node:
        if node.op in _OLDER:
            node.op = _OLDER[node.op]
            node.attr.pop("U", None)
    return meta
