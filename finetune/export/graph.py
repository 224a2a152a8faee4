"""FaceNet's own graph, for TensorFlow 1: a model directory as its Saver writes it, and a frozen graph.

The names are those that `validate_on_lfw.py`, `classifier.py` and the others of davidsandberg/facenet look up.
Batch normalization is by the stored statistics whatever `phase_train` is fed: it is there because it is fed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

from finetune import checkpoint as checkpoints, network
from finetune.export.content import Content

EMBEDDINGS, CLASS_LOGITS, PROBABILITIES = "embeddings", "logits", "probabilities"
"""What comes out, under the same names in every format."""

_OLDER = {"AddV2": "Add", "FusedBatchNormV3": "FusedBatchNorm"}
"""Operations that TensorFlow 1.7 does not know, in its own words."""

Reader = Callable[[str, np.ndarray], tf.Tensor]


def write_tf1(content: Content, folder: Path) -> None:
    """Writes `model-NAME.meta`, `.ckpt-STEP.index`, `.ckpt-STEP.data-…` and `checkpoint`, NAME as the folder's."""
    prefix = checkpoints.write(folder, checkpoints.published_form(folder.name), content.step, content.tensors)
    variables: list[tf.Variable] = []

    def variable(name: str, value: np.ndarray) -> tf.Tensor:
        created = tf.compat.v1.get_variable(
            name,
            value.shape,
            initializer=tf.compat.v1.zeros_initializer(),
            trainable=not content.backbone.is_statistic(name),
            use_resource=False,  # as in the published graph
        )
        variables.append(created)
        return created.value()

    with tf.Graph().as_default() as graph:
        _build(content, variable)
        saver = tf.compat.v1.train.Saver(variables).as_saver_def()
        meta = _exported(graph, saver)
    name = prefix.name.rpartition(".ckpt-")[0]
    (folder / f"{name}.meta").write_bytes(meta.SerializeToString(deterministic=True))


def write_pb(content: Content, folder: Path) -> None:
    """Writes `NAME.pb`, NAME as the folder's, every variable a constant of its name."""

    def constant(name: str, value: np.ndarray) -> tf.Tensor:
        # A reader beside each, as freezing leaves it: it tells a variable from any other constant.
        return tf.identity(tf.constant(value, name=name), f"{name}/read")

    with tf.Graph().as_default() as graph:
        _build(content, constant)
        frozen = _exported(graph, None).graph_def
    (folder / f"{folder.name}.pb").write_bytes(frozen.SerializeToString(deterministic=True))


def _build(content: Content, read: Reader) -> None:
    """Builds the graph in the default one; `read` makes a variable's tensor."""
    values = {name: read(name, value) for name, value in content.tensors.items()}
    size = content.preprocessing.image_size
    image_batch = tf.compat.v1.placeholder(tf.float32, [None, size, size, 3], "image_batch")
    inputs = tf.identity(image_batch, "input")
    tf.compat.v1.placeholder(tf.int32, [None], "label_batch")
    tf.compat.v1.placeholder_with_default(input=False, shape=[], name="phase_train")
    prelogits = network.forward_pass(content.backbone, inputs, values, batch_norm="stored")
    tf.identity(network.l2_normalize(prelogits), EMBEDDINGS)
    if content.head:
        logits = network.forward_pass(content.backbone, prelogits, values, network.HEAD, batch_norm="stored")
        # With the slash the name stays as it is: else TensorFlow takes it for that of the head's scope.
        tf.identity(logits, f"{CLASS_LOGITS}/")
        tf.nn.softmax(logits, name=PROBABILITIES)


def _exported(graph: tf.Graph, saver: tf.compat.v1.train.SaverDef | None) -> tf.compat.v1.MetaGraphDef:
    """The graph as TensorFlow from 1.7 on reads it, with the saver that restores it."""
    meta = tf.compat.v1.train.export_meta_graph(graph=graph, saver_def=saver, strip_default_attrs=True)
    for node in meta.graph_def.node:
        if node.op in _OLDER:
            node.op = _OLDER[node.op]
            node.attr.pop("U", None)
    return meta
