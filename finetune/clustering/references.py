"""References of a user to a cluster: its number, its name, or a photo of it."""

from __future__ import annotations

from collections.abc import Sequence

from finetune.cells import unguarded
from finetune.clustering.folder import Line
from finetune.errors import DataError, Problem
from finetune.paths import in_one_line


def faces_meant(text: str, lines: Sequence[Line]) -> list[int]:
    """Return the rows of the faces of a cluster, by its number or name; or the one face of a photo.

    Args:
        text: number, name, path of a photo relative to the folder, or `PHOTO#FACE`.
        lines: lines of the table.

    Raises:
        DataError: it means nothing, or a photo with several faces.
    """
    return faces_of_cluster(text, lines) or [face_of(text, lines)]


def faces_of_cluster(text: str, lines: Sequence[Line]) -> list[int]:
    """Return the rows of the faces of a cluster, by its number or name; none if there is no such cluster."""
    number = int(text) if text.isdecimal() else 0
    found = [line.row for line in lines if line.cluster and (line.name == text or line.cluster == number)]
    return sorted({row for row in found if row is not None})


def face_of(text: str, lines: Sequence[Line]) -> int:
    """Return the row of the face of a photo, by `PHOTO`, or `PHOTO#FACE` if it shows several.

    Either may begin with `./`, so that no path reads as an option or as a cluster.

    Raises:
        DataError: there is no such photo, or not one face in it.
    """
    text = unguarded(text.removeprefix("./"))
    photo, mark, face = text.rpartition("#")
    found = [line for line in lines if line.photo == text]
    if not found and mark and face.isdecimal():
        found = [line for line in lines if line.photo == photo]
        found = found[int(face) - 1 :][:1]
    if not found:
        advice = "give a cluster's number or name, or a photo as clusters.csv has it"
        raise DataError(Problem(in_one_line(text), "no such cluster and no such photo", advice))
    shown = [line.row for line in found if line.row is not None and line.number]
    if not shown:
        reason = in_one_line(found[0].apart)
        raise DataError(Problem(in_one_line(text), f"has no usable face ({reason})", "give another photo"))
    if len(shown) > 1:
        advice = f"say which, from {in_one_line(text)}#1 to #{len(shown)}"
        raise DataError(Problem(in_one_line(text), f"shows {len(shown)} faces", advice))
    return shown[0]
