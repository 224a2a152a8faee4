"""Many paths in little memory: some 50 bytes each where a `Path` takes 500."""

from __future__ import annotations

import os
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, SupportsIndex, overload

import numpy as np
import numpy.typing as npt

SURROGATES = "surrogatepass"
"""How the names of files that are not valid UTF-8 are kept: Python gives them lone surrogates."""
Rows = range | array  # type: ignore[type-arg]  # array can't be subscripted at run time in Python 3.11


class PathList(Sequence[Path]):
    """Immutable list of paths, each of which becomes an object when it is asked for.

    Parts of a list share its memory. A list equals any sequence of the same paths.
    """

    __slots__ = ("_found", "_is_distinct", "_rows", "_store")

    def __init__(self, paths: Iterable[Path] = ()) -> None:
        self._store: _Store = paths._store if isinstance(paths, PathList) else _Store(map(os.path.split, paths))
        self._rows: Rows = paths._rows if isinstance(paths, PathList) else range(len(self._store))
        self._found: tuple[array[int], array[int]] | None = None
        self._is_distinct: bool = isinstance(paths, PathList) and paths._is_distinct

    @classmethod
    def listed(cls, names: Iterable[tuple[str, str]]) -> PathList:
        """Return the list of a folder's files: folder and name of each, no file twice."""
        made = cls.__new__(cls)
        made._store, made._found, made._is_distinct = _Store(names), None, True
        made._rows = range(len(made._store))
        return made

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, place: SupportsIndex) -> Path: ...
    @overload
    def __getitem__(self, place: slice) -> PathList: ...
    def __getitem__(self, place: SupportsIndex | slice) -> Path | PathList:
        if isinstance(place, slice):
            return self._part(self._rows[place])
        return self._store.path(self._rows[place])

    def __iter__(self) -> Iterator[Path]:
        return map(self._store.path, self._rows)

    def __contains__(self, path: object) -> bool:
        return isinstance(path, Path) and self.place(path) >= 0

    def __eq__(self, other: object) -> bool:
        if isinstance(other, PathList) and self._rows == other._rows and self._store.same(other._store):
            return True
        if not isinstance(other, Sequence) or isinstance(other, (str, bytes)):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    def __hash__(self) -> int:
        return hash((len(self), *self[:1], *self[-1:]))

    def __repr__(self) -> str:
        return f"<PathList of {len(self):,}>"

    def take(self, places: npt.NDArray[np.integer[Any]] | npt.NDArray[np.bool_]) -> PathList:
        """Return the paths at these places, or those that a mask chooses."""
        part = self._part(array("q", np.asarray(self._rows, np.int64)[places].tobytes()))
        part._is_distinct = self._is_distinct and places.dtype == bool  # a place may be asked for twice
        return part

    def distinct(self) -> PathList:
        """Return the list without repetitions: of equal paths, the first stays."""
        if not self._is_distinct:
            if not np.diff(np.frombuffer(self._index()[0], np.int64)).all():  # two of one hash
                return PathList(dict.fromkeys(self))
            self._is_distinct = True
        return self

    def texts(self) -> Iterator[str]:
        """Yield the paths as text, which is quicker."""
        return map(self._store.text, self._rows)

    def folders(self) -> set[str]:
        """Return the folders that the paths lie in, as texts."""
        return self._store.folders(self._rows)

    def place(self, path: Path) -> int:
        """Return the place of a path in a list without repetitions; -1 if it is not there."""
        keys, places = self._index()
        folder, name = os.path.split(path)
        key = hash((folder, name))
        at = bisect_left(keys, key)
        while at < len(keys) and keys[at] == key:
            if self._store.names(self._rows[places[at]]) == (folder, name):
                return places[at]
            at += 1
        return -1

    def places(self, paths: PathList) -> npt.NDArray[np.int64]:
        """Return the place of each path in this list without repetitions, [m]; -1 if it is not there."""
        if paths._store is not self._store:
            return np.array([self.place(path) for path in paths], np.int64)
        places = np.full(len(self._store), -1, np.int64)
        places[np.asarray(self._rows, np.int64)] = np.arange(len(self))
        return places[np.asarray(paths._rows, np.int64)]

    def _index(self) -> tuple[array[int], array[int]]:
        """Return the hashes of all paths, sorted, and the place of each; they are made at the first lookup."""
        if self._found is None:
            hashes = np.fromiter(map(hash, map(self._store.names, self._rows)), np.int64, len(self))
            order = np.argsort(hashes, kind="stable")
            self._found = array("q", hashes[order].tobytes()), array("i", order.astype(np.int32).tobytes())
        return self._found

    def _part(self, rows: Rows) -> PathList:
        part = PathList.__new__(PathList)
        part._store, part._rows, part._found, part._is_distinct = self._store, rows, None, self._is_distinct
        return part


class _Store:
    """The folders, and the names in one piece with the end of each."""

    def __init__(self, paths: Iterable[tuple[str, str]]) -> None:
        folders: dict[str, int] = {}
        names = bytearray()
        self._folder, self._ends = array("i"), array("q", [0])
        for folder, name in paths:
            self._folder.append(folders.setdefault(folder, len(folders)))
            names += name.encode(errors=SURROGATES)
            self._ends.append(len(names))
        self._names, self._texts, self._folders = bytes(names), tuple(folders), tuple(map(Path, folders))
        self._beginnings = tuple(os.path.join(folder, "") for folder in folders)

    def __len__(self) -> int:
        return len(self._folder)

    def names(self, row: int) -> tuple[str, str]:
        """Return the folder and the name of a path."""
        return self._texts[self._folder[row]], self._name(row)

    def text(self, row: int) -> str:
        """Return a path as text."""
        return self._beginnings[self._folder[row]] + self._name(row)

    def path(self, row: int) -> Path:
        """Return a path."""
        return self._folders[self._folder[row]] / self._name(row)

    def folders(self, rows: Rows) -> set[str]:
        """Return the folders of some rows."""
        return {self._texts[number] for number in {self._folder[row] for row in rows}}

    def same(self, other: _Store) -> bool:
        """Return whether both hold the same paths."""
        return self is other or (
            (self._names, self._texts, self._folder, self._ends)
            == (other._names, other._texts, other._folder, other._ends)
        )

    def _name(self, row: int) -> str:
        return self._names[self._ends[row] : self._ends[row + 1]].decode(errors=SURROGATES)
