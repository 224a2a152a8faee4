"""One stage of training: a compiled step over the units after the boundary, and the loop of epochs."""

from __future__ import annotations

from finetune.training.history import EpochRow
from finetune.training.loop import StageFailed, StageState, train
from finetune.training.trainer import Trainer, trained

__all__ = ["EpochRow", "StageFailed", "StageState", "Trainer", "train", "trained"]
