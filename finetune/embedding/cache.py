"""One cache of vectors, by what gave them and by the image that they are of.

An entry holds the vectors of one network, cut and preprocessing; its name is a digest of all that they
depend on, so that nothing stale can be found. It is a folder of segments that are never changed, each a
pair of files: rows, and the keys that they belong to, written last. So a kill leaves whole segments, and
several runs may add to an entry at once without a lock.

Beside each key stands a checksum of key and row, which is verified whenever the row is read. A segment with a
damaged row is removed, and what was asked of it is computed again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import uuid
import weakref
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from finetune import files
from finetune.errors import Problem, RunError
from finetune.paths import cache_folder
from finetune.progress import say_aside

LIMIT = 20 * 2**30
"""Bytes that the cache takes at most, unless FINETUNE_CACHE_GIB says otherwise."""
KEY = 32
"""Bytes of a key: a sha256."""
CHECK = 4
"""Bytes of a checksum: a CRC-32, which finds what disks do and takes a tenth of a sha256's time."""
ITEM = KEY + CHECK
KEYS, ROWS = ".keys", ".rows"
"""The endings of a segment's two files."""
Row = bytes | memoryview


def entry_name(weights: Mapping[str, str], **others: object) -> str:
    """Return an entry's name: a digest of the frozen weights' digests and of all else that its vectors depend on."""
    text = json.dumps({"weights": sorted(weights.items()), **others}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class _Segment(Protocol):
    """Rows that belong together."""

    def row(self, index: int) -> tuple[Row, bytes | None]:
        """Return a row in C order, and its checksum where it could have changed."""

    def remove(self) -> None:
        """Remove the files of it, if it has any."""


class Entry:
    """The vectors of one network, cut and preprocessing.

    Args:
        folder: of its segments; None keeps them in memory.
        shape: of one vector.
    """

    def __init__(self, folder: Path | None, shape: tuple[int, ...]) -> None:
        self.folder = folder
        self.shape = shape
        self._places: dict[bytes, tuple[_Segment, int]] = {}
        self._opened: set[Path] = set()
        self.refresh()

    def __contains__(self, key: bytes) -> bool:
        return key in self._places

    def refresh(self) -> None:
        """Open the segments that others have added since."""
        if self.folder is not None and self.folder.is_dir():
            for path in sorted(set(self.folder.glob(f"*{KEYS}")) - self._opened):
                with contextlib.suppress(OSError):  # removed meanwhile, or rows without keys: computed again
                    self._open(path)

    def add(self, keys: Sequence[bytes], rows: npt.NDArray[np.float32]) -> None:
        """Keep rows [n, *shape], one a key; where the disk has no room, in memory, with a warning."""
        rows = np.ascontiguousarray(rows, np.float32)
        if self.folder is not None:
            path = self.folder / f"{uuid.uuid4().hex}{KEYS}"
            entries = b"".join(key + self._checksum(key, row.data) for key, row in zip(keys, rows, strict=True))
            try:
                files.write(path.with_suffix(ROWS), lambda file: file.write(rows.data))
                files.write(path, lambda file: file.write(entries))
                self._open(path)
                return
            except (RunError, OSError) as error:
                with contextlib.suppress(OSError):
                    path.with_suffix(ROWS).unlink()
                say_aside(f"warning: {error}; features are kept in memory from here on")
                self.folder = None
        kept = _InMemory(rows)
        self._places.update((key, (kept, index)) for index, key in enumerate(keys))

    def read(self, keys: Sequence[bytes], compute: Callable[[list[bytes]], object]) -> npt.NDArray[np.float32]:
        """Return the vectors of keys that are kept, [n, *shape], in their order.

        Args:
            compute: adds the vectors of these keys again; called where the file that holds them is damaged.

        Raises:
            KeyError: one is not kept.
            RunError: what was computed again is damaged too.
        """
        out, damaged = self._read(keys)
        if damaged:
            say_aside(f"warning: {self.folder}: damaged features of {len(damaged)} images; computed again")
            compute(damaged)
            out, damaged = self._read(keys)
        if damaged:
            raise RunError(
                Problem(str(self.folder), "what is written there can't be read again", "set FINETUNE_CACHE elsewhere")
            )
        return out

    def _read(self, keys: Sequence[bytes]) -> tuple[npt.NDArray[np.float32], list[bytes]]:
        """Return the vectors, and the keys of those that are damaged, which are kept no longer."""
        out = np.empty([len(keys), *self.shape], np.float32)
        damaged: dict[bytes, _Segment] = {}
        for vector, key in zip(out, keys, strict=True):
            segment, index = self._places[key]
            row, checksum = segment.row(index)
            if checksum is not None and self._checksum(key, row) != checksum:
                damaged[key] = segment
            else:
                vector[...] = np.frombuffer(row, np.float32).reshape(self.shape)
        for key, segment in damaged.items():
            del self._places[key]
            segment.remove()
        return out, list(damaged)

    def _open(self, path: Path) -> None:
        """Open a segment by its file of keys."""
        self._opened.add(path)
        segment = _OnDisk(path, 4 * int(np.prod(self.shape)))
        self._places.update((key, (segment, index)) for index, key in enumerate(segment.keys()))

    def _checksum(self, key: bytes, row: Row) -> bytes:
        """Return what tells whether a key and its row, in C order, were written together to an entry of this shape."""
        of_key = zlib.crc32(key, zlib.crc32(repr(self.shape).encode()))
        return zlib.crc32(row, of_key).to_bytes(CHECK, "little")


class _InMemory:
    """Rows in memory."""

    def __init__(self, rows: npt.NDArray[np.float32]) -> None:
        self._rows = rows

    def row(self, index: int) -> tuple[Row, None]:
        """Return a row, without a checksum: nobody else can have changed it."""
        return self._rows[index].data, None

    def remove(self) -> None:
        """Leave it: there is no file."""


class _OnDisk:
    """Rows in a file that is read row by row: mapped, it would count as resident memory.

    Raises:
        OSError: the files of keys and rows can't be read.
    """

    def __init__(self, path: Path, row_bytes: int) -> None:
        self._path, self._row_bytes = path, row_bytes
        table = path.read_bytes()
        self._entries = [table[start : start + ITEM] for start in range(0, len(table) - ITEM + 1, ITEM)]
        self._descriptor = os.open(path.with_suffix(ROWS), os.O_RDONLY)
        weakref.finalize(self, os.close, self._descriptor)

    def keys(self) -> list[bytes]:
        """Return the key of each row."""
        return [entry[:KEY] for entry in self._entries]

    def row(self, index: int) -> tuple[Row, bytes]:
        """Return a row's bytes, fewer where the file was cut short, and its checksum."""
        row = os.pread(self._descriptor, self._row_bytes, index * self._row_bytes)
        return row, self._entries[index][KEY:]

    def remove(self) -> None:
        """Remove the files; those who have them open still read what is sound in them."""
        for path in (self._path, self._path.with_suffix(ROWS)):
            with contextlib.suppress(OSError):
                path.unlink()


class VectorCache:
    """All entries of this machine.

    Attributes:
        folder: `FINETUNE_CACHE`, else `finetune/features` in the user's cache folder.
        limit: bytes that it may take: `FINETUNE_CACHE_GIB`, else 20 GiB.
    """

    def __init__(self) -> None:
        self.folder = cache_folder("features")
        self.limit = _limit(os.environ.get("FINETUNE_CACHE_GIB"))

    def room(self) -> int:
        """Return the bytes that an entry may take: within the limit, and half of what the disk has free."""
        above = next(folder for folder in (self.folder, *self.folder.parents) if folder.exists())
        return min(self.limit, shutil.disk_usage(above).free // 2) if os.access(above, os.W_OK) else 0

    def entry(self, name: str, shape: tuple[int, ...], keys: Collection[bytes]) -> Entry:
        """Open an entry that is to hold these keys; the least recently used ones make way for those it lacks."""
        folder = self.folder / name
        entry = Entry(folder, shape)
        if self._make_way(folder, (4 * int(np.prod(shape)) + ITEM) * len({key for key in keys if key not in entry})):
            entry = Entry(folder, shape)
        with contextlib.suppress(OSError):
            files.private_folder(files.private_folder(self.folder) / name)
            os.utime(folder)
        return entry

    def _make_way(self, opened: Path, needed: int) -> bool:
        """Remove entries until so many bytes fit within the limit; say whether the opened one, last of all, went."""
        sizes = {path: _bytes(path) for path in self.folder.glob("*") if path.is_dir()}
        taken = needed + sum(sizes.values())
        for path in sorted(sizes, key=lambda path: (path == opened, _used(path))):
            if not needed or taken <= self.limit:
                break
            # A run that reads from it has its files open, and goes on.
            shutil.rmtree(path, ignore_errors=True)
            taken -= sizes[path]
        return opened in sizes and not opened.exists()


def _used(folder: Path) -> float:
    """Return when an entry was last opened, in seconds; 0 where it is gone."""
    try:
        return folder.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _bytes(folder: Path) -> int:
    """Return how large the files of a folder are; others may remove them meanwhile."""
    total = 0
    with contextlib.suppress(FileNotFoundError):
        for file in folder.iterdir():
            with contextlib.suppress(FileNotFoundError):
                total += file.stat().st_size
    return total


def _limit(gib: str | None) -> int:
    try:
        return LIMIT if gib is None else int(float(gib) * 2**30)
    except (ValueError, OverflowError):
        say_aside(f"warning: FINETUNE_CACHE_GIB: found {gib!r}; give a number; 20 is used")
        return LIMIT
