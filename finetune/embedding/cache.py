"""The feature cache: vectors by network and by image.

An entry holds the vectors of one network, cut and preprocessing. Its name is a digest of everything that the vectors
depend on, so stale vectors are never found. An entry is a folder of segments that never change. Each segment is a pair
of files: the rows, and their keys, written last. A kill therefore leaves whole segments, and several runs may add to an
entry at once without a lock.

A checksum of key and row stands beside each key and is verified at every read of the row. A segment with a damaged row
is removed, and the requested vectors are computed again.
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
"""Largest size of the cache in bytes, unless FINETUNE_CACHE_GIB sets another."""
KEY = 32
"""Bytes of a key, which is a SHA-256."""
CHECK = 4
"""Bytes of a checksum: a CRC-32, which finds disk errors in a tenth of SHA-256's time."""
ITEM = KEY + CHECK
KEYS, ROWS = ".keys", ".rows"
"""Suffixes of a segment's two files."""
Row = bytes | memoryview


def entry_name(weights: Mapping[str, str], **others: object) -> str:
    """Return an entry's name: a digest of the frozen weights' digests and all else that the vectors depend on."""
    text = json.dumps({"weights": sorted(weights.items()), **others}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class _Segment(Protocol):
    """Rows that were added together."""

    def row(self, index: int) -> tuple[Row, bytes | None]:
        """Return a row in C order and its checksum; None for a row that can't have changed."""

    def remove(self) -> None:
        """Remove the segment's files, if any."""


class Entry:
    """The vectors of one network, cut and preprocessing.

    Args:
        folder: folder of the segments; None keeps them in memory.
        shape: shape of one vector.
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
        """Open the segments that other processes have added since."""
        if self.folder is not None and self.folder.is_dir():
            for path in sorted(set(self.folder.glob(f"*{KEYS}")) - self._opened):
                with contextlib.suppress(OSError):  # removed by another process: its vectors are computed again
                    self._open(path)

    def add(self, keys: Sequence[bytes], rows: npt.NDArray[np.float32]) -> None:
        """Keep rows [n, *shape], one per key. On a full disk, warn and keep them in memory."""
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
        """Return the vectors of kept keys, [n, *shape], in the order of `keys`.

        Args:
            keys: keys of the vectors.
            compute: function that computes and adds the vectors of damaged keys again.

        Raises:
            KeyError: a key is not kept.
            RunError: the vectors that were computed again are damaged too.
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
        """Return the vectors and the keys of damaged ones, which are removed from the entry."""
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
        """Open the segment with this file of keys."""
        self._opened.add(path)
        segment = _OnDisk(path, 4 * int(np.prod(self.shape)))
        self._places.update((key, (segment, index)) for index, key in enumerate(segment.keys()))

    def _checksum(self, key: bytes, row: Row) -> bytes:
        """Return the checksum of a key, its row in C order, and the entry's shape."""
        of_key = zlib.crc32(key, zlib.crc32(repr(self.shape).encode()))
        return zlib.crc32(row, of_key).to_bytes(CHECK, "little")


class _InMemory:
    """Rows in memory."""

    def __init__(self, rows: npt.NDArray[np.float32]) -> None:
        self._rows = rows

    def row(self, index: int) -> tuple[Row, None]:
        """Return a row without checksum, since no other process can change it."""
        return self._rows[index].data, None

    def remove(self) -> None:
        """Do nothing: there is no file."""


class _OnDisk:
    """Rows in a file that is read row by row. Mapped rows would count as resident memory.

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
        """Return a row's bytes, fewer if the file was truncated, and its checksum."""
        row = os.pread(self._descriptor, self._row_bytes, index * self._row_bytes)
        return row, self._entries[index][KEY:]

    def remove(self) -> None:
        """Remove the files. Processes that have them open can still read them."""
        for path in (self._path, self._path.with_suffix(ROWS)):
            with contextlib.suppress(OSError):
                path.unlink()


class VectorCache:
    """The feature cache of this user on this machine.

    Attributes:
        folder: `FINETUNE_CACHE`, else `finetune/features` in the user's cache folder.
        limit: largest size in bytes: `FINETUNE_CACHE_GIB`, else 20 GiB.
    """

    def __init__(self) -> None:
        self.folder = cache_folder("features")
        self.limit = _limit(os.environ.get("FINETUNE_CACHE_GIB"))

    def room(self) -> int:
        """Return the bytes that an entry may take: the limit, but at most half of the free disk space."""
        above = next(folder for folder in (self.folder, *self.folder.parents) if folder.exists())
        return min(self.limit, shutil.disk_usage(above).free // 2) if os.access(above, os.W_OK) else 0

    def entry(self, name: str, shape: tuple[int, ...], keys: Collection[bytes]) -> Entry:
        """Open an entry for these keys, and remove the least recently used entries where missing ones need room."""
        folder = self.folder / name
        entry = Entry(folder, shape)
        if self._make_way(folder, (4 * int(np.prod(shape)) + ITEM) * len({key for key in keys if key not in entry})):
            entry = Entry(folder, shape)
        with contextlib.suppress(OSError):
            files.private_folder(files.private_folder(self.folder) / name)
            os.utime(folder)
        return entry

    def _make_way(self, opened: Path, needed: int) -> bool:
        """Remove entries, the opened one last, until `needed` bytes fit. Return whether the opened one was removed."""
        sizes = {path: _bytes(path) for path in self.folder.glob("*") if path.is_dir()}
        taken = needed + sum(sizes.values())
        for path in sorted(sizes, key=lambda path: (path == opened, _used(path))):
            if not needed or taken <= self.limit:
                break
            # A run that reads this entry has its files open, and continues.
            shutil.rmtree(path, ignore_errors=True)
            taken -= sizes[path]
        return opened in sizes and not opened.exists()


def _used(folder: Path) -> float:
    """Return when an entry was last opened, in seconds since 1970; 0 if it is gone."""
    try:
        return folder.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _bytes(folder: Path) -> int:
    """Return the total size of a folder's files; other processes may remove them meanwhile."""
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
