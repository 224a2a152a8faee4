"""Model directory for TensorFlow 1, which the published scripts can load."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from finetune import checkpoint as checkpoints
from finetune.export.formats.content import Content
from finetune.export.formats.format import TENSORFLOW1, Format

if TYPE_CHECKING:
    import numpy as np
    import tensorflow as tf


def write(content: Content, folder: Path) -> None:
    """Write `model-NAME.meta`, `….ckpt-STEP.index`, `….ckpt-STEP.data-…` and `checkpoint`; NAME is the folder's."""
    import tensorflow as tf

    from finetune.export.formats.facenet_graph import build, meta_graph

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
        build(content, variable)
        saver = tf.compat.v1.train.Saver(variables).as_saver_def()
        meta = meta_graph(graph, saver)
    name = prefix.name.rpartition(".ckpt-")[0]
    (folder / f"{name}.meta").write_bytes(meta.SerializeToString(deterministic=True))


TF1 = Format("tf1", "a model directory with a .meta file, for FaceNet's own scripts", write, python=TENSORFLOW1)
