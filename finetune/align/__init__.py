"""Photos to aligned faces, by MTCNN as FaceNet ran it."""

from __future__ import annotations

from finetune.align.aligner import Alignment, Coverage, align
from finetune.align.faces import Faces, read_boxes, write_boxes

__all__ = ["Alignment", "Coverage", "Faces", "align", "read_boxes", "write_boxes"]
