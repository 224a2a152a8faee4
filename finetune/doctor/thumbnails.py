"""One pass over the files: what can't be read and why, and of each image its size and a grey thumbnail, kept."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt
import PIL

from finetune.brief import Brief
from finetune.embedding import Shelf, Store, identity
from finetune.errors import RunError
from finetune.images import ImageError, NotAnImage, read_image, too_small
from finetune.progress import track

Thumbnails = npt.NDArray[np.float32]
Item = TypeVar("Item")
Result = TypeVar("Result")

SIDE = 32
SHAPE = (SIDE * SIDE + 2,)
"""A row of the shelf: the thumbnail's grey levels, then the image's width and height."""
VERSION = 1
CHUNK = 32
AHEAD = 64
"""Chunks."""
SEGMENT = 4096
"""Images that are read before they are written: what a kill can cost."""


@dataclass(frozen=True)
class Problem:
    """Why a file can't be used, and the kind of finding that this is."""

    kind: str
    reason: str


@dataclass(frozen=True, eq=False, repr=False)
class Looked(Brief):
    """What a pass found.

    Attributes:
        paths: the images that can be read, in the order given.
        keys: sha256 of each one's bytes.
        problems: of the other files.
    """

    paths: tuple[Path, ...]
    keys: tuple[bytes, ...]
    problems: dict[Path, Problem]
    shelf: Shelf

    def sizes(self) -> npt.NDArray[np.int64]:
        """Width and height in pixels, [n, 2]."""
        parts = [self._read(self.keys[start : start + SEGMENT])[:, -2:] for start in self._starts()]
        return np.concatenate([np.empty([0, 2]), *parts]).astype(np.int64)

    def reasons(self, paths: Sequence[Path], crop: int | None) -> list[str | None]:
        """Why each file can't be trained on, or None: what `finetune.dataset.scanning.check_images` says."""
        sizes = dict(zip(self.paths, self.sizes().tolist(), strict=True))

        def reason(path: Path) -> str | None:
            if path in self.problems:
                return self.problems[path].reason
            width, height = sizes[path]
            return None if crop is None or min(width, height) >= crop else too_small(width, height, crop)

        return [reason(path) for path in paths]

    def thumbnails(self, rows: Sequence[int] | npt.NDArray[np.int64]) -> Thumbnails:
        """Grey levels 0 to 255 of some images, [n, SIDE, SIDE]: each image as a whole, whatever its shape."""
        return self._read([self.keys[row] for row in rows])[:, :-2].reshape(-1, SIDE, SIDE)

    def _read(self, keys: Sequence[bytes]) -> Thumbnails:
        """Return rows of the shelf; those that are damaged there are made again."""
        return self.shelf.read(keys, self._make)

    def _make(self, keys: list[bytes]) -> None:
        paths = dict(zip(self.keys, self.paths, strict=True))
        for key, problem in _fill(self.shelf, {key: paths[key] for key in keys}).items():
            raise RunError(f"{paths[key]}: {problem.reason}; leave the images as they are, and start again")

    def _starts(self) -> range:
        return range(0, len(self.keys), SEGMENT)


Look = Callable[[Sequence[Path]], Looked]
"""Reads files, as `look` does."""


def look(paths: Sequence[Path]) -> Looked:
    """Reads files; each content is decoded once, in this run and later ones."""
    digests = dict(zip(paths, _in_threads(_digest, paths, "reading files"), strict=True))
    problems = {path: found for path, found in digests.items() if isinstance(found, Problem)}
    keys = {path: found for path, found in digests.items() if isinstance(found, bytes)}
    name = identity({}, thumbnail=SIDE, version=VERSION, versions=[PIL.__version__, cv2.__version__])
    shelf = Store().shelf(name, SHAPE, set(keys.values()))
    missing = {key: path for path, key in keys.items() if key not in shelf}
    unreadable = _fill(shelf, missing)
    problems |= {path: unreadable[key] for path, key in keys.items() if key in unreadable}
    good = [path for path in paths if path not in problems]
    return Looked(tuple(good), tuple(keys[path] for path in good), problems, shelf)


def _fill(shelf: Shelf, missing: dict[bytes, Path]) -> dict[bytes, Problem]:
    """Add what the shelf lacks, and return what can't be read; what ends this early loses nothing that was read."""
    unreadable: dict[bytes, Problem] = {}
    rows: dict[bytes, Thumbnails] = {}

    def keep() -> None:
        shelf.add(list(rows), np.stack(list(rows.values())))
        rows.clear()

    try:
        found_rows = _in_threads(_row, list(missing.items()), "decoding images")
        for key, found in zip(missing, found_rows, strict=True):
            if isinstance(found, Problem):
                unreadable[key] = found
                continue
            rows[key] = found
            if len(rows) == SEGMENT:
                keep()
    finally:
        if rows:
            keep()
    return unreadable


def _digest(path: Path) -> bytes | Problem:
    """The sha256 of a file's bytes, as `finetune.embedding.image_digest` gives it."""
    if os.path.exists(path) and not os.path.isfile(path):  # a named pipe would be waited for
        return Problem("unreadable", "not a file")
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
            return digest.digest() if file.tell() else Problem("empty", "an empty file")
    except FileNotFoundError:
        return Problem("unreadable", "no such file: a link to nowhere")
    except OSError as error:
        return Problem("unreadable", f"can't be read ({error.strerror or error})")


def _row(image: tuple[bytes, Path]) -> Thumbnails | Problem:
    digest, path = image
    try:
        pixels = read_image(path, digest=digest)
    except NotAnImage as error:
        return Problem("not-image", str(error))
    except ImageError as error:
        return Problem("unreadable", str(error))
    height, width = pixels.shape[:2]
    grey = cv2.resize(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.append(grey.astype(np.float32).ravel(), np.array([width, height], np.float32))


def _in_threads(function: Callable[[Item], Result], items: Sequence[Item], what: str) -> Iterator[Result]:
    """The results in order; no more than some chunks are ahead, so that memory stays bounded."""

    def chunk(start: int) -> list[Result]:
        return [function(item) for item in items[start : start + CHUNK]]

    def chunks() -> Iterator[list[Result]]:
        starts = iter(range(0, len(items), CHUNK))
        ahead = deque(pool.submit(chunk, start) for start in islice(starts, AHEAD))
        while ahead:
            yield ahead.popleft().result()
            ahead.extend(pool.submit(chunk, start) for start in islice(starts, 1))

    with ThreadPoolExecutor() as pool, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's: what matters of them is in the reason
        for results in track(chunks(), len(items), what, CHUNK):
            yield from results
