"""Monitors that apply to every loss: overfitting, and a loss that has settled."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from finetune.training.history import EpochRow

PATIENCE = 3
"""Number of consecutive epochs that show overfitting."""


def overfitting(rows: Sequence[EpochRow], patience: int = PATIENCE) -> str | None:
    """Return a warning in the epoch in which overfitting is first seen.

    The validation loss has then been above its minimum for `patience` epochs, in each of which the training loss fell.

    Args:
        rows: epochs of one attempt at a stage, so far.
        patience: number of epochs.

    Returns:
        Warning in one line, in the first epoch of an attempt in which the condition holds; else None.
    """
    if not _overfitted(rows, patience) or any(_overfitted(rows[:stop], patience) for stop in range(len(rows))):
        return None
    best = min(rows, key=lambda row: row["validation_loss"])
    last = rows[-1]
    return (
        f"stage {last.stage!r}: validation parts from training: since epoch {best.epoch} the held-back loss rose "
        f"from {best['validation_loss']:.4g} to {last['validation_loss']:.4g} while the training loss fell from "
        f"{best['loss']:.4g} to {last['loss']:.4g}; "
        "try early_stopping, a lower learning_rate, a later train_from, augment, or l2_sp"
    )


def _overfitted(rows: Sequence[EpochRow], patience: int) -> bool:
    if len(rows) <= patience or any(row.get("validation_loss") is None for row in rows):
        return False
    losses = [row["validation_loss"] for row in rows]
    since = rows[-patience - 1 :]
    return min(losses[-patience:]) > min(losses) and all(
        late["loss"] < early["loss"] for early, late in pairwise(since)
    )


def settled(losses: Sequence[float], tolerance: float = 0.05) -> bool:
    """Return whether the last two losses improve on the two before them by less than the share `tolerance`."""
    if len(losses) < 4:
        return False
    before, after = sum(losses[-4:-2]), sum(losses[-2:])
    return after > (1 - tolerance) * before
