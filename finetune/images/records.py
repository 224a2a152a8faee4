"""Records of image files: what an inspection found, one by one or in tables of little memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, ValuesView
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, SupportsIndex, overload

import numpy as np
import numpy.typing as npt

from finetune.arrays import hexadecimal
from finetune.images.reading import too_small
from finetune.path_list import PathList

COLUMNS = np.dtype([("checksum", "<u4"), ("width", "<i4"), ("height", "<i4"), ("fault", "<i4"), ("digest", "V32")])
"""Columns of a table of records. `fault` is a place among the reasons from 1, or 0; an unknown size is 0 x 0."""
NO_DIGEST = bytes(32)


class Fault(NamedTuple):
    """Reason why a file is not a readable image."""

    kind: Literal["empty", "not-image", "unreadable"]
    reason: str


class Size(NamedTuple):
    """Width and height of the upright image, in pixels."""

    width: int
    height: int


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """Result of inspecting an image file.

    Attributes:
        path: path of the file.
        digest: sha256 of the file's bytes, which identifies the image; empty if the file can't be read.
        checksum: CRC-32 of the file's bytes. It shows later whether the file has changed, much faster than a sha256.
        size: size of the image; None before decoding, or if it can't be decoded.
        fault: reason why the image can't be decoded; None if there is no fault.
    """

    path: Path
    digest: bytes = b""
    checksum: int = 0
    size: Size | None = None
    fault: Fault | None = None

    def unusable(self, crop: int | None = None) -> str | None:
        """Return the reason why the image can't be used, or None.

        Args:
            crop: side of the square crop, in pixels.
        """
        if self.fault:
            return self.fault.reason
        return too_small(*self.size, crop) if self.size and crop and min(self.size) < crop else None


Records = Mapping[Path, ImageRecord]


class RecordTable(Records):
    """Records of some files in columns, 48 bytes each beside the path. Each becomes an object when it is asked for.

    Args:
        paths: paths without repetitions.

    Attributes:
        paths: paths, in their order.
        rows: a row of `COLUMNS` per path, [n].
        reasons: the faults that rows refer to.
    """

    def __init__(self, paths: PathList) -> None:
        self.paths, self.rows = paths, np.zeros(len(paths), COLUMNS)
        self.reasons: list[Fault] = []
        self._number: dict[Fault, int] = {}

    def __len__(self) -> int:
        return len(self.paths)

    def __iter__(self) -> Iterator[Path]:
        return iter(self.paths)

    def __contains__(self, path: object) -> bool:
        return path in self.paths

    def __getitem__(self, path: Path) -> ImageRecord:
        place = self.paths.place(path)
        if place < 0:
            raise KeyError(path)
        return self.at(place)

    def values(self) -> ValuesView[ImageRecord]:
        """Return the records in order."""
        return _InOrder(self)

    def at(self, place: int) -> ImageRecord:
        """Return the record at a place."""
        checksum, width, height, fault, digest = self.rows[place].item()
        return ImageRecord(
            self.paths[place],
            b"" if digest == NO_DIGEST else digest,
            checksum,
            Size(width, height) if width else None,
            self.reasons[fault - 1] if fault else None,
        )

    def put(self, place: int, record: ImageRecord) -> None:
        """Set the record at a place, which is of the same path."""
        width, height = record.size or (0, 0)
        fault = self._fault(record.fault) if record.fault else 0
        self.rows[place] = (record.checksum, width, height, fault, record.digest or NO_DIGEST)

    def digests(self) -> list[str]:
        """Return the digest of each file in hexadecimal, empty if it can't be read, [n]."""
        return ["" if digest == NO_DIGEST.hex() else digest for digest in hexadecimal(self.rows["digest"])]

    def fill(self, known: Records) -> npt.NDArray[np.bool_]:
        """Take over the records of paths that are known, and return whether each path was, [n]."""
        if isinstance(known, JoinedRecords):
            filled = [self.fill(part) for part in known.parts]  # the latest last
            return np.logical_or.reduce(filled, initial=False) & np.ones(len(self), bool)
        if isinstance(known, RecordTable):
            places = known.paths.places(self.paths)
            rows = known.rows[places[places >= 0]]
            numbers = np.array([0, *map(self._fault, known.reasons)], np.int32)
            rows["fault"] = numbers[rows["fault"]]
            self.rows[places >= 0] = rows
            return places >= 0
        found = [known.get(path) for path in self.paths] if known else [None] * len(self)
        for place, record in enumerate(found):
            if record is not None:
                self.put(place, record)
        return np.array([record is not None for record in found], bool)

    def unmeasured(self) -> npt.NDArray[np.intp]:
        """Return the places of files of which neither a size nor a fault is known."""
        return np.flatnonzero((self.rows["width"] == 0) & (self.rows["fault"] == 0))

    def _fault(self, fault: Fault) -> int:
        """Return a fault's place among the reasons, from 1."""
        if len(self._number) != len(self.reasons):
            self._number = {reason: number for number, reason in enumerate(self.reasons, start=1)}
        if fault not in self._number:
            self.reasons.append(fault)
            self._number[fault] = len(self.reasons)
        return self._number[fault]


class RecordList(Sequence[ImageRecord]):
    """Some records of a table, by their places."""

    def __init__(self, table: RecordTable, places: npt.NDArray[np.intp]) -> None:
        self._table, self._places = table, places

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, number: SupportsIndex) -> ImageRecord: ...
    @overload
    def __getitem__(self, number: slice) -> RecordList: ...
    def __getitem__(self, number: SupportsIndex | slice) -> ImageRecord | RecordList:
        if isinstance(number, slice):
            return RecordList(self._table, self._places[number])
        return self._table.at(int(self._places[number]))


class _InOrder(ValuesView[ImageRecord]):
    def __init__(self, table: RecordTable) -> None:
        super().__init__(table)
        self._table = table

    def __iter__(self) -> Iterator[ImageRecord]:
        return map(self._table.at, range(len(self._table)))


class JoinedRecords(Records):
    """Records of several inspections; of a path in several of them, the latest record counts.

    Args:
        parts: records, the earliest first.

    Attributes:
        parts: the same, with those that were added.
    """

    def __init__(self, *parts: Records) -> None:
        self.parts = list(parts)

    def add(self, records: Records) -> None:
        """Add the records of another inspection."""
        self.parts.append(records)

    def __getitem__(self, path: Path) -> ImageRecord:
        for part in reversed(self.parts):
            if (record := part.get(path)) is not None:
                return record
        raise KeyError(path)

    def __bool__(self) -> bool:
        return any(self.parts)  # without counting

    def __contains__(self, path: object) -> bool:
        return any(path in part for part in self.parts)

    def __iter__(self) -> Iterator[Path]:
        for number, part in enumerate(self.parts):
            yield from (path for path in part if not any(path in earlier for earlier in self.parts[:number]))

    def __len__(self) -> int:
        return sum(1 for _ in self)
