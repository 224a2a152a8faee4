"""Monitor of triplets: collapsing embeddings, and triplets that are nearly all satisfied."""

from __future__ import annotations

from collections.abc import Mapping

from finetune.errors import Problem
from finetune.training.objectives.loss import Alert

PATIENCE = 3
"""Number of consecutive epochs with hardly any active triplet before a warning."""
COLLAPSED = 0.05
"""Share of the first epoch's mean squared distance to negatives, below which all embeddings are nearly equal."""
COLLAPSING = 0.25
"""Share of that distance below which a warning is given."""
STUCK = 0.9
"""Share of active triplets above which the embeddings no longer separate people. The loss is then about the margin
(Hermans et al. 2017)."""
IDLE = 0.005
"""Share of active triplets below which hardly anything is left to learn."""


class Collapse:
    """Monitor of the triplets of one attempt at a stage.

    Embeddings that have become equal satisfy no triplet and no longer move. The distances to positives and negatives
    are both nearly 0, and the loss is the margin.

    Args:
        power: exponent that turns a squared distance into the loss's distance: 1 for squared, 0.5 for Euclidean
            distances.
    """

    def __init__(self, power: float) -> None:
        self._power = power
        self._first: float | None = None
        self._warned = self._idle = 0

    def add(self, row: Mapping[str, float]) -> Alert | None:
        """Add the columns of the next epoch, and return an alert if there is one."""
        columns = "active_triplets", "positive_distance", "negative_distance"
        active, positive, negative = (row[name] for name in columns)
        self._idle = self._idle + 1 if active < IDLE else 0
        if self._idle == PATIENCE:
            found = (
                f"{active:.2%} of the triplets have a loss, as in the epochs before: little is left to learn from them"
            )
            advice = "try mining: semi_hard, hard or bank, or end the stage here"
            return Alert(Problem("", found, advice), stops=False)
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
            return Alert(Problem("", f"the embeddings have collapsed: {text}", advice), stops=True)
        self._warned += 1
        collapsing = Problem("", f"the embeddings are collapsing: {text}")
        return Alert(collapsing, stops=False) if self._warned == 1 else None
