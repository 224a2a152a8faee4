"""One store of vectors, by what gave them and by the image that they are of.

A shelf holds the vectors of one network, cut and preprocessing; its name is a digest of all that they
depend on, so that nothing stale can be found. It is a folder of segments, each a pair of `.npy` files
that is never changed: rows, and the keys that they belong to, written last. So a kill leaves whole
segments, and several runs may add to a shelf at once without a lock.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sys
import uuid
import weakref
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from finetune import files
from finetune.errors import RunError
from finetune.resources import cache

LIMIT = 20 * 2**30
"""Bytes that the store takes at most, unless FINETUNE_CACHE_GIB says otherwise."""
KEY = 32
"""Bytes of a key: a sha256."""


def image_digest(path: Path) -> bytes:
    """The sha256 of an image file's bytes.

    Raises:
        RunError: it can no longer be read.
    """
    try:
        return hashlib.sha256(path.read_bytes()).digest()
    except OSError as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else error.strerror
        raise RunError(f"{path}: {reason}; it could be read when the run began: put it back and resume") from error


def identity(weights: Mapping[str, str], **others: object) -> str:
    """A shelf's name: a digest of the frozen weights' digests and of all else that its vectors depend on."""
    text = json.dumps({"weights": sorted(weights.items()), **others}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class Shelf:
    """The vectors of one network, cut and preprocessing.

    Args:
        folder: of its segments; None keeps them in memory.
        shape: of one vector.
    """

    def __init__(self, folder: Path | None, shape: tuple[int, ...]) -> None:
        self.folder = folder
        self.shape = shape
        self._places: dict[bytes, tuple[int, int]] = {}
        self._segments: list[_Segment] = []
        self._opened: set[Path] = set()
        self.refresh()

    def __contains__(self, key: bytes) -> bool:
        return key in self._places

    def refresh(self) -> None:
        """Opens the segments that others have added since."""
        if self.folder is not None and self.folder.is_dir():
            for keys in sorted(set(self.folder.glob("*.keys.npy")) - self._opened):
                with contextlib.suppress(OSError, ValueError, EOFError):  # damaged from outside: computed again
                    self._open(keys)

    def add(self, keys: Sequence[bytes], rows: npt.NDArray[np.float32]) -> None:
        """Keeps rows [n, *shape], one a key; where the disk has no room, in memory, with a warning."""
        rows = np.ascontiguousarray(rows, np.float32)
        if self.folder is not None:
            name = uuid.uuid4().hex
            path = self.folder / f"{name}.keys.npy"
            try:
                files.write(self.folder / f"{name}.rows.npy", lambda file: np.save(file, rows))
                table = np.frombuffer(b"".join(keys), np.uint8).reshape(-1, KEY)
                files.write(path, lambda file: np.save(file, table))
                self._open(path)
                return
            except RunError as error:
                with contextlib.suppress(OSError):
                    (self.folder / f"{name}.rows.npy").unlink()
                print(f"warning: {error}; features are kept in memory from here on", file=sys.stderr)
                self.folder = None
        self._index(keys, _Segment(rows=rows))

    def read(self, keys: Sequence[bytes]) -> npt.NDArray[np.float32]:
        """The vectors of keys that are kept, [n, *shape], in their order.

        Raises:
            KeyError: one is not kept.
            RunError: the store was damaged since it was opened.
        """
        out = np.empty([len(keys), *self.shape], np.float32)
        for row, key in zip(out, keys, strict=True):
            segment, index = self._places[key]
            self._segments[segment].read_into(row, index)
        return out

    def _open(self, keys: Path) -> None:
        self._opened.add(keys)
        table = np.load(keys, allow_pickle=False)
        segment = _Segment(path=keys.with_name(keys.name.replace(".keys.", ".rows.")))
        if table.dtype != np.uint8 or table.shape != (segment.shape[0], KEY) or segment.shape[1:] != self.shape:
            raise ValueError(f"{keys}: not of this shelf")
        self._index([row.tobytes() for row in table], segment)

    def _index(self, keys: Sequence[bytes], segment: _Segment) -> None:
        self._segments.append(segment)
        number = len(self._segments) - 1
        self._places.update((key, (number, index)) for index, key in enumerate(keys))


class _Segment:
    """Rows in memory, or in a file that is read row by row: mapped, it would count as resident memory."""

    def __init__(self, rows: npt.NDArray[np.float32] | None = None, path: Path | None = None) -> None:
        self.rows = rows
        if rows is not None:
            self.shape = rows.shape
        elif path is not None:
            self.path = path
            self.descriptor = os.open(path, os.O_RDONLY)
            weakref.finalize(self, os.close, self.descriptor)
            with open(self.descriptor, "rb", closefd=False) as file:
                if np.lib.format.read_magic(file) != (1, 0):
                    raise ValueError(f"{path}: another version of .npy")
                self.shape, _, dtype = np.lib.format.read_array_header_1_0(file)
                self.start = file.tell()
            self.row_bytes = 4 * int(np.prod(self.shape[1:]))
            whole = self.start + self.row_bytes * self.shape[0]
            if dtype != np.float32 or os.fstat(self.descriptor).st_size != whole:
                raise ValueError(f"{path}: damaged")

    def read_into(self, row: npt.NDArray[np.float32], index: int) -> None:
        if self.rows is not None:
            row[...] = self.rows[index]
            return
        data = os.pread(self.descriptor, self.row_bytes, self.start + index * self.row_bytes)
        if len(data) != self.row_bytes:
            raise RunError(f"{self.path}: cut short; remove it and resume: what it held is computed again")
        row[...] = np.frombuffer(data, np.float32).reshape(row.shape)


class Store:
    """All shelves of this machine.

    Attributes:
        folder: `FINETUNE_CACHE`, else `finetune/features` in the user's cache folder.
        limit: bytes that it may take: `FINETUNE_CACHE_GIB`, else 20 GiB.
    """

    def __init__(self) -> None:
        self.folder = cache("features")
        self.limit = _limit(os.environ.get("FINETUNE_CACHE_GIB"))

    def room(self) -> int:
        """Bytes that a shelf may take: within the limit, and half of what the disk has free."""
        above = next(folder for folder in (self.folder, *self.folder.parents) if folder.exists())
        return min(self.limit, shutil.disk_usage(above).free // 2) if os.access(above, os.W_OK) else 0

    def shelf(self, name: str, shape: tuple[int, ...], keys: Collection[bytes]) -> Shelf:
        """Opens a shelf that is to hold these keys; what was used longest ago makes way for those that it lacks."""
        folder = self.folder / name
        shelf = Shelf(folder, shape)
        if self._make_way(folder, 4 * int(np.prod(shape)) * len({key for key in keys if key not in shelf})):
            shelf = Shelf(folder, shape)
        with contextlib.suppress(OSError):
            files.private_folder(files.private_folder(self.folder) / name)
            os.utime(folder)
        return shelf

    def _make_way(self, opened: Path, needed: int) -> bool:
        """Removes shelves until so many bytes fit within the limit; says whether the opened one, last of all, went."""
        sizes = {
            path: sum(file.stat().st_size for file in path.glob("*.npy"))
            for path in self.folder.glob("*")
            if path.is_dir()
        }
        taken = needed + sum(sizes.values())
        for path in sorted(sizes, key=lambda path: (path == opened, path.stat().st_mtime)):
            if not needed or taken <= self.limit:
                break
            # A run that reads from it has its files open, and goes on.
            shutil.rmtree(path, ignore_errors=True)
            taken -= sizes[path]
        return opened in sizes and not opened.exists()


def _limit(gib: str | None) -> int:
    try:
        return LIMIT if gib is None else int(float(gib) * 2**30)
    except (ValueError, OverflowError):
        print(f"warning: FINETUNE_CACHE_GIB: found {gib!r}; give a number; 20 is used", file=sys.stderr)
        return LIMIT
