"""The variables of a checkpoint by TF1 name, from a Saver's files or from a frozen graph."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from finetune.brief import Brief
from finetune.checkpoint.index import refuse_unsound
from finetune.checkpoint.location import Located, refuse_pattern
from finetune.errors import CheckpointError, Problem
from finetune.files import read as read_bytes, sha256

LARGEST_GRAPH = 2**31
"""Bytes of a frozen graph: more than protocol buffers can hold."""
MOST_REPEATED = 2**24
"""Values of a constant that holds one value for all of them: more than any variable of FaceNet's has."""
_VARIABLES = frozenset({"weights", "biases", "beta", "gamma", "moving_mean", "moving_variance"})
"""What tf-slim calls its variables: the last part of their names."""


def _damage() -> tuple[type[Exception], ...]:
    """Return what TensorFlow and protobuf raise over damaged files, found by damaging them."""
    import tensorflow as tf

    return (tf.errors.OpError, DecodeError, ValueError, TypeError, RuntimeError, IndexError, OSError)


@dataclasses.dataclass(frozen=True, repr=False)
class StoredCheckpoint(Brief):
    """A checkpoint that is open for reading.

    Attributes:
        located: its files.
        shapes: of every stored variable, by TF1 name.
        dtypes: likewise.
    """

    located: Located
    shapes: Mapping[str, tuple[int, ...]]
    dtypes: Mapping[str, np.dtype]
    _get: Callable[[str], np.ndarray] = dataclasses.field(repr=False)

    def tensor(self, name: str) -> np.ndarray:
        """The stored values of one variable, as they are.

        Raises:
            CheckpointError: its bytes are missing or damaged.
        """
        try:
            return self._get(name)
        except _damage() as error:
            raise CheckpointError(_damaged(f"{self.located.prefix} {name}", error)) from error

    def tensors(self, names: Collection[str]) -> dict[str, np.ndarray]:
        """The values of float32 variables that are to be restored.

        Raises:
            CheckpointError: bytes are missing or damaged, or values are not float32 or not finite.
        """
        where = self.located.prefix
        others = [name for name in names if self.dtypes[name] != np.float32]
        if others:
            raise CheckpointError(
                *(
                    Problem(f"{where} {name}", f"stored as {self.dtypes[name]}; the network needs float32")
                    for name in others
                )
            )
        values = {name: self.tensor(name) for name in names}
        diverged = [name for name, value in values.items() if not np.isfinite(value).all()]
        if diverged:
            raise CheckpointError(
                Problem(
                    where,
                    f"NaN or infinite values in {len(diverged)} of {len(values)} variables, {diverged[0]} the first",
                    "take an earlier step",
                )
            )
        return values


def read(located: Located) -> StoredCheckpoint:
    """Opens a checkpoint; values are read as they are asked for.

    Raises:
        CheckpointError: a file is damaged, or is something else than its name says.
    """
    return _read_frozen(located) if located.kind == "frozen" else _read_tf1(located)


def _read_tf1(located: Located) -> StoredCheckpoint:
    import tensorflow as tf

    refuse_pattern(located.prefix)
    try:
        refuse_unsound(located.files[0])
        reader = tf.train.load_checkpoint(str(located.prefix))
        shapes = {name: tuple(shape) for name, shape in sorted(reader.get_variable_to_shape_map().items())}
        dtypes = {name: np.dtype(dtype.as_numpy_dtype) for name, dtype in reader.get_variable_to_dtype_map().items()}
    except _damage() as error:
        raise CheckpointError(_damaged(located.files[0], error)) from error
    return StoredCheckpoint(located, shapes, dtypes, reader.get_tensor)


def _read_frozen(located: Located) -> StoredCheckpoint:
    """A frozen graph's constants: `tf.graph_util` left each variable's value under the variable's name."""
    import tensorflow as tf

    path = located.files[0]
    graph = tf.compat.v1.GraphDef()
    try:
        graph.ParseFromString(read_bytes(path, LARGEST_GRAPH))
        readers = {node.name for node in graph.node if node.op == "Identity"}
        nodes = [
            node
            for node in sorted(graph.node, key=lambda node: node.name)
            if node.op == "Const" and (node.name.split("/")[-1] in _VARIABLES or f"{node.name}/read" in readers)
        ]
        values = {node.name: node.attr["value"].tensor for node in nodes}
        if len(values) < len(nodes):
            twice = next(one.name for one, other in itertools.pairwise(nodes) if one.name == other.name)
            raise ValueError(f"{twice} stands in it twice")
        for name, value in values.items():
            _refuse_absurd(name, value)
        shapes = {name: tuple(d.size for d in value.tensor_shape.dim) for name, value in values.items()}
        dtypes = {name: np.dtype(tf.as_dtype(value.dtype).as_numpy_dtype) for name, value in values.items()}
    except _damage() as error:
        raise CheckpointError(
            Problem(
                path,
                f"no frozen graph, or a damaged one ({_first_line(error)})",
                "copy it again, or give a TF1 checkpoint",
            )
        ) from error
    if not values:
        raise CheckpointError(
            Problem(path, "holds no frozen variables", "freeze it with them, or give a TF1 checkpoint")
        )
    return StoredCheckpoint(located, shapes, dtypes, lambda name: tf.make_ndarray(values[name]))


def _refuse_absurd(name: str, value: Any) -> None:
    """Refuse a constant whose shape asks for more values than are there; a few may repeat the last one.

    Raises:
        ValueError: what it asks for.
    """
    dims = [dim.size for dim in value.tensor_shape.dim]
    values = math.prod(dims)
    if value.tensor_shape.unknown_rank or min(dims, default=0) < 0:
        raise ValueError(f"{name} has no shape: {dims}")
    if values > MOST_REPEATED and values > len(value.tensor_content) + len(value.float_val):
        raise ValueError(f"{name} says that it has {values} values, which are not there")


def file_digests(located: Located) -> dict[str, str]:
    """Return the sha256 of each file that holds values, by file name.

    Raises:
        CheckpointError: a file can't be read.
    """
    found: dict[str, str] = {}
    for path in located.files:
        try:
            found[path.name] = sha256(path)
        except OSError as error:
            raise CheckpointError(_damaged(path, error)) from error
    return found


def _damaged(where: str | Path, error: Exception) -> Problem:
    return Problem(where, f"damaged, or can't be read ({_first_line(error)})", "copy the checkpoint again")


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
