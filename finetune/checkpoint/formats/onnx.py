"""ONNX models read as tables of arrays: the initializers of the graph under their own names. Nothing is executed."""

from __future__ import annotations

import itertools
import math
import mmap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import ml_dtypes  # a dependency of TensorFlow
import numpy as np

from finetune.checkpoint.formats import wire
from finetune.checkpoint.formats.format import Format, Variables
from finetune.errors import CheckpointError, Problem

GRAPH, INITIALIZER, SPARSE = 7, 5, 15
"""Fields of a model and of its graph."""
DIMS, DATA_TYPE, NAME, RAW_DATA, EXTERNAL_DATA, DATA_LOCATION = 1, 2, 8, 9, 13, 14
"""Fields of a tensor."""
EXTERNAL = 1
"""Location of data that another file holds."""
DTYPES: Mapping[int, np.dtype] = {
    1: np.dtype("<f4"),
    6: np.dtype("<i4"),
    7: np.dtype("<i8"),
    10: np.dtype("<f2"),
    11: np.dtype("<f8"),
    16: np.dtype(ml_dtypes.bfloat16),
}
"""Types of weights and of the graph's settings, by their number in ONNX. Tensors of other types are left out."""
QUANTIZED = frozenset({2, 3, 21, 22})
"""Numbers of the types of quantized weights: uint8, int8, uint4 and int4."""
FLOATS: Mapping[int, np.dtype] = {4: np.dtype("<f4"), 10: np.dtype("<f8")}
"""Types by the tensor's field that lists values of fixed size, an alternative to raw bytes."""
INTEGERS = frozenset({5, 7})
"""Fields of a tensor that list integers of any size; a half-precision number is listed there by its bits."""
MOST_VALUES = 2**28
"""Largest number of values of a tensor."""
MOST_DIMENSIONS = 32
MOST_TENSORS = 2**16
"""Largest number of tensors in a graph."""


class _Tensor(NamedTuple):
    """A tensor of the graph. Its values are not read yet."""

    name: str
    shape: tuple[int, ...]
    kind: int
    external: bool
    values: dict[int, wire.Value]
    """Values by field of the tensor: in raw bytes, or in a list."""


def read(path: Path, _: tuple[Path, ...]) -> Variables:
    """Map a file into memory; a tensor's values are copied on demand.

    Raises:
        CheckpointError: the file holds no weights, quantized weights, or weights in another file.
        OSError: the file can't be read.
        ValueError: the file is damaged.
        IndexError: the file is cut.
    """
    with path.open("rb") as file:
        content = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    tensors: dict[str, _Tensor] = {}
    for tensor in _tensors(content):
        if tensor.name in tensors:
            raise ValueError(f"{tensor.name} stands in it twice")
        if len(tensors) >= MOST_TENSORS or not tensor.name.isprintable():
            raise ValueError(f"more tensors than a network has, or one of the name {tensor.name!r}")
        tensors[tensor.name] = tensor
    if problem := _problem(path, [*tensors.values()]):
        raise CheckpointError(problem)
    taken = {name: tensor for name, tensor in sorted(tensors.items()) if tensor.kind in DTYPES}
    for tensor in taken.values():
        _refuse_absurd(tensor, len(content))
    return Variables(
        {name: _in_order(name, tensor.shape) for name, tensor in taken.items()},
        {name: DTYPES[tensor.kind] for name, tensor in taken.items()},
        lambda name: _values(taken[name]).transpose(_in_order(name, (*range(len(taken[name].shape)),))),
    )


def _in_order(name: str, sides: tuple[int, ...]) -> tuple[int, ...]:
    """Return the sides of a tensor in the order that its name suggests.

    ONNX has kernels as [out, in, height, width]. Where finetune's exports give them TF1 names, they are returned as
    TensorFlow has them.
    """
    if len(sides) != 4 or not name.endswith("/weights"):
        return sides
    out, inputs, height, width = sides
    return height, width, inputs, out


def _problem(path: Path, tensors: list[_Tensor]) -> Problem | None:
    """Return why no training can start from a graph's tensors, or None."""
    if any(tensor.external for tensor in tensors):
        return Problem(path, "keeps its weights in another file", "save it in one file")
    if any(tensor.kind in QUANTIZED and len(tensor.shape) > 1 for tensor in tensors):
        found = "holds quantized weights, from which no training can start"
        return Problem(path, found, "give the float32 model")
    if not any(tensor.kind in DTYPES for tensor in tensors):
        return Problem(path, "holds no weights", "export the model to ONNX with its weights in it")
    return None


def _tensors(content: memoryview) -> Iterator[_Tensor]:
    """Yield the initializers of the model's graph.

    Raises:
        ValueError: the file is not a model, or has sparse initializers.
    """
    graphs = [value for field, value in wire.fields(content) if field == GRAPH and isinstance(value, memoryview)]
    if not graphs:
        raise ValueError("no graph")
    for field, value in (found for graph in graphs for found in wire.fields(graph)):
        if field == SPARSE:
            raise ValueError("sparse weights")
        if field == INITIALIZER and isinstance(value, memoryview):
            yield _tensor(value)


def _tensor(message: memoryview) -> _Tensor:
    name, kind, external = "", 0, False
    shape: list[int] = []
    values: dict[int, wire.Value] = {}
    for field, value in wire.fields(message):
        if field == DIMS:
            shape += itertools.islice(wire.numbers(value), MOST_DIMENSIONS + 1)
        elif field == DATA_TYPE and isinstance(value, int):
            kind = value
        elif field == NAME and isinstance(value, memoryview):
            name = str(value, "utf-8")
        elif field == EXTERNAL_DATA or (field == DATA_LOCATION and value == EXTERNAL):
            external = True
        elif field == RAW_DATA or field in FLOATS or field in INTEGERS:
            values[field] = value
        if len(shape) > MOST_DIMENSIONS:
            raise ValueError(f"a tensor of more than {MOST_DIMENSIONS} dimensions")
    return _Tensor(name, tuple(shape), kind, external, values)


def _refuse_absurd(tensor: _Tensor, size: int) -> None:
    """Refuse a tensor with more values than its bytes can hold; an integer in a list takes one byte or more.

    Raises:
        ValueError: the tensor is refused.
    """
    values = math.prod(tensor.shape)
    if values > min(MOST_VALUES, size):
        raise ValueError(f"{tensor.name} says that it has {values} values, which are not there")


def _values(tensor: _Tensor) -> np.ndarray:
    """Return the values of a tensor.

    Raises:
        ValueError: there are more or fewer values than the shape says.
    """
    dtype = DTYPES[tensor.kind]
    found: np.ndarray = np.empty(0, dtype)
    for field, value in tensor.values.items():
        if field in INTEGERS:
            whole = np.fromiter((one & 2**64 - 1 for one in wire.numbers(value)), np.uint64)
            found = whole.astype(np.uint16).view(dtype) if dtype.itemsize == 2 else whole.astype(dtype)
        elif isinstance(value, memoryview):
            stored: np.dtype = FLOATS.get(field, dtype)
            found = np.frombuffer(value, stored)
    if found.size != math.prod(tensor.shape):
        raise ValueError(f"{tensor.name} has {found.size} values, where its shape says {math.prod(tensor.shape)}")
    return found.reshape(tensor.shape).astype(dtype)


FORMAT = Format("onnx", "ONNX model", (".onnx",), read)
