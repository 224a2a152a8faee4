"""The chunks of an HDF5 dataset, which may be compressed. They are checked before HDF5 unpacks them.

HDF5 gives a compressed chunk as much memory as it unpacks to, whatever the dataset's shape says.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import h5py

MOST_CHUNKS = 2**15
"""Largest number of chunks of a dataset."""
CHECKSUM = 4
"""Bytes that the filter fletcher32 adds to a chunk."""


def problem(data: h5py.Dataset, size: int) -> str:
    """Return why a dataset in chunks is refused, or an empty text.

    Args:
        data: the dataset.
        size: size of its file in bytes.
    """
    from h5py import h5z

    filters, known = _filters(data), {h5z.FILTER_DEFLATE, h5z.FILTER_SHUFFLE, h5z.FILTER_FLETCHER32}
    if not known.issuperset(filters) or len(set(filters)) < len(filters):
        return "is packed with a filter that is not read"
    sides = [*zip(data.chunks, data.shape, strict=True)]
    if any(chunk > side for chunk, side in sides):
        return f"is of shape {data.shape} in chunks of {data.chunks}"
    expected = math.prod(-(-side // chunk) for chunk, side in sides)
    chunks = _chunks(data)
    if len(chunks) != expected or any(chunk.byte_offset + chunk.size > size for chunk in chunks):
        return f"says that it has {expected} chunks, which are not there"
    plain = [(chunk, used) for chunk in chunks if h5z.FILTER_DEFLATE not in (used := _used(chunk, filters))]
    if any(chunk.size != _size(data, used) for chunk, used in plain):
        return "has a chunk of another size than its shape says"
    return ""


def refuse_bombs(data: h5py.Dataset) -> None:
    """Refuse a dataset with a compressed chunk that unpacks to another size than its shape says.

    Raises:
        ValueError: the dataset is refused.
        zlib.error: a chunk is damaged.
    """
    from h5py import h5z

    filters = _filters(data)
    if h5z.FILTER_DEFLATE not in filters:
        return
    for chunk in _chunks(data):
        used = _used(chunk, filters)
        if h5z.FILTER_DEFLATE not in used:
            continue
        _, packed = data.id.read_direct_chunk(chunk.chunk_offset)
        expected = _size(data, used[: used.index(h5z.FILTER_DEFLATE)])
        # A checksum may follow the compressed bytes; zlib leaves it aside.
        if len(zlib.decompressobj().decompress(packed, expected + 1)) != expected:
            raise ValueError(f"{data.name} has a chunk that unpacks to another size than its shape says")


def _filters(data: h5py.Dataset) -> list[int]:
    """Return the numbers of a dataset's filters, in the order of packing."""
    plan = data.id.get_create_plist()
    return [plan.get_filter(place)[0] for place in range(plan.get_nfilters())]


def _chunks(data: h5py.Dataset) -> list[Any]:
    """Return the places of a dataset's chunks, at most one more than `MOST_CHUNKS`."""
    found: list[Any] = []

    def note(chunk: Any) -> bool | None:
        found.append(chunk)
        return True if len(found) > MOST_CHUNKS else None  # anything but None ends the iteration

    data.id.chunk_iter(note)
    return found


def _used(chunk: Any, filters: Sequence[int]) -> list[int]:
    """Return the filters that a chunk went through. One that would enlarge it is left out."""
    return [one for place, one in enumerate(filters) if not chunk.filter_mask >> place & 1]


def _size(data: h5py.Dataset, used: Sequence[int]) -> int:
    """Return the size in bytes of a chunk after filters that do not compress it."""
    from h5py import h5z

    return math.prod(data.chunks) * data.dtype.itemsize + CHECKSUM * (h5z.FILTER_FLETCHER32 in used)
