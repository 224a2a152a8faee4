"""Says what is wrong with a dataset before it is trained on, and moves what is suspected aside."""

from __future__ import annotations

from finetune.doctor.examine import examine
from finetune.doctor.finding import KINDS, Finding
from finetune.doctor.report import Report

__all__ = ["KINDS", "Finding", "Report", "examine"]
