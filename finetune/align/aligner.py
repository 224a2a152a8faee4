"""Alignment of a folder of photos to a folder of faces, in parallel; a stopped run can be resumed."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import os
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from PIL import Image

from finetune import files
from finetune.align.coverage import Coverage
from finetune.align.crop import choose, crop, resize_without_face
from finetune.align.faces import Faces, Fallback, turns_of
from finetune.align.journal import Journal, Outcome, opened, version
from finetune.errors import DataError, Problem
from finetune.images import LARGE, SUFFIXES, ImageError, Pixels, TooManyPixels, read_image
from finetune.paths import find_images, in_one_line, refuse_within
from finetune.progress import track

if TYPE_CHECKING:
    from finetune.align.detector import Detector

Format = Literal["png", "jpg"]
ENCODINGS: dict[Format, dict[str, Any]] = {
    "png": {"format": "PNG", "compress_level": 1},
    "jpg": {"format": "JPEG", "quality": 95, "subsampling": 0},
}

CHUNK = 32
"""Photos that one worker takes at once. The chunks depend only on the photos' order, not on where a run was stopped.
The crops are therefore the same bytes."""
BATCH_PIXELS = LARGE
"""Pixels above which a worker's batch of photos is cut. A larger photo is processed alone, one at a time for all
workers."""
MAX_PIXELS = 160_000_000
"""Width times height above which a photo is refused."""

LONGEST_NAME = 255
"""Longest file name in bytes, on common file systems."""
NOT_IN_BOXES = "not in the file of boxes"


class Photo(NamedTuple):
    """Photo in memory: the file's version before it was read, and its pixels, uint8 [height, width, 3]."""

    version: tuple[int, int]
    pixels: Pixels


@dataclasses.dataclass(frozen=True)
class Alignment:
    """Settings for detecting and cutting faces.

    Attributes:
        size: side of the crops, in pixels.
        margin: pixels of the photo added to the width and height of a box, half on each side.
        all_faces: True to cut every face of a photo, as `NAME_0`, `NAME_1`, …, highest score first; False to cut one,
            as `NAME`.
        format: format of the crops: `png`, or `jpg` (quality 95).
        min_face_size: side of the smallest face to detect, in pixels.
        score: probability that a face must exceed, 0..1.
        turn: True to detect faces in the photo turned by 90, 180 and 270 degrees too. The turn with the highest score
            is used, and faces are cut upright. (MTCNN finds a face in half of upside-down photos, with lower scores.)
        fallback: what to cut from a photo in which no face is found: `centre`, its largest central square; `whole`,
            the whole photo, without keeping its aspect; None to cut nothing.
    """

    size: int = 160
    margin: int = 32
    all_faces: bool = False
    format: Format = "png"
    min_face_size: int = 20
    score: float = 0.7
    turn: bool = False
    fallback: Fallback | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the settings that crops depend on, without the newer ones that are off: older folders still match."""
        newer = ("turn", "fallback")
        return {key: value for key, value in dataclasses.asdict(self).items() if key not in newer or value}


def align(
    photos: Path, out: Path, alignment: Alignment = Alignment(), boxes: Mapping[str, Faces] | None = None
) -> Coverage:
    """Cut the faces of all photos below a folder: `photos/NAME/X.jpg` becomes `out/NAME/X.png`.

    Crops that an earlier run has finished in `out` with the same settings are kept.

    Args:
        photos: folder of any depth, or one photo.
        out: output folder; created if missing.
        alignment: settings.
        boxes: faces by the photos' names, as `read_boxes` returns them, to use instead of detection.

    Returns:
        Outcome of each photo.

    Raises:
        DataError: there are no photos, `out` can't be used, or the boxes are not of these photos.
        RunError: the crops can't be written.
    """
    found = find_images(photos)
    root = photos if photos.is_dir() else photos.parent
    if photos.is_dir():
        refuse_within(out, photos)
    names = [path.relative_to(root).as_posix() for path in found]
    if boxes is not None:
        _refuse_others(boxes, photos, names, all_faces=alignment.all_faces)
    namesakes = _namesakes(root, names)
    distinct = [name for name in names if name not in namesakes]
    chunks = [distinct[start : start + CHUNK] for start in range(0, len(distinct), CHUNK)]
    with opened(out, {"photos": os.path.realpath(photos)} | _settings(alignment, boxes)) as journal:
        outcomes = _work_through(chunks, _Worker(root, out, alignment, boxes), journal) | namesakes
    return Coverage(tuple(outcomes[name] for name in names))


def cut(photos: Path, alignment: Alignment) -> Iterator[tuple[Outcome, list[Pixels]]]:
    """Cut the faces of all photos below a folder in memory; nothing is written.

    Args:
        photos: folder of any depth, or one photo.
        alignment: settings.

    Yields:
        Outcome of each photo, in order, and its crops, uint8 [size, size, 3].

    Raises:
        DataError: there are no photos.
    """
    found = find_images(photos)
    root = photos if photos.is_dir() else photos.parent
    names = [path.relative_to(root).as_posix() for path in found]
    worker = _Cutter(root, Path(), alignment, None)
    chunks = [names[start : start + CHUNK] for start in range(0, len(names), CHUNK)]
    for done in _in_parallel(worker, chunks, len(names)):
        for outcome in done:
            yield outcome, worker.crops.pop(outcome.photo, [])


def leftovers(out: Path, coverage: Coverage, alignment: Alignment) -> list[Path]:
    """Return crops that no longer belong to a photo: it is gone, or has fewer faces now."""
    wanted = {out / name for outcome in coverage.outcomes for name in targets(outcome, alignment)}
    return sorted(path for path in out.rglob(f"*.{alignment.format}") if path not in wanted)


def _refuse_others(boxes: Mapping[str, Faces], photos: Path, names: Sequence[str], *, all_faces: bool) -> None:
    """Raise `DataError` if the boxes are of other photos, or if all faces are to be cut and some are missing."""
    if boxes.keys().isdisjoint(names):
        raise DataError(
            Problem(
                in_one_line(photos),
                f"none of its {len(names)} photos, such as {in_one_line(names[0])}, is in the file of boxes",
                "give the folder that it was written for",
            )
        )
    lacking = [name for name, faces in boxes.items() if len(faces) < faces.count]
    if all_faces and lacking:
        raise DataError(
            Problem(
                in_one_line(lacking[0]),
                f"{boxes[lacking[0]].count} faces, of which the file of boxes holds {len(boxes[lacking[0]])}, as of "
                f"{len(lacking) - 1} photos more",
                "write it with --all too",
            )
        )


def _namesakes(root: Path, names: Sequence[str]) -> dict[str, Outcome]:
    """Return a failure for each photo whose crop would have another photo's name: only the suffixes differ.

    Photos with the suffix of an image come first.
    """
    first: dict[str, str] = {}
    ordered = sorted(names, key=lambda name: (PurePosixPath(name).suffix.lower() not in SUFFIXES, name))
    others = [(name, first[_stem(name)]) for name in ordered if first.setdefault(_stem(name), name) != name]
    reason = "its crop would be named as that of {}; rename one"
    return {
        name: Outcome(name, version(root / name), None, reason.format(in_one_line(other))) for name, other in others
    }


def _work_through(chunks: Sequence[Sequence[str]], worker: _Worker, journal: Journal) -> dict[str, Outcome]:
    """Return the outcome of each photo, including those that an earlier run has finished."""
    left = [chunk for chunk in chunks if not all(worker.has_finished(journal.outcomes.get(name)) for name in chunk)]
    again = {name for chunk in left for name in chunk}
    outcomes = {name: journal.outcomes[name] for chunk in chunks for name in chunk if name not in again}
    journal.begin(outcomes.values())
    for done in _in_parallel(worker, left, len(again)):
        journal.add(done)
        outcomes |= {outcome.photo: outcome for outcome in done}
    return outcomes


def _in_parallel(worker: _Worker, chunks: Sequence[Sequence[str]], photos: int) -> Iterator[list[Outcome]]:
    """Yield the outcomes of each chunk, in order."""
    pool = ThreadPoolExecutor((os.cpu_count() or 1) + 1)  # one decodes or writes while the others compute
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's warnings: the outcome says what matters
            yield from track(pool.map(worker, chunks), photos, "aligning photos", CHUNK)
    finally:
        pool.shutdown(cancel_futures=True)


class _Worker:
    """Aligner of chunks of photos; several threads call it at once."""

    def __init__(self, root: Path, out: Path, alignment: Alignment, boxes: Mapping[str, Faces] | None) -> None:
        self._root = root
        self._out = out
        self._alignment = alignment
        self._boxes = boxes
        self._lock = threading.Lock()
        if boxes is None:
            self._detector = _detector(alignment.min_face_size, alignment.score)

    def __call__(self, names: Sequence[str]) -> list[Outcome]:
        outcomes: dict[str, Outcome] = {}
        batch: dict[str, Photo] = {}
        for name in names:
            before = version(self._root / name)  # a later change of the file is noticed in the next run
            try:
                batch[name] = Photo(before, read_image(self._root / name, BATCH_PIXELS))
            except TooManyPixels:
                with self._lock:
                    outcomes |= self._large(name, before)
            except ImageError as error:
                outcomes[name] = Outcome(name, before, None, str(error))
            if sum(photo.pixels.shape[0] * photo.pixels.shape[1] for photo in batch.values()) > BATCH_PIXELS:
                outcomes |= self._cut(batch)
                batch = {}
        outcomes |= self._cut(batch)
        return [outcomes[name] for name in names]

    def has_finished(self, outcome: Outcome | None) -> bool:
        """Return whether an earlier run has finished a photo: the photo is unchanged and its crops exist.

        A photo that could not be used is tried again: the cause may lie outside the file.
        """
        if outcome is None or outcome.version != version(self._root / outcome.photo):
            return False
        if outcome.faces is None:
            return self._why_unusable(outcome.photo) == outcome.failure
        return all(path.is_file() for path in self._targets(outcome))

    def _why_unusable(self, name: str) -> str | None:
        try:
            read_image(self._root / name, MAX_PIXELS)
        except ImageError as error:
            return str(error)
        return NOT_IN_BOXES if self._boxes is not None and name not in self._boxes else None

    def _large(self, name: str, before: tuple[int, int]) -> dict[str, Outcome]:
        try:
            return self._cut({name: Photo(before, read_image(self._root / name, MAX_PIXELS))})
        except ImageError as error:
            return {name: Outcome(name, before, None, str(error))}

    def _cut(self, batch: Mapping[str, Photo]) -> dict[str, Outcome]:
        """Find, cut and write the faces of these photos."""
        found: Sequence[Faces | None]
        if self._boxes is not None:
            found = [self._boxes.get(name) for name in batch]
        else:
            found = self._detect([photo.pixels for photo in batch.values()])
        outcomes = {}
        for (name, photo), faces in zip(batch.items(), found, strict=True):
            if faces is None:
                outcomes[name] = Outcome(name, photo.version, None, NOT_IN_BOXES)
                continue
            faces = faces.rounded()
            if faces and not self._alignment.all_faces:
                faces = faces.take(choose(faces.boxes, *photo.pixels.shape[:2]))
            instead = None if faces else self._alignment.fallback
            failure = "" if faces or instead else "no face found"
            outcomes[name] = Outcome(name, photo.version, faces, failure, instead)
            try:
                self._write(outcomes[name], photo.pixels)
            except ImageError as error:
                outcomes[name] = Outcome(name, photo.version, Faces.none(), str(error))
        return outcomes

    def _detect(self, images: Sequence[Pixels]) -> list[Faces]:
        """Find the faces of each image; with `turn`, those of the turn with the highest score."""
        found = list(self._detector(images))
        for turns in (1, 2, 3) if self._alignment.turn else ():
            turned = self._detector([np.ascontiguousarray(np.rot90(image, turns)) for image in images])
            for place, faces in enumerate(turned):
                if faces.best > found[place].best:
                    found[place] = faces.turned_back(turns, *images[place].shape[:2])
        return found

    def _crops(self, outcome: Outcome, pixels: Pixels) -> list[Image.Image]:
        size, margin = self._alignment.size, self._alignment.margin
        if outcome.fallback:
            return [resize_without_face(pixels, outcome.fallback, size)]
        faces = outcome.faces or Faces.none()
        turns = [turns_of(points) if self._alignment.turn else 0 for points in faces.landmarks]
        return [crop(pixels, box, size, margin, turn) for box, turn in zip(faces.boxes, turns, strict=True)]

    def _write(self, outcome: Outcome, pixels: Pixels) -> None:
        for path, image in zip(self._targets(outcome), self._crops(outcome, pixels), strict=True):
            if len(os.fsencode(path.name)) > LONGEST_NAME:
                raise ImageError("a name too long for its crop's", "rename it")
            files.write(path, functools.partial(image.save, **ENCODINGS[self._alignment.format]), sync=False)

    def _targets(self, outcome: Outcome) -> list[Path]:
        return [self._out / target for target in targets(outcome, self._alignment)]


@functools.lru_cache(maxsize=1)
def _detector(min_face_size: int, score: float) -> Detector:
    """Return a detector. The last one is kept, because the start of its networks takes longer than a photo."""
    from finetune.align.detector import Detector  # imports ONNX Runtime

    return Detector(min_face_size, score)


class _Cutter(_Worker):
    """Worker that keeps the crops in memory, until they are taken from `crops`."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.crops: dict[str, list[Pixels]] = {}

    def _write(self, outcome: Outcome, pixels: Pixels) -> None:
        self.crops[outcome.photo] = [np.asarray(image) for image in self._crops(outcome, pixels)]


def targets(outcome: Outcome, alignment: Alignment) -> list[str]:
    """Return the names of a photo's crops, relative to the output folder."""
    crops = 1 if outcome.fallback else len(outcome.faces or ())
    endings = [f"_{index}" if alignment.all_faces else "" for index in range(crops)]
    return [f"{_stem(outcome.photo)}{ending}.{alignment.format}" for ending in endings]


def _stem(name: str) -> str:
    """Return a photo's name without its suffix."""
    return str(PurePosixPath(name).with_suffix(""))


def _settings(alignment: Alignment, boxes: Mapping[str, Faces] | None) -> dict[str, Any]:
    """Return the settings that crops depend on, as the journal stores them."""
    if boxes is None:
        return alignment.to_json() | {"boxes": None}
    lines = "".join(f"{name} {line}\n" for name in sorted(boxes) for line in boxes[name].to_lines())
    digest = hashlib.sha256(lines.encode(errors="surrogateescape")).hexdigest()
    cut = {key: value for key, value in alignment.to_json().items() if key not in ("min_face_size", "score")}
    return cut | {"boxes": digest}
