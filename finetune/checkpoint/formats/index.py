"""The check of a checkpoint's entries before TensorFlow reads them, since some bad entries make it end the process.

An `.index` is a table of LevelDB: blocks of keys and values. The last block holds the offsets of the others. Each value
is a message with a variable's type, its shape, and the place of its bytes. The single file of the first format is such
a table too. Its first value describes all variables, and the others hold their values.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from finetune import files
from finetune.checkpoint.formats.wire import number

MAGIC = bytes.fromhex("57fb808b247547db")
FOOTER = 48
TRAILER = 5
"""Bytes after a block: its compression, and a checksum that TensorFlow verifies."""
MOST_DIMENSIONS = 32
MOST_SHARDS = 10_000
MOST_BYTES = 2**62
TYPES = range(1, 24)
"""Numbers of the types of stored variables, `DT_FLOAT` to `DT_UINT64`."""
LARGEST = 2**26
"""Largest size in bytes of an `.index` that is read; FaceNet's has 22,000."""
LARGEST_FILE = 2**31
"""Largest size in bytes of a file of the first format that is read."""


def refuse_unsound(path: Path) -> None:
    """Refuse an `.index`, or a file of the first format, with an entry that no FaceNet checkpoint has.

    Raises:
        OSError: the file can't be read.
        ValueError: the file is refused.
    """
    refuse, largest = (_refuse_index, LARGEST) if path.suffix == ".index" else (_refuse_file, LARGEST_FILE)
    try:
        (_, first), *entries = _entries(files.read(path, largest))
        refuse(first, entries)
    except (IndexError, DecodeError) as error:
        raise ValueError("no table of variables") from error


def _refuse_index(header: bytes, entries: list[tuple[bytes, bytes]]) -> None:
    from tensorflow.core.protobuf.tensor_bundle_pb2 import BundleEntryProto, BundleHeaderProto

    shards = BundleHeaderProto.FromString(header).num_shards
    if not 1 <= shards <= MOST_SHARDS:
        raise ValueError(f"says that it has {shards} data files")
    for name, value in entries:
        if problem := _problem(BundleEntryProto.FromString(value), shards):
            raise ValueError(f"{name.decode(errors='replace')}: {problem}")


def _refuse_file(meta: bytes, entries: list[tuple[bytes, bytes]]) -> None:
    from tensorflow.core.util.saved_tensor_slice_pb2 import SavedTensorSlices

    described = {tensor.name: tensor for tensor in SavedTensorSlices.FromString(meta).meta.tensor}
    for name, tensor in described.items():
        if problem := _problem_of(tensor.type, tensor.shape) or _sliced(tensor.slice):
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


def _problem_of(dtype: int, shape: Any) -> str:
    """Return the problem of a type or a shape, or an empty text."""
    dims = [dim.size for dim in shape.dim]
    if dtype not in TYPES:
        return f"of no type ({dtype})"
    if shape.unknown_rank or len(dims) > MOST_DIMENSIONS or min(dims, default=0) < 0:
        return f"of no shape ({len(dims)} dimensions, the least {min(dims, default=0)})"
    return ""


def _problem(entry: Any, shards: int) -> str:
    """Return the problem of an entry of an `.index`, or an empty text."""
    if problem := _problem_of(entry.dtype, entry.shape):
        return problem
    dims = [dim.size for dim in entry.shape.dim]
    if entry.slices:
        return "stored in slices"
    if math.prod(dims) > MOST_BYTES or not 0 <= entry.size <= MOST_BYTES or not 0 <= entry.offset <= MOST_BYTES:
        return f"larger than any file ({math.prod(dims)} values, {entry.size} bytes at {entry.offset})"
    return "" if 0 <= entry.shard_id < shards else f"in data file {entry.shard_id} of {shards}"


def _entries(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the keys and values of a table, in order."""
    footer = content[-FOOTER:]
    if len(content) < FOOTER or footer[-8:] != MAGIC:
        raise ValueError("no table of variables")
    place = 0
    for _ in range(2):  # skips the offset and the size of the metadata block
        _, place = number(footer, place)
    for _, handle in _block(content, footer[place:]):
        yield from _block(content, handle)


def _block(content: bytes, handle: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the keys and values of the block with this handle, which encodes offset and size."""
    offset, place = number(handle, 0)
    size, _ = number(handle, place)
    block, trailer = content[offset : offset + size], content[offset + size : offset + size + TRAILER]
    if len(block) != size or len(trailer) != TRAILER or trailer[0]:
        raise ValueError("a block that is cut or compressed")
    end = size - 4 - 4 * int.from_bytes(block[-4:], "little")  # restart points and their number follow the entries
    key, place = b"", 0
    while place < end:
        shared, place = number(block, place)
        added, place = number(block, place)
        length, place = number(block, place)
        if shared > len(key) or place + added + length > end:
            raise ValueError("an entry that leaves its block")
        key = key[:shared] + block[place : place + added]
        yield key, block[place + added : place + added + length]
        place += added + length
