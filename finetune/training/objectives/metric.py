"""Declaration of a metric: its average over an epoch, and where it is shown."""

from __future__ import annotations

import dataclasses

IMAGES = "images"


@dataclasses.dataclass(frozen=True)
class Metric:
    """Number that a training step gives under a name.

    Attributes:
        name: key in the result of a step.
        per: unit of an epoch's mean: `images`, or the name of the metric that counts. Empty for a sum.
        summed: True if a step gives the sum over its batch, else it gives the mean.
        column: column of `history.csv`; empty if the metric is not shown.
        held_back: column of its value on the held-back images; empty if it is not shown.
        charted: True if the report has a chart of both columns.
        meaning: meaning of the column, as documentation shows it.
        held_back_meaning: meaning of the column of the held-back images.
    """

    name: str
    per: str = IMAGES
    summed: bool = False
    column: str = ""
    held_back: str = ""
    charted: bool = False
    meaning: str = ""
    held_back_meaning: str = ""

    @property
    def title(self) -> str:
        """Name as charts show it."""
        return self.column.replace("_", " ")


LOSS = Metric(
    "loss",
    column="loss",
    held_back="validation_loss",
    charted=True,
    meaning="Mean loss with all terms.",
    held_back_meaning="Mean loss of the held-back images, without margin, label smoothing and terms.",
)
"""Loss with all its terms; on held-back images the plain loss alone."""
GRADIENT_NORM = Metric(
    "gradient_norm",
    column="gradient_norm",
    meaning="Mean global norm of the gradients, before they are clipped; 0 where replicas train together.",
)
"""Global norm of the gradients before clipping. It is 0 in an evaluation, and if replicas train together."""
