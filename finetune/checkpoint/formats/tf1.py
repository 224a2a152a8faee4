"""TensorFlow's Saver format: an `.index` with its `.data` shards, or the single file from before 0.12.

TensorFlow 2 keeps its checkpoints of objects in the same files. Their keys are paths of objects, and a graph of the
objects has the variables' own names.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from finetune.checkpoint.formats.format import Format, Variables
from finetune.checkpoint.formats.index import refuse_unsound
from finetune.errors import CheckpointError, Problem

OBJECTS = "_CHECKPOINTABLE_OBJECT_GRAPH"
"""Key of the graph of objects."""


def read(prefix: Path, files: tuple[Path, ...]) -> Variables:
    """Open a Saver's files; TensorFlow reads each variable on demand and verifies its checksum."""
    import tensorflow as tf

    refuse_pattern(prefix)
    refuse_unsound(files[0])
    reader = tf.train.load_checkpoint(str(prefix))
    shapes = {name: tuple(shape) for name, shape in sorted(reader.get_variable_to_shape_map().items())}
    dtypes = {name: np.dtype(dtype.as_numpy_dtype) for name, dtype in reader.get_variable_to_dtype_map().items()}
    if OBJECTS not in shapes:
        return Variables(shapes, dtypes, reader.get_tensor)
    keys = dict(_named(reader, shapes))
    return Variables(
        {name: shapes[key] for name, key in sorted(keys.items())},
        {name: dtypes[key] for name, key in keys.items()},
        lambda name: reader.get_tensor(keys[name]),
        ("a TensorFlow 2 checkpoint of objects; the names are those of its variables",),
    )


def _named(reader: Any, shapes: dict[str, tuple[int, ...]]) -> Iterator[tuple[str, str]]:
    """Yield the name and the key of each tensor. Without a name of its own, a tensor is named by its key."""
    from tensorflow.core.protobuf.trackable_object_graph_pb2 import TrackableObjectGraph

    stored = reader.get_tensor(OBJECTS)
    if not isinstance(stored, bytes):
        raise ValueError("the graph of its objects is no text")
    graph = TrackableObjectGraph.FromString(stored)
    names = {one.checkpoint_key: one.full_name for node in graph.nodes for one in node.attributes if one.full_name}
    counts: dict[str, int] = {}
    for name in names.values():
        counts[name] = counts.get(name, 0) + 1
    for key in shapes.keys() - {OBJECTS}:
        name = names.get(key, "")
        yield (name if counts.get(name) == 1 else key), key


def refuse_pattern(path: Path) -> None:
    """Refuse a path that TensorFlow takes for a pattern and can't open.

    Raises:
        CheckpointError: the path is such a pattern.
    """
    if any(character in str(path) for character in "[\\"):
        raise CheckpointError(Problem(path, "TensorFlow opens no path with '[' or '\\' in it", "rename it"))


FORMAT = Format("tf1", "TF1 checkpoint", (), read)
