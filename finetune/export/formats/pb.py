"""Frozen graph: one file, with the weights as constants."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from finetune.export.formats.content import Content
from finetune.export.formats.format import TENSORFLOW1, Format

if TYPE_CHECKING:
    import numpy as np
    import tensorflow as tf


def write(content: Content, folder: Path) -> None:
    """Write `NAME.pb`, with each variable as a constant of the same name."""
    import tensorflow as tf

    from finetune.export.formats.facenet_graph import build, meta_graph

    def constant(name: str, value: np.ndarray) -> tf.Tensor:
        # Freezing leaves a `read` node for each variable, which distinguishes it from other constants.
        return tf.identity(tf.constant(value, name=name), f"{name}/read")

    with tf.Graph().as_default() as graph:
        build(content, constant)
        frozen = meta_graph(graph).graph_def
    (folder / f"{folder.name}.pb").write_bytes(frozen.SerializeToString(deterministic=True))


PB = Format("pb", "a frozen graph with FaceNet's names", write, suffix=".pb", python=TENSORFLOW1)
