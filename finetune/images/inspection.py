"""Inspection of image files in one pass: digest, size, and the reason why a file can't be used."""

from __future__ import annotations

import hashlib
import os
import warnings
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

from finetune.images.reading import ImageError, NotAnImage, Pixels, read_image, too_small
from finetune.progress import track

Item = TypeVar("Item")
Result = TypeVar("Result")

CHUNK = 32
AHEAD = 64
"""Chunks that are submitted before their results are taken."""
BLOCK = 1 << 20
"""Bytes of a file that are in memory at once while it is hashed."""


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


def inspect_images(
    paths: Sequence[Path], measure: Measure = measure_all, known: Records | None = None
) -> dict[Path, ImageRecord]:
    """Hash each file, and decode each content once.

    Contents whose size is known are not decoded.

    Args:
        paths: paths of the files.
        measure: function that decodes images, or knows their sizes from earlier inspections.
        known: records of files that were inspected already; these are not hashed again.

    Returns:
        Record of each path, in the same order.
    """
    known = known or {}
    new = [path for path in paths if path not in known]
    hashed = hash_images(new)
    records = {path: hashed.get(path) or known[path] for path in paths}
    contents = {record.digest: record for record in records.values() if not record.fault}
    found: dict[bytes, Size | Fault] = {record.digest: record.size for record in known.values() if record.size}
    unknown = {digest: record for digest, record in contents.items() if digest not in found}
    found |= zip(unknown, measure(list(unknown.values())), strict=True)
    found = shared(found)

    for path, record in records.items():
        if not (record.fault or record.size):
            of = found[record.digest]
            records[path] = replace(record, fault=of) if isinstance(of, Fault) else replace(record, size=of)
    return records


def shared(found: Mapping[bytes, Size | Fault]) -> dict[bytes, Size | Fault]:
    """Return the values with equal ones shared, which matters for the memory of a million images."""
    one: dict[Size | Fault, Size | Fault] = {}
    return {digest: one.setdefault(value, value) for digest, value in found.items()}


def sizes_of(records: Records, paths: Iterable[Path]) -> dict[Path, Size]:
    """Return the size of each of these files that can be decoded."""
    return {path: size for path in paths if (size := records[path].size)}


def hash_images(paths: Sequence[Path]) -> dict[Path, ImageRecord]:
    """Return the record of each file without the image's size, in the same order; nothing is decoded."""
    return dict(zip(paths, _in_threads(hash_image, paths, "reading files"), strict=True))


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
