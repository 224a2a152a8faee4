"""The groups and datasets of an HDF5 file that may come from anywhere, checked before anything is allocated.

No link leads out of the file, no dataset lies elsewhere, and no filter is loaded. Loops of groups and shapes without
values are refused.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import math
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from finetune.checkpoint.formats import hdf5_chunks
from finetune.checkpoint.formats.format import Variables

if TYPE_CHECKING:
    import h5py

DTYPES = frozenset(map(np.dtype, ("f2", "f4", "f8", "i4", "i8")))
"""Types of weights and step counts."""
MOST_VALUES = 2**28
"""Largest number of values of a variable."""
MOST_OBJECTS = 2**15
"""Largest number of links that are followed. An exported FaceNet has 1,400."""
DEEPEST = 24
"""Largest number of groups within groups."""
LONGEST_NAMES = 2**24
"""Largest size in bytes of an attribute with names."""


@contextlib.contextmanager
def sound() -> Iterator[None]:
    """Turn the errors of h5py, zipfile and zlib for damaged files into ValueErrors."""
    try:
        yield
    except (
        KeyError,
        OverflowError,
        MemoryError,
        EOFError,
        struct.error,
        zlib.error,
        zipfile.BadZipFile,
    ) as error:
        raise ValueError(f"damaged: {error or type(error).__name__}") from error


@contextlib.contextmanager
def without_plugins() -> Iterator[None]:
    """Keep HDF5 from loading libraries of filters inside the context."""
    from h5py import h5pl

    folders = [h5pl.get(place) for place in range(h5pl.size())]
    for _ in folders:
        h5pl.remove(0)
    try:
        yield
    finally:
        for folder in folders:
            h5pl.append(folder)


@contextlib.contextmanager
def opened(source: Path | io.BytesIO, size: int) -> Iterator[Tree]:
    """Open a file. An error inside the context closes it; otherwise it stays open for the values.

    Args:
        source: path of the file, or its content.
        size: size of the file in bytes.

    Raises:
        OSError: the file is not HDF5, or is damaged.
        ValueError: the file is damaged, or its structure is refused.
    """
    import h5py

    with sound(), contextlib.ExitStack() as stack:
        with without_plugins():
            file = h5py.File(source, "r", locking=False)
            stack.callback(file.close)
            tree = Tree(file, size)
        yield tree
        stack.pop_all()


class Tree:
    """The groups and datasets of an open file, by path. The path of the root is empty.

    Args:
        file: open file.
        size: size of the file in bytes.

    Raises:
        ValueError: the file has a link that is refused, or more objects than a network needs.
    """

    def __init__(self, file: h5py.File, size: int) -> None:
        import h5py

        self._size = size
        self.groups: dict[str, h5py.Group] = {}
        self.datasets: dict[str, h5py.Dataset] = {}
        waiting = [("", file)]
        while waiting:
            path, found = waiting.pop()
            if isinstance(found, h5py.Dataset):
                self.datasets[path] = found
                continue
            if not isinstance(found, h5py.Group):
                raise ValueError(f"{path} is neither a group nor a dataset")
            self.groups[path] = found
            waiting += [(f"{path}/{name}".lstrip("/"), found[name]) for name in _links(found)]
            if path.count("/") > DEEPEST or len(waiting) + len(self.groups) + len(self.datasets) > MOST_OBJECTS:
                raise ValueError("more groups than a network has, or a loop of them")

    def texts(self, path: str, name: str) -> list[str] | None:
        """Return the texts of a group's attribute, or None without such an attribute.

        Keras splits a long attribute into `name0`, `name1`, …; their texts are joined.

        Raises:
            ValueError: the attribute holds anything but texts.
        """
        attributes = self.groups[path].attrs
        numbered = itertools.takewhile(attributes.__contains__, (f"{name}{part}" for part in itertools.count()))
        parts = [name] if name in attributes else [*numbered]
        return [text for part in parts for text in _texts(attributes, part)] if parts else None

    def variables(self, paths: Mapping[str, str]) -> Variables:
        """Return datasets as variables whose values are read on demand.

        Args:
            paths: paths of the datasets, by the variables' names.

        Raises:
            ValueError: a dataset is missing or refused.
        """
        for name, path in paths.items():
            if path not in self.datasets:
                raise ValueError(f"says that it has {name}, which is not there")
            if problem := self._problem(self.datasets[path]):
                raise ValueError(f"{name} {problem}")
        found = {name: self.datasets[path] for name, path in sorted(paths.items())}
        return Variables(
            {name: tuple(map(int, data.shape)) for name, data in found.items()},
            {name: data.dtype for name, data in found.items()},
            lambda name: _values(found[name]),
        )

    def _problem(self, data: h5py.Dataset) -> str:
        """Return why a dataset is refused, or an empty text."""
        from h5py import h5d

        plan = data.id.get_create_plist()
        layout = plan.get_layout()
        # A virtual dataset opens other files as soon as it is asked for its shape.
        if layout not in (h5d.COMPACT, h5d.CONTIGUOUS, h5d.CHUNKED) or plan.get_external_count():
            return "does not lie in the file itself"
        if data.dtype not in DTYPES:
            return f"is of {data.dtype}"
        if data.shape is None or math.prod(data.shape) > MOST_VALUES:
            return f"is of shape {data.shape}, which no weight has"
        needed = math.prod(data.shape) * data.dtype.itemsize
        if layout == h5d.CHUNKED:
            return hdf5_chunks.problem(data, self._size)
        place = data.id.get_offset() if layout == h5d.CONTIGUOUS and needed else 0
        if place is None or place + needed > self._size:
            return f"says that it has {needed} bytes, which are not there"
        return ""


def _links(group: h5py.Group) -> list[str]:
    """Return the names in a group, as far as they are followed.

    Raises:
        ValueError: a name is a link to another place, or can't be used.
    """
    from h5py import h5l

    found: list[tuple[bytes, bool]] = []

    def note(name: bytes, info: Any) -> bool:
        found.append((name, info.type == h5l.TYPE_HARD))
        return len(found) > MOST_OBJECTS  # the end of the iteration

    group.id.links.iterate(note, info=True)
    names = [name.decode() for name, _ in found]
    for name, (_, inside) in zip(names, found, strict=True):
        if not name.isprintable() or "/" in name or name in ("", "."):
            raise ValueError(f"a name in it is {name!r}")
        if not inside:
            raise ValueError(f"{name} is a link to another place")
    return names


def _texts(attributes: Any, name: str) -> list[str]:
    import h5py

    found = attributes.get_id(name)
    if found.shape is None or 0 in found.shape:
        return []
    is_text = h5py.check_string_dtype(found.dtype) is not None
    if not is_text or len(found.shape) > 1 or math.prod(found.shape) * found.dtype.itemsize > LONGEST_NAMES:
        raise ValueError(f"its {name} is not text")
    texts = [text.decode() if isinstance(text, bytes) else text for text in np.ravel(attributes[name]).tolist()]
    if not all(isinstance(text, str) and text.isprintable() for text in texts):
        raise ValueError(f"its {name} is not text")
    return texts


def _values(data: h5py.Dataset) -> np.ndarray:
    """Return the values of a dataset.

    Raises:
        OSError: the values are damaged.
        ValueError: a packed chunk is damaged, or holds more than a chunk.
    """
    with sound(), without_plugins():
        if data.chunks is not None:
            hdf5_chunks.refuse_bombs(data)
        values: np.ndarray = data[...]
        return values
