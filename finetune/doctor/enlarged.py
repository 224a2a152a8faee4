"""Crops whose faces were much enlarged, according to the journal that `finetune align` leaves beside them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from finetune.align import NAME, Alignment, enlarged, read_journal, targets
from finetune.doctor.finding import Finding
from finetune.errors import DataError


def findings(root: Path) -> Iterator[Finding]:
    """Yield the crops in a folder whose faces were much enlarged; none if there is no usable journal."""
    try:
        settings, outcomes = read_journal(root / NAME)
        alignment = Alignment(**{key: settings[key] for key in ("size", "all_faces", "format")})
    except (DataError, KeyError):
        return
    for outcome in outcomes.values():
        if not outcome.faces:
            continue
        for crop, box in zip(targets(outcome, alignment), outcome.faces.boxes, strict=True):
            if (reason := enlarged(box, alignment.size)) and (root / crop).is_file():
                yield Finding("enlarged", root / crop, reason, score=-float(min(box[2:] - box[:2])))
