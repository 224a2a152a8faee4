"""FaceNet's own graph, for programs of TensorFlow 1.

Its nodes have the names that `validate_on_lfw.py`, `classifier.py` and the other scripts of davidsandberg/facenet look
up. Batch normalization uses the stored statistics, whatever the value of `phase_train`. That input exists because the
scripts feed it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from finetune import network
from finetune.export.formats.content import CLASS_LOGITS, EMBEDDINGS, PROBABILITIES, Content

_OLDER = {"AddV2": "Add", "FusedBatchNormV3": "FusedBatchNorm"}
"""Operations that TensorFlow 1.7 does not know, and its older names for them."""


def build(content: Content, read: Callable[[str, np.ndarray], tf.Tensor]) -> None:
    """Add the network to the default graph.

    Args:
        content: network, weights and input contract.
        read: function that makes the tensor of a variable from its name and its value.
    """
    values = {name: read(name, value) for name, value in content.tensors.items()}
    image_batch = tf.compat.v1.placeholder(tf.float32, [None, *content.preprocessing.shape], "image_batch")
    inputs = tf.identity(image_batch, "input")
    tf.compat.v1.placeholder(tf.int32, [None], "label_batch")
    tf.compat.v1.placeholder_with_default(input=False, shape=[], name="phase_train")
    prelogits = network.forward_pass(content.backbone, inputs, values, batch_norm="stored")  # [n, embedding size]
    tf.identity(network.l2_normalize(prelogits), EMBEDDINGS)
    if content.head:
        logits = network.forward_pass(content.backbone, prelogits, values, network.HEAD, batch_norm="stored")
        # The final slash keeps the name. TensorFlow would rename the node, as the head's scope differs in case alone.
        tf.identity(logits, f"{CLASS_LOGITS}/")
        tf.nn.softmax(logits, name=PROBABILITIES)


def meta_graph(graph: tf.Graph, saver: tf.compat.v1.train.SaverDef | None = None) -> tf.compat.v1.MetaGraphDef:
    """Return the graph in a form that TensorFlow 1.7 and later can read, with its saver."""
    meta = tf.compat.v1.train.export_meta_graph(graph=graph, saver_def=saver, strip_default_attrs=True)
    for node in meta.graph_def.node:
        if node.op in _OLDER:
            node.op = _OLDER[node.op]
            node.attr.pop("U", None)
    return meta
