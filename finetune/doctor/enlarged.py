"""Crops whose faces were much enlarged, according to the journal that `finetune align` leaves beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from finetune.align import RecordedFace, enlarged
from finetune.doctor.finding import Finding


def findings(faces: Mapping[Path, RecordedFace]) -> Iterator[Finding]:
    """Yield the crops whose faces were much enlarged.

    Args:
        faces: known faces by crop.
    """
    for crop, face in faces.items():
        if reason := enlarged(face.box, face.size):
            yield Finding("enlarged", crop, reason, score=-face.side)
