"""The check of checkpoints of TensorFlow before 0.12 before it reads them: some bad entries make it end the process.

The single file of that format is a table. Its first value describes all variables, and the others hold their values.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from finetune import files
from finetune.checkpoint.formats.bundle import problem_of
from finetune.checkpoint.formats.sorted_table import table_entries

LARGEST_FILE = 2**31
"""Largest size in bytes of a file that is read."""


def refuse_unsound(path: Path) -> None:
    """Refuse a file of the first format with an entry that no FaceNet checkpoint has.

    Raises:
        OSError: the file can't be read.
        ValueError: the file is refused.
    """
    try:
        (_, first), *entries = table_entries(files.read(path, LARGEST_FILE))
        _refuse(first, entries)
    except (IndexError, DecodeError) as error:
        raise ValueError("no table of variables") from error


def _refuse(meta: bytes, entries: list[tuple[bytes, bytes]]) -> None:
    from tensorflow.core.util.saved_tensor_slice_pb2 import SavedTensorSlices

    described = {tensor.name: tensor for tensor in SavedTensorSlices.FromString(meta).meta.tensor}
    for name, tensor in described.items():
        if problem := _problem(tensor.type, tensor.shape) or _sliced(tensor.slice):
            raise ValueError(f"{name}: {problem}")
    for _, value in entries:
        data = SavedTensorSlices.FromString(value).data
        if data.name not in described:
            raise ValueError(f"{data.name}: values of a variable that is not described")
        expected = math.prod(dim.size for dim in described[data.name].shape.dim)
        held = sum(len(getattr(data.data, field.name)) for field in data.data.DESCRIPTOR.fields if _holds(field))
        if _sliced([data.slice]) or held != expected:
            raise ValueError(f"{data.name}: {held} values, where its shape says {expected}")


def _holds(field: Any) -> bool:
    return bool(field.name.endswith("_val"))


def _sliced(slices: Any) -> str:
    """Return the problem of a variable that is stored in slices, or an empty text."""
    whole = len(slices) == 1 and not any(extent.start or extent.HasField("length") for extent in slices[0].extent)
    return "" if whole else "stored in slices"


def _problem(kind: int, shape: Any) -> str:
    """Return the problem of a type or a shape, or an empty text."""
    return problem_of(kind, tuple(dim.size for dim in shape.dim), unknown_rank=shape.unknown_rank)
