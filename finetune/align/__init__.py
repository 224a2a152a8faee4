"""Photos to aligned faces, by MTCNN as FaceNet ran it."""

from __future__ import annotations

from finetune.align.aligner import Alignment, align, leftovers
from finetune.align.cached import aligned
from finetune.align.coverage import Coverage
from finetune.align.faces import Faces, read_boxes, write_boxes

__all__ = ["Alignment", "Coverage", "Faces", "align", "aligned", "leftovers", "read_boxes", "write_boxes"]
