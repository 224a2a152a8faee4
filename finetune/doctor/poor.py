"""Poor faces: blurred, tiny, dark, overexposed, or turned away, by the limits of `finetune.quality`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from finetune.align import recorded_faces
from finetune.dataset import layout
from finetune.doctor.examination import may_be_aligned
from finetune.doctor.finding import Finding, in_order
from finetune.doctor.report import Report
from finetune.doctor.thumbnails import Thumbnails
from finetune.quality import DEFECTS, Quality


def judge_quality(report: Report, images: Thumbnails | None = None) -> Report:
    """Return a report with the quality of each face, and with a finding for each defect of a face.

    Images that are too small or unaligned are not judged. Pose, detection score and size in the photo come from the
    journal that `finetune align` leaves.

    Args:
        report: report of `examine`.
        images: images of the folder, if they are inspected already.
    """
    if images is None:
        images = Thumbnails(layout(report.folder).every)
    rows = np.flatnonzero(may_be_aligned(images.sizes, report.settings["crop"]))
    known = recorded_faces(report.folder)
    qualities = {
        images.paths[row]: Quality.of(seen, known.get(images.paths[row]))
        for row, seen in zip(rows, images.appearances(rows), strict=True)
    }
    findings = in_order([*report.findings, *_findings(qualities)])
    return replace(report, findings=findings, qualities=qualities, settings={**report.settings, "poor": DEFECTS})


def _findings(qualities: Mapping[Path, Quality]) -> Iterator[Finding]:
    for path, quality in qualities.items():
        for kind, (reason, severity) in quality.defects().items():
            yield Finding(kind, path, reason, score=severity)
