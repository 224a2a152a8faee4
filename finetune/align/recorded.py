"""Faces of a folder of crops, according to the journal that the alignment leaves beside them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from finetune.align.aligner import Alignment, targets
from finetune.align.journal import NAME, read_journal
from finetune.errors import DataError


class RecordedFace(NamedTuple):
    """Face of which a crop was cut.

    Attributes:
        box: left, top, right and bottom in the photo, in pixels, [4].
        score: probability of the detector that it is a face, 0 to 1.
        landmarks: landmarks in the photo as in `Faces`, [10]; zeros if they are unknown.
        size: side of the crop, in pixels.
    """

    box: npt.NDArray[np.float64]
    score: float
    landmarks: npt.NDArray[np.float64]
    size: int

    @property
    def side(self) -> float:
        """Shorter side of the box, in pixels of the photo."""
        return float(min(self.box[2:] - self.box[:2]))


def recorded_faces(folder: Path) -> dict[Path, RecordedFace]:
    """Return the face of each crop in a folder by the crop's path; nothing if there is no usable journal.

    Crops that a fallback cut show no known face and are left out, as are those that are no longer there.
    """
    try:
        settings, outcomes = read_journal(folder / NAME)
        alignment = Alignment(**{key: settings[key] for key in ("size", "all_faces", "format")})
    except (DataError, KeyError):
        return {}
    found = {}
    for outcome in outcomes.values():
        if not (faces := outcome.faces):
            continue
        crops = [folder / target for target in targets(outcome, alignment)]
        for crop, box, score, landmarks in zip(crops, faces.boxes, faces.scores, faces.landmarks, strict=True):
            if crop.is_file():
                found[crop] = RecordedFace(box, float(score), landmarks, alignment.size)
    return found
