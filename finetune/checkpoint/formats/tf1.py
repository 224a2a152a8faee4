"""TensorFlow's Saver format: an `.index` with its `.data` shards, or the single file from before 0.12.

TensorFlow 2 keeps its checkpoints of objects in the same files. Their keys are paths of objects, and a graph of the
objects has the variables' own names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from finetune.checkpoint.formats.bundle import STRING, Bundle, read_bundle
from finetune.checkpoint.formats.format import Format, Variables
from finetune.checkpoint.formats.wire import fields
from finetune.errors import CheckpointError, Problem

OBJECTS = "_CHECKPOINTABLE_OBJECT_GRAPH"
"""Key of the graph of objects, a `TrackableObjectGraph` (tensorflow/core/protobuf/trackable_object_graph.proto)."""
NODES, ATTRIBUTES, FULL_NAME, CHECKPOINT_KEY = 1, 2, 2, 3
"""Fields of the graph, of a node, and of an attribute."""


def read(prefix: Path, files: tuple[Path, ...]) -> Variables:
    """Open a Saver's files; each variable is read on demand, and its checksum is verified."""
    refuse_pattern(prefix)
    if files[0].suffix != ".index":
        return _read_first_format(files[0])
    bundle = read_bundle(Path(str(files[0]).removesuffix(".index")), files[0])
    keys = {name: name for name in bundle.entries}
    if OBJECTS in bundle.entries:
        keys = dict(_named(bundle))
    remark = "a TensorFlow 2 checkpoint of objects; the names are those of its variables"
    return Variables(
        {name: bundle.entries[key].shape for name, key in sorted(keys.items())},
        {name: bundle.entries[key].dtype for name, key in keys.items()},
        lambda name: bundle.tensor(keys[name]),
        (remark,) if OBJECTS in bundle.entries else (),
    )


def _read_first_format(path: Path) -> Variables:
    import tensorflow as tf

    from finetune.checkpoint.formats.first_format import refuse_unsound

    refuse_unsound(path)
    reader = tf.train.load_checkpoint(str(path))
    shapes = {name: tuple(shape) for name, shape in sorted(reader.get_variable_to_shape_map().items())}
    dtypes = {name: np.dtype(dtype.as_numpy_dtype) for name, dtype in reader.get_variable_to_dtype_map().items()}
    return Variables(shapes, dtypes, reader.get_tensor)


def _named(bundle: Bundle) -> Iterator[tuple[str, str]]:
    """Yield the name and the key of each tensor. Without a name of its own, a tensor is named by its key."""
    if bundle.entries[OBJECTS][:2] != (STRING, ()):
        raise ValueError("the graph of its objects is no text")
    names = dict(_names(memoryview(bundle.tensor(OBJECTS).item())))
    counts = Counter(names.values())
    for key in bundle.entries.keys() - {OBJECTS}:
        name = names.get(key, "")
        yield (name if counts[name] == 1 else key), key


def _names(graph: memoryview) -> Iterator[tuple[str, str]]:
    """Yield the key and the name of each tensor in a `TrackableObjectGraph` that has a name."""
    for node in _messages(graph, NODES):
        for attribute in _messages(node, ATTRIBUTES):
            texts = {field: str(value, "utf-8") for field, value in fields(attribute) if not isinstance(value, int)}
            if texts.get(FULL_NAME):
                yield texts.get(CHECKPOINT_KEY, ""), texts[FULL_NAME]


def _messages(message: memoryview, field: int) -> Iterator[memoryview]:
    return (value for found, value in fields(message) if found == field and not isinstance(value, int))


def refuse_pattern(path: Path) -> None:
    """Refuse a path that TensorFlow takes for a pattern and can't open.

    Raises:
        CheckpointError: the path is such a pattern.
    """
    if any(character in str(path) for character in "[\\"):
        raise CheckpointError(Problem(path, "TensorFlow opens no path with '[' or '\\' in it", "rename it"))


FORMAT = Format("tf1", "TF1 checkpoint", (), read)
