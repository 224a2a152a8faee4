"""Thumbnails: one pass over the files decodes each content once, and caches a small grey picture and its measures."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import PIL

from finetune.embedding import Entry, VectorCache, entry_name
from finetune.errors import Problem, RunError
from finetune.images import (
    Fault,
    ImageRecord,
    Pixels,
    RecordList,
    Records,
    Size,
    decode_all,
    inspect_images,
    inspect_kept,
)
from finetune.quality import PixelQuality, measure_appearance

Rows = npt.NDArray[np.float32]

SIDE = 32
PICTURE, SIZE = slice(SIDE * SIDE), slice(SIDE * SIDE, SIDE * SIDE + 2)
APPEARANCE = slice(SIZE.stop, SIZE.stop + len(PixelQuality._fields))
SHAPE = (APPEARANCE.stop,)
"""Shape of a row in the cache: the thumbnail's grey levels, the image's width and height, and its measures of
quality."""
VERSION = 2
SEGMENT = 4096
"""Images that are decoded before they are written: the most that a killed run can lose."""


class Thumbnails:
    """Readable images among some files, with a thumbnail of each whole image, of any shape.

    Args:
        paths: paths of the files.
        known: records of files that were inspected already.
        kept: whether to use the records that the cache keeps of files that have not changed, and to keep the new ones.
        recheck: whether to look at all files anew in spite of `kept`.

    Attributes:
        records: record of every file.
        images: records of the readable images, in the order given; rows are indices into them.
        paths: path of each of these images.
    """

    def __init__(
        self, paths: Sequence[Path], known: Records | None = None, *, kept: bool = False, recheck: bool = False
    ) -> None:
        self._entry: Entry | None = None
        inspect = functools.partial(inspect_kept, recheck=recheck) if kept else inspect_images
        self.records = inspect(paths, self._measure, known)
        readable = np.flatnonzero(self.records.rows["fault"] == 0)
        self.images = RecordList(self.records, readable)
        self.paths = self.records.paths.take(readable)

    @functools.cached_property
    def digests(self) -> list[bytes]:
        """Digest of each of the readable images."""
        return [record.digest for record in self.images]

    @functools.cached_property
    def sizes(self) -> npt.NDArray[np.int64]:
        """Width and height of each of the readable images, in pixels, int64 [n, 2]."""
        rows = self.records.rows[self.records.rows["fault"] == 0]
        return np.stack([rows["width"], rows["height"]], axis=1).astype(np.int64)

    def read(self, rows: Sequence[int] | npt.NDArray[np.int64]) -> Rows:
        """Return the thumbnails of some images, grey levels from 0 to 255: [n, SIDE, SIDE].

        Raises:
            RunError: a thumbnail is damaged in the cache, and its image has changed or can't be decoded.
        """
        return self._kept([self.images[row] for row in rows])[:, PICTURE].reshape(-1, SIDE, SIDE)

    def appearances(self, rows: Sequence[int] | npt.NDArray[np.intp]) -> list[PixelQuality]:
        """Return the measures of the quality of some images.

        Raises:
            RunError: as in `read`.
        """
        kept = self._kept([self.images[row] for row in rows])[:, APPEARANCE]
        return [PixelQuality(*measures) for measures in kept.tolist()]

    def _measure(self, records: Sequence[ImageRecord]) -> list[Size | Fault]:
        """Return the images' sizes; images without a thumbnail in the cache are decoded."""
        entry = self._entry = _entry(records)
        missing = [record for record in records if record.digest not in entry]
        known = [record for record in records if record.digest in entry]
        found = dict(zip(missing, self._decode(missing), strict=True))
        for start in range(0, len(known), SEGMENT):
            part = known[start : start + SEGMENT]
            sizes = self._kept(part)[:, SIZE].astype(int).tolist()
            found |= {record: Size(*size) for record, size in zip(part, sizes, strict=True)}
        return [found[record] for record in records]

    def _kept(self, records: Sequence[ImageRecord]) -> Rows:
        """Return rows of the cache; images whose rows are damaged or missing are decoded again."""
        by_digest = {record.digest: record for record in records}
        self._entry = entry = self._entry or _entry(self.images)

        def make(digests: list[bytes]) -> None:
            again = [by_digest[digest] for digest in digests]
            for record, found in zip(again, self._decode(again), strict=True):
                if isinstance(found, Fault):
                    advice = "leave the images as they are, and start again"
                    raise RunError(Problem(record.path, found.reason, advice))

        if missing := [digest for digest in by_digest if digest not in entry]:
            make(missing)
        return entry.read([record.digest for record in records], make)

    def _decode(self, records: Sequence[ImageRecord]) -> list[Size | Fault]:
        """Decode images and cache their thumbnails; on an exception, those decoded so far are kept."""
        sizes: list[Size | Fault] = []
        rows: dict[bytes, Rows] = {}

        def keep() -> None:
            assert self._entry is not None
            self._entry.add(list(rows), np.stack(list(rows.values())))
            rows.clear()

        try:
            for record, found in zip(records, decode_all(records, _row), strict=True):
                if isinstance(found, Fault):
                    sizes.append(found)
                    continue
                rows[record.digest] = found
                sizes.append(Size(*map(int, found[SIZE])))
                if len(rows) == SEGMENT:
                    keep()
        finally:
            if rows:
                keep()
        return sizes


def _entry(records: Sequence[ImageRecord]) -> Entry:
    """Open the thumbnails of these images in the cache."""
    name = entry_name({}, thumbnail=SIDE, version=VERSION, versions=[PIL.__version__, cv2.__version__])
    return VectorCache().entry(name, SHAPE, [record.digest for record in records])


def _row(pixels: Pixels) -> Rows:
    height, width = pixels.shape[:2]
    grey = cv2.resize(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    measures = np.array([width, height, *measure_appearance(pixels)], np.float32)
    return np.append(grey.astype(np.float32).ravel(), measures)
