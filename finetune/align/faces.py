"""Faces of a photo, and the text file of their boxes, with which other crops need no detection."""

from __future__ import annotations

import dataclasses
import urllib.parse
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from finetune import files
from finetune.align.geometry import Boxes
from finetune.brief import Brief
from finetune.errors import DataError, Problem, bounded
from finetune.paths import excerpt

Fallback = Literal["centre", "whole"]
"""The part of a photo that is cut if no face is found: its central square, or all of it."""
NONE = "NONE"
LANDMARKS = 10
MOST_FACES = 10**6


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Faces(Brief):
    """Faces of one photo, highest score first.

    Attributes:
        boxes: left, top, right, bottom in pixels, float64 [n, 4]; boxes may lie partly outside the photo.
        scores: probabilities, float [n].
        landmarks: coordinates in pixels, float64 [n, 10]. First the x of left eye, right eye, nose, left and right
            corner of the mouth, then their y.
        count: number of faces in the photo; some of them may be left out here.
    """

    boxes: Boxes
    scores: npt.NDArray[np.floating]
    landmarks: npt.NDArray[np.float64]
    count: int

    def __len__(self) -> int:
        return len(self.boxes)

    def take(self, index: int) -> Faces:
        """Return only the face at this index."""
        one = slice(index, index + 1)
        return Faces(self.boxes[one], self.scores[one], self.landmarks[one], self.count)

    @property
    def best(self) -> float:
        """Highest score; 0 if there is no face."""
        return float(self.scores.max(initial=0))

    def turned_back(self, turns: int, height: int, width: int) -> Faces:
        """Return the faces of a turned photo, `numpy.rot90(photo, turns)`, in the coordinates of the photo.

        Args:
            turns: number of counterclockwise turns by 90 degrees.
            height, width: size of the photo, in pixels.
        """
        boxes, x, y = self.boxes, self.landmarks[:, :5], self.landmarks[:, 5:]
        for turned in reversed(range(turns)):  # back by 90 degrees; `side` is the width of the result
            side = height if turned % 2 else width
            boxes = np.stack([side - boxes[:, 3], boxes[:, 0], side - boxes[:, 1], boxes[:, 2]], axis=1)
            x, y = side - y, x
        return Faces(boxes, self.scores, np.concatenate([x, y], axis=1), self.count)

    @classmethod
    def none(cls) -> Faces:
        """Return no faces."""
        return cls(np.empty((0, 4)), np.empty(0), np.empty((0, LANDMARKS)), 0)

    def rounded(self) -> Faces:
        """Return the faces rounded as `to_lines` writes them and `read_boxes` reads them."""
        return Faces(self.boxes.round(6), self.scores.astype(np.float64).round(5), self.landmarks.round(2), self.count)

    def to_lines(self) -> list[str]:
        """Return one line per face, `left top right bottom score faces x1 … x5 y1 … y5`, or `NONE`."""
        return [
            " ".join([*(f"{x:.6f}" for x in box), f"{score:.5f}", str(self.count), *(f"{x:.2f}" for x in points)])
            for box, score, points in zip(self.boxes, self.scores, self.landmarks, strict=True)
        ] or [NONE]

    @classmethod
    def from_lines(cls, lines: list[str]) -> Faces:
        """Parse the lines that `to_lines` returned.

        Raises:
            DataError: a line is malformed.
        """
        rows = [] if lines == [NONE] else [_numbers(line) for line in lines]
        values = np.array(rows).reshape(-1, 6 + LANDMARKS)
        count = int(values[0, 5]) if rows else 0
        return cls(values[:, :4], values[:, 4], values[:, 6:], count)


def turns_of(landmarks: npt.NDArray[np.float64]) -> int:
    """Return the number of counterclockwise turns by 90 degrees that bring the mouth below the eyes.

    Args:
        landmarks: landmarks as in `Faces`, [10]; zeros, which are unknown landmarks, give 0.
    """
    x, y = landmarks[:5], landmarks[5:]
    right, down = (axis[3:].mean() - axis[:2].mean() for axis in (x, y))
    if abs(right) > abs(down):
        return 3 if right > 0 else 1
    return 2 if down < 0 else 0


def write_boxes(path: Path, faces: Mapping[str, Faces]) -> None:
    """Write one line per face of each photo, `name …`, or `name NONE`; names are quoted as in URLs.

    Args:
        path: path of the file.
        faces: faces by the photo's name, relative to the folder of photos.
    """
    lines = [f"{_quoted(name)} {line}\n" for name in sorted(faces) for line in faces[name].to_lines()]
    files.write_text(path, "".join(lines))


def read_boxes(path: Path) -> dict[str, Faces]:
    """Read the faces of each photo, by name, from a file that `write_boxes` wrote.

    Raises:
        DataError: the file can't be read, or holds malformed lines (one problem per line).
    """
    text = files.read_text(path, "a file that align --boxes wrote")
    by_name: dict[str, list[str]] = {}
    problems: list[Problem] = []
    for number, line in enumerate(text.splitlines(), 1):
        name, _, rest = line.strip().partition(" ")
        if not name:
            continue
        try:
            Faces.from_lines([rest])
            lines = by_name.setdefault(urllib.parse.unquote(name, errors="surrogateescape"), [])
            if NONE in lines or (lines and rest == NONE):
                again = f"found {excerpt(name)} again, with {NONE}"
                raise DataError(Problem("", again, "write it once, or a line for each face"))
            lines.append(rest)
        except DataError as error:
            problems += error.within(f"{path}:{number}")
    if not by_name and not problems:
        problems.append(Problem(path, "no boxes in it", "give a file that align --boxes wrote"))
    if problems:
        raise DataError(*bounded(problems, path, "is it a file of boxes?"))
    return {name: Faces.from_lines(lines) for name, lines in by_name.items()}


def _quoted(name: str) -> str:
    return urllib.parse.quote(name, errors="surrogateescape")


def _numbers(line: str) -> list[float]:
    wanted = "write NAME left top right bottom score faces x1 … x5 y1 … y5, or NAME NONE"
    try:
        numbers = [float(field) for field in line.split()]
    except ValueError:
        numbers = []
    if len(numbers) != 6 + LANDMARKS or not np.isfinite(numbers).all() or numbers[5] not in range(1, MOST_FACES):
        raise DataError(Problem("", f"found {excerpt(line)}", wanted))
    return numbers
