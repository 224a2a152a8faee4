"""What is watched for from epoch to epoch: validation that parts from training, embeddings that collapse, and a loss
that has settled."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from itertools import pairwise

from finetune.recipe import TripletDistance
from finetune.training.history import EpochRow

PATIENCE = 3
"""Epochs in a row after which validation has parted from training."""
COLLAPSED = 0.05
"""Of the first epoch's mean distance to negatives: all embeddings are nearly one."""
COLLAPSING = 0.25
STUCK = 0.9
"""Of triplets are active when no distance tells people apart; the loss then is the margin (Hermans et al. 2017)."""
IDLE = 0.005
"""Of triplets are active when hardly anything is left to learn from them."""


def parted(rows: Sequence[EpochRow], patience: int = PATIENCE) -> str | None:
    """What to say in the epoch in which validation has parted from training: the validation loss has lain above its
    lowest for `patience` epochs, in which the training loss fell.

    Args:
        rows: of one attempt at a stage, so far.
        patience: epochs.

    Returns:
        A line, in the one epoch of an attempt in which it first holds; else None.
    """
    if not _parted(rows, patience) or any(_parted(rows[:stop], patience) for stop in range(len(rows))):
        return None
    best = min(rows, key=lambda row: row.validation_loss or 0.0)
    last = rows[-1]
    return (
        f"stage {last.stage!r}: validation parts from training: since epoch {best.epoch} the held-back loss rose "
        f"from {best.validation_loss:.4g} to {last.validation_loss:.4g} while the training loss fell from "
        f"{best.loss:.4g} to {last.loss:.4g}; "
        "try early_stopping, a lower learning_rate, a later train_from, augment, or l2_sp"
    )


def _parted(rows: Sequence[EpochRow], patience: int) -> bool:
    if len(rows) <= patience or any(row.validation_loss is None for row in rows):
        return False
    losses = [row.validation_loss or 0.0 for row in rows]
    since = rows[-patience - 1 :]
    return min(losses[-patience:]) > min(losses) and all(late.loss < early.loss for early, late in pairwise(since))


@dataclasses.dataclass(frozen=True)
class Seen:
    """What an epoch's triplets show.

    Attributes:
        text: a line.
        stops: whether the stage must not go on.
    """

    text: str
    stops: bool


class Collapse:
    """Watches the triplets of one attempt at a stage.

    Embeddings that have become one satisfy no triplet and move no more: the distances to positives and to negatives
    vanish alike, and the loss is the margin.

    Args:
        distance: the kind that is minimized.
    """

    def __init__(self, distance: TripletDistance) -> None:
        self._power = 1.0 if distance == "squared" else 0.5
        self._first: float | None = None
        self._warned = self._idle = 0

    def add(self, active: float, positive: float, negative: float) -> Seen | None:
        """Takes an epoch's share of active triplets, 0..1, and the mean distances to positives and to negatives."""
        self._idle = self._idle + 1 if active < IDLE else 0
        if self._idle == PATIENCE:
            text = (
                f"{active:.2%} of the triplets have a loss, as in the epochs before: little is left to learn from them"
            )
            return Seen(f"{text}; try mining: semi_hard, hard or bank, or end the stage here", stops=False)
        if self._first is None:
            self._first = negative
            return None
        share = negative / max(self._first, 1e-12)
        if active < STUCK or share >= COLLAPSING**self._power:
            return None
        distances = f"the mean distance to negatives fell from {self._first:.3g} to {negative:.3g}, to positives it is"
        text = f"{distances} {positive:.3g}, and {active:.0%} of the triplets have a loss"
        if share < COLLAPSED**self._power:
            advice = "give mining: semi_hard or random, a lower learning_rate, or a smaller margin"
            return Seen(f"the embeddings have collapsed: {text}; {advice}", stops=True)
        self._warned += 1
        return Seen(f"the embeddings are collapsing: {text}", stops=False) if self._warned == 1 else None


def settled(losses: Sequence[float], tolerance: float = 0.05) -> bool:
    """Whether the last two epochs improve on the two before them by less than `tolerance`, a share of these."""
    if len(losses) < 4:
        return False
    before, after = sum(losses[-4:-2]), sum(losses[-2:])
    return after > (1 - tolerance) * before
