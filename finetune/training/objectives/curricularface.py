"""CurricularFace: ArcFace's margin, with a weight of the hard classes that grows as the stage learns."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal

from finetune.schema import Range
from finetune.training.objectives.arcface import with_angle
from finetune.training.objectives.classification import CosineLoss, own_class
from finetune.training.objectives.loss import Outputs, Sizes

if TYPE_CHECKING:
    import tensorflow as tf

    from finetune.training.objectives.loss import Tensors

LEVEL = "curricularface/t"
MOVE = 0.01
"""Share of a batch in the moving average of the cosines, as in the paper."""


class CurricularFace(CosineLoss):
    """ArcFace's margin with a curriculum (Huang et al. 2020, "CurricularFace").

    A class is hard for an image if its cosine is above cos(θ + margin) of the image's own class. Such a cosine is
    multiplied by itself plus t, the moving average of the images' cosines to their own class. It begins at 0. Hard
    classes thus count little at first and much later, as in the authors' code.
    """

    whole_batch = True
    name: Literal["curricularface"] = "curricularface"
    margin: Annotated[float, Range(ge=0, lt=math.pi, of="radians")] = 0.5
    """Angle in radians, from 0, below π."""

    def start(self, sizes: Sizes) -> Tensors:
        """Return the moving average t, a scalar that begins at 0."""
        import tensorflow as tf

        return {LEVEL: tf.Variable(0.0)}

    def in_training(self, similarities: tf.Tensor, outputs: Outputs) -> tf.Tensor:
        """Compute the logits of the loss in training from the cosines: [b, classes] each."""
        return self.with_level(similarities, outputs.labels, self._level(similarities, outputs))

    def with_level(self, similarities: tf.Tensor, labels: tf.Tensor, level: tf.Tensor) -> tf.Tensor:
        """Compute the logits from cosines [b, classes], the images' classes, int64 [b], and t: [b, classes]."""
        import tensorflow as tf

        own = own_class(similarities, labels)
        target = _of_own(similarities, labels)[:, tf.newaxis]  # [b, 1]
        limit = tf.cos(tf.acos(tf.clip_by_value(target, -1.0, 1.0)) + self.margin)
        hard = tf.where(similarities > limit, similarities * (level + similarities), similarities)
        return self.scale * tf.where(own, with_angle(target, self.margin), hard)

    def before_update(self, outputs: Outputs) -> None:
        """Store the average that the batch was weighed with."""
        outputs.tensors[LEVEL].assign(self._level(self.similarities(outputs), outputs))

    def _level(self, similarities: tf.Tensor, outputs: Outputs) -> tf.Tensor:
        """Compute t, moved toward the mean cosine of a batch's images to their own class, without a gradient."""
        import tensorflow as tf

        mean = tf.reduce_mean(_of_own(similarities, outputs.labels))
        return tf.stop_gradient(MOVE * mean + (1.0 - MOVE) * outputs.tensors[LEVEL])


def _of_own(similarities: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Return the value of each row [b, classes] in the column of its label: [b]."""
    import tensorflow as tf

    return tf.gather(similarities, labels, axis=1, batch_dims=1)
