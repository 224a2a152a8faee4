"""The declaration of a metric: how it is averaged over an epoch, and where it is shown."""

from __future__ import annotations

import dataclasses

IMAGES = "images"


@dataclasses.dataclass(frozen=True)
class Metric:
    """A number that a training step gives under a name.

    Attributes:
        name: key in what a step gives.
        per: what an epoch's mean is over: `images`, or the name of the metric that counts; empty for a sum.
        summed: whether a step gives the sum over its batch; else it gives the mean.
        column: column of `history.csv`; empty where the metric is not shown.
        held_back: column of its value on the held-back images; empty where it is not shown.
        charted: whether the report has a chart of both columns.
    """

    name: str
    per: str = IMAGES
    summed: bool = False
    column: str = ""
    held_back: str = ""
    charted: bool = False

    @property
    def title(self) -> str:
        """The name as charts show it."""
        return self.column.replace("_", " ")


LOSS = Metric("loss", column="loss", held_back="validation_loss", charted=True)
"""The loss with all its terms; on held-back images the plain loss alone."""
GRADIENT_NORM = Metric("gradient_norm", column="gradient_norm")
"""The global norm of the gradients before they are clipped; 0 in an evaluation, and where replicas train together."""
