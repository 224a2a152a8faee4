"""TensorFlow 1's Saver format: an `.index` with its `.data` shards, or the single file from before 0.12."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from finetune.checkpoint.formats.format import Format, Variables
from finetune.checkpoint.formats.index import refuse_unsound
from finetune.errors import CheckpointError, Problem


def read(prefix: Path, files: tuple[Path, ...]) -> Variables:
    """Open a Saver's files; TensorFlow reads each variable on demand and verifies its checksum."""
    import tensorflow as tf

    refuse_pattern(prefix)
    refuse_unsound(files[0])
    reader = tf.train.load_checkpoint(str(prefix))
    shapes = {name: tuple(shape) for name, shape in sorted(reader.get_variable_to_shape_map().items())}
    dtypes = {name: np.dtype(dtype.as_numpy_dtype) for name, dtype in reader.get_variable_to_dtype_map().items()}
    return Variables(shapes, dtypes, reader.get_tensor)


def refuse_pattern(path: Path) -> None:
    """Refuse a path that TensorFlow takes for a pattern and can't open.

    Raises:
        CheckpointError: the path is such a pattern.
    """
    if any(character in str(path) for character in "[\\"):
        raise CheckpointError(Problem(path, "TensorFlow opens no path with '[' or '\\' in it", "rename it"))


FORMAT = Format("tf1", "TF1 checkpoint", "", read)
