"""Records of images that were inspected before, kept in the user's cache: one file per folder of images.

A record is used again while its file has the same size, times of change and inode. Files that changed shortly before
they were read are read again, since their times could not tell a later change.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt
import PIL

from finetune import files
from finetune.errors import DataError, RunError
from finetune.images.inspection import Measure, hash_images, inspect_images
from finetune.images.records import Fault, JoinedRecords, Records, RecordTable
from finetune.path_list import PathList
from finetune.paths import cache_folder

Rows = npt.NDArray[np.void]

COLUMNS = np.dtype(
    [
        ("inode", "<u8"),
        ("bytes", "<i8"),
        ("modified", "<i8"),
        ("changed", "<i8"),
        ("checksum", "<u4"),
        ("width", "<i4"),
        ("height", "<i4"),
        ("fault", "<i4"),
        ("digest", "u1", (32,)),
    ]
)
"""Columns that are kept of a file, 80 bytes beside its name. `fault` is an index into the reasons from 1, or 0."""
STAMPS = ("inode", "bytes", "modified", "changed")
"""Columns that tell whether a file has changed."""
NAMES, ROWS, REASONS = "names", "rows", "reasons"
VERSION = 1
MOST = 2**33
"""Largest size of a file of records that is read, and of all of them together."""
AT_ONCE = 2**16
"""Rows that are copied at once."""


class _Kept(NamedTuple):
    """The content of a file of records.

    Attributes:
        names: names within the folder, with a zero byte between two.
        ends: end of each name, [n].
        rows: a row per name, [n].
        reasons: the reasons of faults.
    """

    names: bytes
    ends: npt.NDArray[np.int64]
    rows: Rows
    reasons: list[Fault]

    @classmethod
    def nothing(cls) -> _Kept:
        return cls(b"", np.zeros(0, np.int64), np.zeros(0, COLUMNS), [])

    def name(self, row: int) -> bytes:
        """Return the name of a row."""
        return self.names[self.ends[row - 1] + 1 if row else 0 : self.ends[row]]


def inspect_kept(
    paths: Sequence[Path], measure: Measure, known: Records | None = None, *, recheck: bool = False
) -> RecordTable:
    """Inspect images as `inspect_images` does, without reading the files of which the cache keeps records.

    Args:
        paths: paths of the files, all absolute or all relative.
        measure: function that decodes images.
        known: records of files that were inspected already.
        recheck: whether to read all files in spite of what is kept.

    Returns:
        Record of each path, in the same order.
    """
    paths = PathList(paths).distinct()
    unknown = PathList(path for path in paths if path not in known) if known else paths
    kept = KeptRecords(unknown, recheck=recheck)
    found = kept.known()
    complete = len(found) == len(unknown) and not len(found.unmeasured())
    if complete and not known:
        return found
    records = inspect_images(paths, measure, JoinedRecords(found, known or {}))
    if not complete:
        kept.keep(records)
    return records


def hash_kept(paths: Sequence[Path], *, recheck: bool = False) -> RecordTable:
    """Hash files without reading those of which the cache keeps records. Nothing is decoded.

    Args:
        paths: paths of the files, all absolute or all relative.
        recheck: whether to read all files in spite of what is kept.

    Returns:
        Record of each path, in the same order; its size is None unless an earlier inspection found it.
    """
    paths = PathList(paths).distinct()
    kept = KeptRecords(paths, recheck=recheck)
    found = kept.known()
    if len(found) == len(paths):
        return found
    records = hash_images(paths, found)
    kept.keep(records)
    return records


class KeptRecords:
    """Records of images below one folder, read from the cache, and written there again.

    Args:
        paths: image files. The deepest folder that holds all of them names the file of records.
        recheck: whether to use none of the kept records.
    """

    def __init__(self, paths: PathList, *, recheck: bool = False) -> None:
        self._paths, self._began = paths, time.time_ns()
        root = os.path.commonpath(paths.folders()) if paths else ""
        self._start = len(os.path.join(root, ""))
        self._file = cache_folder("images") / f"{_name(root)}.npz"
        self._seen = _stamps(paths)
        self._kept = _read(self._file)
        self._rows = self._find()
        self._recheck = recheck

    def known(self) -> RecordTable:
        """Return the kept record of each file that is as it was."""
        same = self._unchanged()
        whole = bool(same.all())
        if whole and (self._kept.rows["width"] | self._kept.rows["fault"]).all():
            self._seen = _stamps(PathList())  # nothing will be kept anew, and the memory is needed below
        table = RecordTable(self._paths if whole else self._paths.take(same))
        rows = self._rows[same]
        for start in range(0, len(rows), AT_ONCE):
            part, into = self._kept.rows[rows[start : start + AT_ONCE]], table.rows[start : start + AT_ONCE]
            for column in ("checksum", "width", "height", "fault"):
                into[column] = part[column]
            into["digest"] = part["digest"].copy().view("V32")[:, 0]
        table.reasons = list(self._kept.reasons)
        return table

    def _unchanged(self) -> npt.NDArray[np.bool_]:
        """Return for each path whether its file is as it was when its record was kept."""
        same = np.full(len(self._paths), not self._recheck) & (self._rows >= 0)
        for column, seen in zip(STAMPS, self._seen.T, strict=True):
            same[same] &= self._kept.rows[column][self._rows[same]].astype(np.int64) == seen[same]
        return same

    def keep(self, records: RecordTable) -> None:
        """Keep the records of the paths, and those of other files that were kept before.

        A full disk, or another process that writes the same file, is not an error: the files are read again next time.
        """
        others = np.ones(len(self._kept.rows), bool)
        others[self._rows[self._rows >= 0]] = False
        is_file, changed = (self._seen != files.NO_FILE).any(axis=1), self._seen[:, 2:].max(axis=1)
        settled = np.flatnonzero(is_file & (changed < self._began - files.UNSETTLED))
        places = records.paths.places(self._paths.take(settled))
        names = [
            *map(self._kept.name, np.flatnonzero(others).tolist()),
            *map(self._within, self._paths.take(settled).texts()),
        ]
        rows, reasons = _numbered(records, places, self._kept.reasons)
        for column, seen in zip(STAMPS, self._seen[settled].T, strict=True):
            rows[column] = seen
        rows = np.concatenate([self._kept.rows[others], rows])
        with contextlib.suppress(OSError, RunError, DataError):
            folder = files.private_folder(files.private_folder(self._file.parent.parent) / self._file.parent.name)
            with files.locked(self._file.with_suffix(".lock")):
                files.write(self._file, lambda file: _write(file, names, rows, reasons), sync=False, private=True)
            _bound(folder)

    def _find(self) -> npt.NDArray[np.int64]:
        """Return the kept row of each path; -1 if it has none."""
        # Most folders are listed in the order of the last time, which needs no lookup.
        kept, place, expected = self._kept, dict[bytes, int](), 0
        rows = np.full(len(self._paths), -1, np.int64)
        if not len(kept.rows):
            return rows
        for number, path in enumerate(self._paths.texts()):
            name = self._within(path)
            if expected < len(kept.rows) and kept.name(expected) == name:
                row = expected
            else:
                place = place or {kept.name(row): row for row in range(len(kept.rows))}
                row = place.get(name, -1)
            rows[number], expected = row, row + 1
        return rows

    def _within(self, path: str) -> bytes:
        """Return a path within the folder."""
        return os.fsencode(path)[self._start :]


def _name(root: str) -> str:
    """Return the name of a folder's file: a digest of its place and of the decoder that judged its images."""
    text = json.dumps([os.path.realpath(root), VERSION, PIL.__version__])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _stamps(paths: PathList) -> npt.NDArray[np.int64]:
    """Return the stamp of each file, [n, 4]."""
    stamps = array("q")
    for path in paths.texts():
        stamps.extend(files.state(path))
    return np.frombuffer(stamps, np.int64).reshape(-1, len(STAMPS)) if stamps else np.zeros([0, len(STAMPS)], np.int64)


def _numbered(
    records: RecordTable, places: npt.NDArray[np.int64], reasons: Sequence[Fault]
) -> tuple[Rows, list[Fault]]:
    """Return the rows at some places, whose faults are numbered after the given reasons; and all reasons."""
    rows = np.zeros(len(places), COLUMNS)
    for column in ("checksum", "width", "height", "fault"):
        rows[column] = records.rows[column][places]
    rows["digest"] = records.rows["digest"][places].view(np.uint8).reshape(-1, 32)
    faulty = np.flatnonzero(rows["fault"])
    faults = [records.reasons[number - 1] for number in rows["fault"][faulty].tolist()]
    number = {fault: place for place, fault in enumerate(dict.fromkeys([*reasons, *faults]), start=1)}
    rows["fault"][faulty] = [number[fault] for fault in faults]
    return rows, list(number)


def _write(file: BinaryIO, names: Sequence[bytes], rows: Rows, reasons: Sequence[Fault]) -> None:
    texts = {NAMES: b"\0".join(names), REASONS: json.dumps(reasons).encode()}
    arrays = {name: np.frombuffer(text, np.uint8) for name, text in texts.items()}
    np.savez(file, allow_pickle=False, **arrays, **{ROWS: rows})


def _read(path: Path) -> _Kept:
    """Return the content of a file of records; nothing if there is none, or if it is damaged."""
    try:
        if path.stat().st_size > MOST:
            return _Kept.nothing()
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:  # a zip archive has checksums
            rows = stored[ROWS]
            names = stored[NAMES]
            reasons = [Fault(kind, reason) for kind, reason in json.loads(stored[REASONS].tobytes())]
        ends = np.append(np.flatnonzero(names == 0), len(names)) if len(rows) else np.zeros(0, np.int64)
        whole = rows.dtype == COLUMNS and len(ends) == len(rows) and rows["fault"].max(initial=0) <= len(reasons)
        if not whole or rows["fault"].min(initial=0) < 0:
            raise ValueError("parts of different files")
        os.utime(path)
    except Exception:  # a damaged file can raise anything; it is made again
        return _Kept.nothing()
    return _Kept(names.tobytes(), ends, rows, reasons)


def _bound(folder: Path) -> None:
    """Remove the least recently used files of records beyond the largest size of all."""
    found = sorted(folder.glob("*.npz"), key=lambda path: path.stat().st_mtime, reverse=True)
    total = 0
    for path in found:
        total += path.stat().st_size
        if total > MOST:
            path.unlink()
