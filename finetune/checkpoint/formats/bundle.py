"""TensorFlow's checkpoints since 0.12: an `.index` that describes the variables, and `.data` shards with their bytes.

The `.index` is a table. The value of the empty key is the header, a `BundleHeaderProto`; each other key is the name
of a variable, with a `BundleEntryProto` (tensorflow/core/protobuf/tensor_bundle.proto). Neither TensorFlow nor a
description of the messages is needed to read them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import ml_dtypes  # a dependency of TensorFlow
import numpy as np

from finetune import files
from finetune.checkpoint.formats import wire
from finetune.checkpoint.formats.crc32c import masked_crc32c
from finetune.checkpoint.formats.sorted_table import table_entries

NUM_SHARDS, ENDIANNESS, VERSION, MIN_CONSUMER = 1, 2, 3, 2
"""Fields of the header, and of its version."""
DTYPE, SHAPE, SHARD, OFFSET, SIZE, CHECKSUM, SLICES = 1, 2, 3, 4, 5, 6, 7
"""Fields of an entry."""
DIMENSION, UNKNOWN_RANK = 2, 3
"""Fields of a shape."""
READS = 1
"""Version of the format that is read here, the only one so far."""
STRING = 7
NUMBERS: Mapping[int, np.dtype] = {
    1: np.dtype("<f4"),
    2: np.dtype("<f8"),
    3: np.dtype("<i4"),
    4: np.dtype("u1"),
    5: np.dtype("<i2"),
    6: np.dtype("i1"),
    8: np.dtype("<c8"),
    9: np.dtype("<i8"),
    10: np.dtype("?"),
    11: np.dtype("i1"),  # the next five are quantized: their scales stand elsewhere
    12: np.dtype("u1"),
    13: np.dtype("<i4"),
    15: np.dtype("<i2"),
    16: np.dtype("<u2"),
    14: np.dtype(ml_dtypes.bfloat16),
    17: np.dtype("<u2"),
    18: np.dtype("<c16"),
    19: np.dtype("<f2"),
    22: np.dtype("<u4"),
    23: np.dtype("<u8"),
}
"""Types of numbers by their number in TensorFlow."""
TYPES = range(1, 24)
"""Numbers of all types of stored variables, `DT_FLOAT` to `DT_UINT64`. The rest are texts and objects."""
MOST_DIMENSIONS = 32
MOST_SHARDS = 10_000
MOST_BYTES = 2**62
LARGEST = 2**26
"""Largest size in bytes of an `.index` that is read; FaceNet's has 22,000."""


class Entry(NamedTuple):
    """The description of a variable, and the place of its bytes."""

    kind: int
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    checksum: int

    @property
    def dtype(self) -> np.dtype:
        """The type of its values; objects for texts."""
        return NUMBERS.get(self.kind, np.dtype(object))


class Bundle(NamedTuple):
    """A checkpoint whose `.index` was read. The shards are opened for each variable.

    Attributes:
        prefix: path of the checkpoint without `.index`.
        shards: number of its `.data` files.
        entries: descriptions of its variables, by name.
    """

    prefix: Path
    shards: int
    entries: Mapping[str, Entry]

    def tensor(self, name: str) -> np.ndarray:
        """Return the values of a variable, and verify their checksum. Texts come as an array of `bytes` objects.

        Raises:
            OSError: the shard can't be read.
            ValueError: bytes are missing or damaged, or the type is not one of numbers or texts.
            IndexError: the bytes of texts are cut.
        """
        entry = self.entries[name]
        path = Path(f"{self.prefix}.data-{entry.shard:05d}-of-{self.shards:05d}")
        if entry.offset + entry.size > path.stat().st_size:
            raise ValueError(f"{path.name} ends before its values")
        stored = np.fromfile(path, np.uint8, entry.size, offset=entry.offset)
        if entry.kind == STRING:
            return _texts(entry, stored.tobytes())
        if entry.kind not in NUMBERS:
            raise ValueError(f"neither numbers nor texts (type {entry.kind})")
        _verify(entry, stored)
        return stored.view(entry.dtype).reshape(entry.shape)


def read_bundle(prefix: Path, index: Path) -> Bundle:
    """Read the `.index` of a checkpoint, and check each entry.

    Raises:
        OSError: the file can't be read.
        ValueError: the file is damaged, or has an entry that no FaceNet checkpoint has.
    """
    try:
        (_, header), *variables = table_entries(files.read(index, LARGEST))
        shards = _shards(memoryview(header))
        # The keys of slices are not UTF-8. They come before the variable that is refused for them.
        entries = [(key, _entry(key.decode(errors="replace"), value, shards)) for key, value in variables]
        return Bundle(prefix, shards, {key.decode(): entry for key, entry in entries})
    except (IndexError, _NoMessageError) as error:
        raise ValueError("no table of variables") from error


class _NoMessageError(ValueError):
    """The bytes of a header or an entry are not such a message."""


def _fields(message: wire.Value) -> list[tuple[int, wire.Value]]:
    try:
        if isinstance(message, int):
            raise ValueError("a number in place of a message")
        return [*wire.fields(message)]
    except (IndexError, ValueError) as error:
        raise _NoMessageError from error


def _number(value: wire.Value) -> int:
    """Return a number of a field, which may be negative."""
    if not isinstance(value, int):
        raise _NoMessageError
    return value - 2**64 if value >= 2**63 else value


def _shards(header: memoryview) -> int:
    """Return the number of shards.

    Raises:
        ValueError: the header says something that can't be.
    """
    stored = dict(_fields(header))
    shards = _number(stored.get(NUM_SHARDS, 0))
    if not 1 <= shards <= MOST_SHARDS:
        raise ValueError(f"says that it has {shards} data files")
    if _number(stored.get(ENDIANNESS, 0)):
        raise ValueError("written on a machine with big-endian numbers")
    version = dict(_fields(stored.get(VERSION, memoryview(b""))))
    if _number(version.get(MIN_CONSUMER, 0)) > READS:
        raise ValueError(f"version {version[MIN_CONSUMER]} of the format")
    return shards


def _entry(name: str, message: bytes, shards: int) -> Entry:
    """Return the entry of a variable.

    Raises:
        ValueError: the entry says something that can't be, or the variable is stored in slices.
    """
    fields = _fields(memoryview(message))
    stored = dict(fields)
    shape = _fields(stored.get(SHAPE, memoryview(b"")))
    dims = tuple(_number(dict(_fields(value)).get(1, 0)) for field, value in shape if field == DIMENSION)
    kind, shard, offset, size = (_number(stored.get(field, 0)) for field in (DTYPE, SHARD, OFFSET, SIZE))
    if problem := problem_of(kind, dims, unknown_rank=bool(_number(dict(shape).get(UNKNOWN_RANK, 0)))):
        raise ValueError(f"{name}: {problem}")
    checksum = stored.get(CHECKSUM, memoryview(bytes(4)))
    if isinstance(checksum, int) or len(checksum) != 4:
        raise _NoMessageError
    entry = Entry(kind, dims, shard, offset, size, int.from_bytes(checksum, "little"))
    if problem := "stored in slices" if SLICES in stored else _misplaced(entry, shards):
        raise ValueError(f"{name}: {problem}")
    return entry


def problem_of(kind: int, dims: tuple[int, ...], *, unknown_rank: bool) -> str:
    """Return the problem of a variable's type or shape, or an empty text."""
    if kind not in TYPES:
        return f"of no type ({kind})"
    if unknown_rank or len(dims) > MOST_DIMENSIONS or min(dims, default=0) < 0:
        return f"of no shape ({len(dims)} dimensions, the least {min(dims, default=0)})"
    return ""


def _misplaced(entry: Entry, shards: int) -> str:
    """Return the problem of the place and the size of a variable's bytes, or an empty text."""
    values = math.prod(entry.shape)
    if values > MOST_BYTES or not 0 <= entry.size <= MOST_BYTES or not 0 <= entry.offset <= MOST_BYTES:
        return f"larger than any file ({values} values, {entry.size} bytes at {entry.offset})"
    if not 0 <= entry.shard < shards:
        return f"in data file {entry.shard} of {shards}"
    if entry.kind in NUMBERS and entry.size != values * entry.dtype.itemsize:
        return f"{entry.size} bytes, where its shape says {values} values of {entry.dtype.itemsize}"
    return ""


def _verify(entry: Entry, *stored: bytes | np.ndarray) -> None:
    if masked_crc32c(*stored) != entry.checksum:
        raise ValueError("its values do not have their checksum")


def _texts(entry: Entry, stored: bytes) -> np.ndarray:
    """Return texts, which are stored as all lengths, a checksum of the lengths, and all bytes.

    The checksums take each length as a number of four bytes, or of eight if it needs them.
    """
    count = math.prod(entry.shape)
    if count > len(stored):
        raise ValueError(f"{len(stored)} bytes for {count} texts")
    lengths, place = [], 0
    for _ in range(count):
        length, place = wire.number(stored, place)
        lengths.append(length)
    start = place + 4
    if start + sum(lengths) != len(stored):
        raise ValueError("its texts do not have their lengths")
    sizes = b"".join(length.to_bytes(4 if length < 2**32 else 8, "little") for length in lengths)
    _verify(entry, sizes, stored[place:start], stored[start:])
    texts = np.empty(count, object)
    for i, length in enumerate(lengths):
        texts[i] = stored[start : start + length]
        start += length
    return texts.reshape(entry.shape)
