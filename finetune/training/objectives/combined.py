"""Margins of SphereFace, ArcFace and CosFace in one loss."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal

from finetune.schema import Range
from finetune.training.objectives.arcface import COSINE_LIMIT
from finetune.training.objectives.classification import MarginLoss

if TYPE_CHECKING:
    import tensorflow as tf


class Combined(MarginLoss):
    """Three margins at once: cos(multiple θ + margin) - cosine for an image's own class (Deng et al. 2019, "ArcFace").

    The default constants are those of the paper's combination of ArcFace and CosFace.
    """

    name: Literal["combined"] = "combined"
    margin: Annotated[float, Range(ge=0, lt=math.pi, of="radians")] = 0.3
    """Angle in radians that is added, from 0, below π: ArcFace's margin."""
    cosine: Annotated[float, Range(ge=0, lt=2)] = 0.2
    """Number that is subtracted from the cosine, from 0, below 2: CosFace's margin."""
    multiple: Annotated[float, Range(ge=0.5, le=4)] = 1.0
    """Factor of the angle, from 0.5 to 4. Above 1 it is SphereFace's margin."""

    def moved(self, cosines: tf.Tensor) -> tf.Tensor:
        """Compute the cosines after the margins, [b, classes].

        From k π to (k + 1) π the cosine continues as (-1)^k cos - 2 k. It thus decreases over the whole range (Liu et
        al. 2017, "SphereFace").
        """
        import tensorflow as tf

        angles = self.multiple * tf.acos(tf.clip_by_value(cosines, -COSINE_LIMIT, COSINE_LIMIT)) + self.margin
        past = tf.floor(angles / math.pi)
        return (1.0 - 2.0 * (past % 2.0)) * tf.cos(angles) - 2.0 * past - self.cosine
