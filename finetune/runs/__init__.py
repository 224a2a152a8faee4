"""A run: stages trained one after another, measured, accepted or rolled back, and saved."""

from __future__ import annotations

from finetune.runs.plan import plan
from finetune.runs.results import StageResult

__all__ = ["StageResult", "plan"]
