"""Quality of the faces in image files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from finetune.align import RecordedFace
from finetune.images import Fault, ImageRecord, decode_all
from finetune.quality.face import Quality
from finetune.quality.pixels import measure_appearance


def measure_quality(
    records: Sequence[ImageRecord], faces: Mapping[Path, RecordedFace] | None = None
) -> dict[Path, Quality]:
    """Measure aligned faces; files that can't be decoded are left out.

    Args:
        records: inspected image files.
        faces: known faces by crop, as `finetune.align.recorded_faces` returns them.
    """
    known = faces or {}
    readable = [record for record in records if not record.fault]
    found = decode_all(readable, measure_appearance, "measuring quality")
    return {
        record.path: Quality.of(seen, known.get(record.path))
        for record, seen in zip(readable, found, strict=True)
        if not isinstance(seen, Fault)
    }
