"""ArcFace: an additive angular margin."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal

from finetune.schema import Range
from finetune.training.objectives.classification import MarginLoss

if TYPE_CHECKING:
    import tensorflow as tf

COSINE_LIMIT = 1.0 - 1e-6
"""Largest magnitude of a cosine. At 1 and -1 the angle has no finite derivative."""


class ArcFace(MarginLoss):
    """Additive angular margin: cos(θ + margin) for an image's own class (Deng et al. 2019, "ArcFace")."""

    name: Literal["arcface"] = "arcface"
    margin: Annotated[float, Range(ge=0, lt=math.pi, of="radians")] = 0.5
    """Angle in radians, from 0, below π."""

    def moved(self, cosines: tf.Tensor) -> tf.Tensor:
        """Compute the cosines after the margin, [b, classes]."""
        return with_angle(cosines, self.margin)


def with_angle(cosines: tf.Tensor, margin: float) -> tf.Tensor:
    """Compute cos(θ + margin) from cos(θ), for tensors of any shape.

    If θ + margin would exceed π, the result is cos(θ) - margin sin(margin), as in the authors' code. It thus decreases
    over the whole range.
    """
    import tensorflow as tf

    cosine = tf.clip_by_value(cosines, -COSINE_LIMIT, COSINE_LIMIT)
    moved = cosine * math.cos(margin) - tf.sqrt(1.0 - cosine**2) * math.sin(margin)
    within = cosine > math.cos(math.pi - margin)
    return tf.where(within, moved, cosine - margin * math.sin(margin))
