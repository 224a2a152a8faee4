"""Inspection of image files in one pass: digest, size, and the reason why a file can't be used."""

from __future__ import annotations

import hashlib
import os
import warnings
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from finetune.images.reading import ImageError, NotAnImage, Pixels, read_image
from finetune.images.records import Fault, ImageRecord, RecordList, Records, RecordTable, Size
from finetune.path_list import PathList
from finetune.progress import track

Item = TypeVar("Item")
Result = TypeVar("Result")

CHUNK = 32
AHEAD = 64
"""Chunks that are submitted before their results are taken."""
BLOCK = 1 << 20
"""Bytes of a file that are in memory at once while it is hashed."""


Measure = Callable[[Sequence[ImageRecord]], Sequence[Size | Fault]]
"""Function from images of different contents to the size of each, or the reason why it can't be decoded."""


def decode_all(
    records: Sequence[ImageRecord], take: Callable[[Pixels], Result], what: str = "decoding images"
) -> Iterator[Result | Fault]:
    """Decode images in threads, and yield the result of `take` for each one's pixels, or why it can't be decoded.

    Args:
        records: inspected images; a file that has changed since gives a fault.
        take: function of the pixels.
        what: label of the progress bar.
    """

    def decode(record: ImageRecord) -> Result | Fault:
        try:
            return take(read_image(record.path, checksum=record.checksum))
        except ImageError as error:
            return Fault("not-image" if isinstance(error, NotAnImage) else "unreadable", str(error))

    return _in_threads(decode, records, what)


def measure_all(records: Sequence[ImageRecord]) -> Sequence[Size | Fault]:
    """Return the size of each image, or why it can't be decoded."""
    return list(decode_all(records, lambda pixels: Size(pixels.shape[1], pixels.shape[0])))


def inspect_images(paths: Sequence[Path], measure: Measure = measure_all, known: Records | None = None) -> RecordTable:
    """Hash each file, and decode each content once.

    Contents whose size is known are not decoded.

    Args:
        paths: paths of the files.
        measure: function that decodes images, or knows their sizes from earlier inspections.
        known: records of files that were inspected already; these are not hashed again.

    Returns:
        Record of each path, in the same order.
    """
    table = hash_images(paths, known)
    if len(unmeasured := table.unmeasured()):
        _measure_contents(table, unmeasured, measure, known or {})
    return table


def hash_images(paths: Sequence[Path], known: Records | None = None) -> RecordTable:
    """Hash files, without those that are known; nothing is decoded.

    Args:
        paths: paths of the files.
        known: records of files that were inspected or hashed already.

    Returns:
        Record of each path, in the same order.
    """
    table = RecordTable(PathList(paths).distinct())
    new = np.flatnonzero(~table.fill(known or {}))
    hashed = _in_threads(hash_image, table.paths.take(new), "reading files")
    for place, record in zip(new.tolist(), hashed, strict=True):
        table.put(place, record)
    return table


def _measure_contents(table: RecordTable, places: npt.NDArray[np.intp], measure: Measure, known: Records) -> None:
    """Set the size of some images, or why they can't be decoded; each content is measured once."""
    digests = [digest.tobytes() for digest in table.rows["digest"][places]]
    contents = dict(zip(digests, places.tolist(), strict=True))
    found: dict[bytes, Size | Fault] = {
        record.digest: record.size for record in known.values() if record.size and record.digest in contents
    }
    unknown = {digest: place for digest, place in contents.items() if digest not in found}
    found |= zip(unknown, measure(RecordList(table, np.array(list(unknown.values()), np.intp))), strict=True)
    for place, digest in zip(places.tolist(), digests, strict=True):
        of, record = found[digest], table.at(place)
        table.put(place, replace(record, fault=of) if isinstance(of, Fault) else replace(record, size=of))


def sizes_of(records: Records, paths: Iterable[Path]) -> dict[Path, Size]:
    """Return the size of each of these files that can be decoded."""
    return {path: size for path in paths if (size := records[path].size)}


def hash_image(path: Path) -> ImageRecord:
    """Return a file's record without the image's size; nothing is decoded."""
    if os.path.exists(path) and not os.path.isfile(path):  # opening a named pipe would block
        return ImageRecord(path, fault=Fault("unreadable", "not a file"))
    digest, checksum = hashlib.sha256(), 0
    try:
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                digest.update(block)
                checksum = zlib.crc32(block, checksum)
            if not file.tell():
                return ImageRecord(path, fault=Fault("empty", "an empty file"))
    except FileNotFoundError:
        nowhere = ": a link to nowhere" if path.is_symlink() else ""
        return ImageRecord(path, fault=Fault("unreadable", f"no such file{nowhere}"))
    except OSError as error:
        return ImageRecord(path, fault=Fault("unreadable", f"can't be read ({error.strerror or error})"))
    return ImageRecord(path, digest.digest(), checksum)


def _in_threads(function: Callable[[Item], Result], items: Sequence[Item], what: str) -> Iterator[Result]:
    """Yield the results in order; the number of chunks ahead is limited, to bound memory."""

    def chunk(start: int) -> list[Result]:
        return [function(item) for item in items[start : start + CHUNK]]

    def chunks() -> Iterator[list[Result]]:
        starts = iter(range(0, len(items), CHUNK))
        ahead = deque(pool.submit(chunk, start) for start in islice(starts, AHEAD))
        while ahead:
            yield ahead.popleft().result()
            ahead.extend(pool.submit(chunk, start) for start in islice(starts, 1))

    with ThreadPoolExecutor() as pool, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's warnings: the fault's reason says what matters
        for results in track(chunks(), len(items), what, CHUNK):
            yield from results
