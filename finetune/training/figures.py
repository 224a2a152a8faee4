"""What a training step tells, and the means of it over an epoch."""

from __future__ import annotations

from typing import NamedTuple


class StepResult(NamedTuple):
    """Of one batch: means over its images, and counts.

    `loss` is the sum of the loss itself (`cross_entropy` with its margin or smoothing, or `triplet`) and of the terms
    beside it, each times its factor.

    Attributes:
        cross_entropy, triplet: the one that the stage has; the other is 0.
        prelogits_norm, center_loss, distillation: without their factors; 0 where they are not asked for, the first
            apart.
        weight_decay, l2_sp: as they enter the loss.
        gradient_norm: the global norm before it is clipped; 0 in an evaluation.
        correct: how many images were classified rightly.
        triplets, active: how many there were, and how many of them had a loss.
        positive_distance, negative_distance: sums over the triplets.
    """

    loss: float = 0.0
    cross_entropy: float = 0.0
    triplet: float = 0.0
    prelogits_norm: float = 0.0
    center_loss: float = 0.0
    weight_decay: float = 0.0
    l2_sp: float = 0.0
    distillation: float = 0.0
    gradient_norm: float = 0.0
    correct: float = 0.0
    triplets: float = 0.0
    active: float = 0.0
    positive_distance: float = 0.0
    negative_distance: float = 0.0


COUNTS = frozenset({"correct", "triplets", "active", "positive_distance", "negative_distance"})
"""The figures that are sums over a batch and no means."""


STEP_COLUMNS = ("loss", "center_loss", "reg_loss", "xent_loss", "prelogits_norm", "accuracy")
"""Of each step, as the published script keeps them in `stat.h5`."""


class Means:
    """The figures of an epoch, from those of its batches."""

    def __init__(self) -> None:
        self.images = 0
        self._sums = [0.0] * len(StepResult._fields)

    def add(self, result: StepResult, images: int) -> None:
        """Adds a batch."""
        self.images += images
        for place, (name, value) in enumerate(zip(StepResult._fields, result, strict=True)):
            if name == "triplet":  # a mean over the batch's triplets, not over its images
                self._sums[place] += value * result.triplets
            else:
                self._sums[place] += value if name in COUNTS else value * images

    def result(self) -> StepResult:
        """The means over images, of distances and the share of active ones over triplets; `correct` becomes a share."""
        sums = StepResult(*self._sums)
        images, triplets = max(self.images, 1), max(sums.triplets, 1.0)
        of_triplets = ("triplet", "active", "positive_distance", "negative_distance")
        means = {name: value / (triplets if name in of_triplets else images) for name, value in sums._asdict().items()}
        return StepResult(**means | {"triplets": sums.triplets})
