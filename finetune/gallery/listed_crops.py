"""Crops of listed faces, ready for enrolment."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from finetune.align import Alignment, Coverage, Faces, align, targets
from finetune.brief import Brief
from finetune.dataset import Quarantined
from finetune.gallery.listed_faces import Box, ListedFace


@dataclasses.dataclass(frozen=True, repr=False)
class NamedImages(Brief):
    """Images of people, to be enrolled.

    Attributes:
        people: images of each person, by name.
        sources: photo of each image that was cropped from one.
        boxed: images that were cut by a box. The photo may show others too.
        left_out: photos that can't be used, with reasons.
    """

    people: Mapping[str, list[Path]]
    sources: Mapping[Path, Path]
    boxed: frozenset[Path] = frozenset()
    left_out: tuple[Quarantined, ...] = ()


def cut_listed(faces: Sequence[ListedFace], size: int, place: Path, *, detect: bool, min_face_size: int) -> NamedImages:
    """Cut listed faces out of their photos, as `finetune align` cuts them.

    Args:
        faces: faces of a list.
        size: side of the crops, in pixels.
        place: folder for the crops.
        detect: True if a photo without a box must show exactly one face, which is cut; False if it is an aligned face.
        min_face_size: side of the smallest face to detect, in pixels.
    """
    alignment = Alignment(size=size, all_faces=True, min_face_size=min_face_size)
    boxed = {row: face.box for row, face in enumerate(faces) if face.box is not None}
    plain = [row for row in range(len(faces)) if row not in boxed] if detect else []
    crops: dict[int, Path] = {}
    reasons: dict[int, str] = {}
    for kind, rows in (("boxed", list(boxed)), ("plain", plain)):
        if not rows:
            continue
        coverage = _cut(faces, rows, place / kind, alignment, boxed if kind == "boxed" else None)
        for outcome in coverage.outcomes:
            row, found = int(Path(outcome.photo).stem), targets(outcome, alignment)
            if len(found) == 1:
                crops[row] = place / kind / "crops" / found[0]
            else:
                several = f"{len(found)} faces in it; give the box of one"
                reasons[row] = outcome.failure or several
    people: dict[str, list[Path]] = {}
    for row, face in enumerate(faces):
        if row not in reasons:
            people.setdefault(face.name, []).append(crops.get(row, face.photo))
    return NamedImages(
        people,
        {crop: faces[row].photo for row, crop in crops.items()},
        frozenset(crop for row, crop in crops.items() if row in boxed),
        tuple(Quarantined(faces[row].photo, f"{reason} ({faces[row].where})") for row, reason in reasons.items()),
    )


def _cut(
    faces: Sequence[ListedFace], rows: Sequence[int], place: Path, alignment: Alignment, boxes: Mapping[int, Box] | None
) -> Coverage:
    """Cut the faces of some rows, by their boxes if there are boxes; each photo is named by its row."""
    links = place / "photos"
    links.mkdir(parents=True)
    names = {row: f"{row}{faces[row].photo.suffix}" for row in rows}
    for row, name in names.items():
        (links / name).symlink_to(faces[row].photo.absolute())
    given = {names[row]: _one_face(boxes[row]) for row in rows} if boxes is not None else None
    return align(links, place / "crops", alignment, given)


def _one_face(box: Box) -> Faces:
    return Faces(np.array([box]), np.ones(1), np.zeros([1, 10]), 1)
