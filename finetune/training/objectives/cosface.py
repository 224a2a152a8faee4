"""CosFace: an additive cosine margin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from finetune.schema import Range
from finetune.training.objectives.classification import MarginLoss

if TYPE_CHECKING:
    import tensorflow as tf


class CosFace(MarginLoss):
    """Additive cosine margin: cos(θ) - margin for an image's own class (Wang et al. 2018, "CosFace")."""

    name: Literal["cosface"] = "cosface"
    margin: Annotated[float, Range(ge=0, lt=2)] = 0.35
    """Number that is subtracted from the cosine, from 0, below 2."""

    def moved(self, cosines: tf.Tensor) -> tf.Tensor:
        """Compute the cosines after the margin, [b, classes]."""
        return cosines - self.margin
