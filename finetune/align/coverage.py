"""Coverage of an alignment: counts of its outcomes, and remarks."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from finetune.align.faces import Faces
from finetune.align.journal import Outcome
from finetune.brief import Brief
from finetune.errors import Problem, bounded
from finetune.paths import in_one_line
from finetune.words import counted

if TYPE_CHECKING:
    from finetune.align.aligner import Alignment

TURNED = "photos without a face may lie on a side, or stand on their head: finetune align --turn tries all four turns"
SMALL = 4
"""Enlargement beyond which a face is reported: a face below a quarter of the crop shows little detail."""


@dataclasses.dataclass(frozen=True, repr=False)
class Coverage(Brief):
    """Outcomes of aligning a set of photos.

    Attributes:
        outcomes: outcome of each photo, in the photos' order.
    """

    outcomes: tuple[Outcome, ...]

    @property
    def found(self) -> int:
        """Number of photos with at least one face."""
        return sum(bool(outcome.faces) for outcome in self.outcomes)

    @property
    def several(self) -> int:
        """Number of photos with more than one face."""
        return sum(outcome.faces is not None and outcome.faces.count > 1 for outcome in self.outcomes)

    @property
    def none(self) -> int:
        """Number of photos without a face."""
        return sum(outcome.faces is not None and not outcome.faces for outcome in self.outcomes)

    @property
    def fallbacks(self) -> list[Outcome]:
        """Outcomes of the photos that have a crop although no face was found."""
        return [outcome for outcome in self.outcomes if outcome.fallback]

    @property
    def unusable(self) -> int:
        """Number of photos that could not be read or used."""
        return sum(outcome.faces is None for outcome in self.outcomes)

    @property
    def failures(self) -> list[Outcome]:
        """Outcomes of the photos that have no crop."""
        return [outcome for outcome in self.outcomes if outcome.failure]

    @property
    def summary(self) -> str:
        """Counts in one line."""
        fallback = f", {len(self.fallbacks)} of them cut by the fallback" if self.fallbacks else ""
        return (
            f"{counted(len(self.outcomes), 'photo')}: {self.found} with a face, {self.several} of them with several; "
            f"{self.none} without{fallback}; {self.unusable} that could not be used"
        )

    def remarks(self, alignment: Alignment) -> list[str]:
        """Return lines on what to check: photos with several faces of which one was cut, and small faces."""
        several, small = [], []
        for outcome in self.outcomes:
            photo, faces = in_one_line(outcome.photo), outcome.faces
            if not faces:
                continue
            if faces.count > len(faces):
                several.append(Problem(photo, f"{faces.count} faces; the largest and most central one was cut"))
            smallest = (faces.boxes[:, 2:] - faces.boxes[:, :2]).min(1).argmin()
            if said := enlarged(faces.boxes[smallest], alignment.size):
                small.append(Problem(photo, said, "look at it, or raise --min-face-size"))
        told = [
            *bounded(several, "several faces", "align --boxes FILE counts each photo's"),
            *bounded(small, "small faces", "align --boxes FILE gives each face's sides"),
        ]
        return [*map(str, told), *([TURNED] if self.none and not alignment.turn else [])]

    def faces(self) -> dict[str, Faces]:
        """Return the faces of each photo that could be read, by its name, as `write_boxes` takes them."""
        return {outcome.photo: outcome.faces for outcome in self.outcomes if outcome.faces is not None}


def enlarged(box: npt.NDArray[np.floating], size: int) -> str:
    """Describe the enlargement of a face that is much smaller than its crop; empty for any other face.

    Args:
        box: left, top, right, bottom, in pixels.
        size: side of the crop, in pixels.
    """
    width, height = box[2:] - box[:2]
    if min(width, height) * SMALL >= size:
        return ""
    return f"a face of {width:.0f} x {height:.0f} pixels, enlarged to {size}"
