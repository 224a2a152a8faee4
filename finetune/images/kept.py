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
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt
import PIL

from finetune import files
from finetune.errors import DataError, RunError
from finetune.images.inspection import Fault, ImageRecord, Measure, Records, Size, hash_images, inspect_images
from finetune.paths import cache_folder

Rows = npt.NDArray[np.void]
Added = tuple[bytes, files.State, ImageRecord]
"""Name of a file within the folder, its state, and the record of its image."""

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
NAMES, ROWS, REASONS = "names", "rows", "reasons"
VERSION = 1
MOST = 2**33
"""Largest size of a file of records that is read, and of all of them together."""


class _Kept(NamedTuple):
    """The content of a file of records: the names within the folder, their rows, and the reasons of faults."""

    names: list[bytes]
    rows: Rows
    reasons: list[Fault]


def inspect_kept(
    paths: Sequence[Path], measure: Measure, known: Records | None = None, *, recheck: bool = False
) -> Records:
    """Inspect images as `inspect_images` does, without reading the files of which the cache keeps records.

    Args:
        paths: paths of the files, all absolute or all relative.
        measure: function that decodes images.
        known: records of files that were inspected already.
        recheck: whether to read all files in spite of what is kept.

    Returns:
        Record of each path, in the same order.
    """
    known = known or {}
    kept = KeptRecords([path for path in paths if path not in known], recheck=recheck)
    records = inspect_images(paths, measure, {**known, **kept.known()})
    kept.keep(records)
    return records


def hash_kept(paths: Sequence[Path], *, recheck: bool = False) -> Records:
    """Hash files without reading those of which the cache keeps records. Nothing is decoded.

    Args:
        paths: paths of the files, all absolute or all relative.
        recheck: whether to read all files in spite of what is kept.

    Returns:
        Record of each path, in the same order; its size is None unless an earlier inspection found it.
    """
    kept = KeptRecords(paths, recheck=recheck)
    known = kept.known()
    hashed = hash_images([path for path in paths if path not in known])
    records = {path: known.get(path) or hashed[path] for path in paths}
    kept.keep(records)
    return records


class KeptRecords:
    """Records of images below one folder, read from the cache, and written there again.

    Args:
        paths: image files. The deepest folder that holds all of them names the file of records.
        recheck: whether to use none of the kept records.
    """

    def __init__(self, paths: Sequence[Path], *, recheck: bool = False) -> None:
        self._paths, self._began = paths, time.time_ns()
        root = os.path.commonpath({str(path.parent) for path in paths}) if paths else ""
        self._start = len(os.path.join(root, ""))
        self._file = cache_folder("images") / f"{_name(root)}.npz"
        self._seen = np.array([files.state(path) for path in paths], [(name, "<i8") for name in ("i", "b", "m", "c")])
        self._kept, self._recheck, self._found = _read(self._file), recheck, dict[Path, ImageRecord]()

    def known(self) -> dict[Path, ImageRecord]:
        """Return the kept record of each file that is as it was."""
        self._found = {} if self._recheck else dict(self._known())
        return dict(self._found)

    def keep(self, records: Mapping[Path, ImageRecord]) -> None:
        """Keep the records of the paths, and those of other files that were kept before.

        A full disk, or another process that writes the same file, is not an error: the files are read again next time.
        """
        if all(self._found.get(path) is records[path] for path in self._paths):
            return
        settled = [
            (self._within(path), seen, records[path])
            for path, seen in zip(self._paths, self._seen.tolist(), strict=True)
            if seen != files.NO_FILE and files.settled(seen, self._began)
        ]
        own = {self._within(path) for path in self._paths}
        others = np.array([name not in own for name in self._kept.names], bool)
        kept = _together(self._kept, others, settled)
        with contextlib.suppress(OSError, RunError, DataError):
            folder = files.private_folder(files.private_folder(self._file.parent.parent) / self._file.parent.name)
            with files.locked(self._file.with_suffix(".lock")):
                files.write(self._file, lambda file: _write(file, kept), sync=False, private=True)
            _bound(folder)

    def _known(self) -> Iterator[tuple[Path, ImageRecord]]:
        """Yield the kept record of each file that is as it was."""
        rows = self._rows()
        if not len(self._kept.rows):
            return
        found = self._kept.rows[np.maximum(rows, 0)]
        same = rows >= 0
        for ours, theirs in zip("ibmc", ("inode", "bytes", "modified", "changed"), strict=True):
            same &= self._seen[ours] == found[theirs].astype("<i8")
        places = np.flatnonzero(same)
        paths = [self._paths[place] for place in places.tolist()]
        yield from zip(paths, _records(paths, found[places], self._kept.reasons), strict=True)

    def _rows(self) -> npt.NDArray[np.int64]:
        """Return the row of each path; -1 if it has none. Most folders are listed in the order of the last time."""
        names, place, expected = self._kept.names, dict[bytes, int](), 0
        rows = np.full(len(self._paths), -1, np.int64)
        for number, path in enumerate(self._paths):
            name = self._within(path)
            if expected < len(names) and names[expected] == name:
                rows[number] = expected
            else:
                place = place or {name: row for row, name in enumerate(names)}
                rows[number] = place.get(name, -1)
            expected = int(rows[number]) + 1
        return rows

    def _within(self, path: Path) -> bytes:
        """Return a path within the folder."""
        return os.fsencode(path)[self._start :]


def _name(root: str) -> str:
    """Return the name of a folder's file: a digest of its place and of the decoder that judged its images."""
    text = json.dumps([os.path.realpath(root), VERSION, PIL.__version__])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _records(paths: Sequence[Path], rows: Rows, reasons: Sequence[Fault]) -> Iterator[ImageRecord]:
    """Yield the record of each row. Equal sizes are one object, which matters for the memory of a million images."""
    sizes: dict[Size, Size] = {}
    digests, nothing = rows["digest"].tobytes(), bytes(32)
    columns = zip(*(rows[name].tolist() for name in ("checksum", "width", "height", "fault")), strict=True)
    for number, (path, (checksum, width, height, fault)) in enumerate(zip(paths, columns, strict=True)):
        digest, size = digests[32 * number : 32 * number + 32], Size(width, height)
        yield ImageRecord(
            path,
            b"" if digest == nothing else digest,
            checksum,
            sizes.setdefault(size, size) if width else None,
            reasons[fault - 1] if fault else None,
        )


def _together(kept: _Kept, chosen: npt.NDArray[np.bool_], added: Sequence[Added]) -> _Kept:
    """Return the chosen rows with the added records after them."""
    reasons = list(dict.fromkeys([*kept.reasons, *(record.fault for _, _, record in added if record.fault)]))
    number = {fault: place for place, fault in enumerate(reasons, start=1)}
    rows = np.zeros(len(added), COLUMNS)
    for row, (_, seen, record) in zip(rows, added, strict=True):
        row["inode"], row["bytes"], row["modified"], row["changed"] = seen
        row["checksum"], row["fault"] = record.checksum, number[record.fault] if record.fault else 0
        row["width"], row["height"] = record.size or (0, 0)
        row["digest"] = np.frombuffer(record.digest or bytes(32), np.uint8)
    names = [name for name, is_chosen in zip(kept.names, chosen.tolist(), strict=True) if is_chosen]
    return _Kept([*names, *(name for name, _, _ in added)], np.concatenate([kept.rows[chosen], rows]), reasons)


def _write(file: BinaryIO, kept: _Kept) -> None:
    texts = {NAMES: b"\0".join(kept.names), REASONS: json.dumps(kept.reasons).encode()}
    arrays = {name: np.frombuffer(text, np.uint8) for name, text in texts.items()}
    np.savez(file, allow_pickle=False, **arrays, **{ROWS: kept.rows})


def _read(path: Path) -> _Kept:
    """Return the content of a file of records; nothing if there is none, or if it is damaged."""
    try:
        if path.stat().st_size > MOST:
            return _Kept([], np.zeros(0, COLUMNS), [])
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:  # a zip archive has checksums
            rows = stored[ROWS]
            names = stored[NAMES].tobytes().split(b"\0") if len(rows) else []
            reasons = [Fault(kind, reason) for kind, reason in json.loads(stored[REASONS].tobytes())]
        whole = rows.dtype == COLUMNS and len(names) == len(rows) and rows["fault"].max(initial=0) <= len(reasons)
        if not whole or rows["fault"].min(initial=0) < 0:
            raise ValueError("parts of different files")
        os.utime(path)
    except Exception:  # a damaged file can raise anything; it is made again
        return _Kept([], np.zeros(0, COLUMNS), [])
    return _Kept(names, rows, reasons)


def _bound(folder: Path) -> None:
    """Remove the least recently used files of records beyond the largest size of all."""
    found = sorted(folder.glob("*.npz"), key=lambda path: path.stat().st_mtime, reverse=True)
    total = 0
    for path in found:
        total += path.stat().st_size
        if total > MOST:
            path.unlink()
