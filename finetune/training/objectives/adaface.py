"""AdaFace: a margin that depends on the quality of each image."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal

from finetune.schema import Above0To1, From0, Range
from finetune.training.objectives.classification import CosineLoss, own_class
from finetune.training.objectives.loss import Outputs, Sizes

if TYPE_CHECKING:
    import tensorflow as tf

    from finetune.training.objectives.loss import Tensors

MEAN, DEVIATION = "adaface/mean", "adaface/deviation"
EPSILON = 1e-3
"""Distance that cosines keep from 1 and -1, and angles from 0 and π; it is also added to the deviation."""
NORMS = 1e-3, 100.0
"""Least and largest norm of prelogits."""


class AdaFace(CosineLoss):
    """Margin that adapts to an image's quality, measured by the norm of its prelogits (Kim et al. 2022, "AdaFace").

    Norms are compared with moving averages of their mean and deviation. Above the mean, hard images weigh more. Below
    it, easy images weigh more, so that images too poor to be recognized count little. Formula, limits and constants are
    those of the paper and its code. There the averages start at 20 and 100, and need hundreds of steps to arrive. Here
    the first batch starts them, because a stage may be shorter than that.
    """

    whole_batch = True
    name: Literal["adaface"] = "adaface"
    margin: Annotated[float, Range(ge=0, lt=math.pi, of="radians")] = 0.4
    """Margin m, from 0, below π. An image with the mean norm has it as CosFace's margin."""
    h: From0 = 0.333
    """Factor of the normalized norm, from 0, where all images have the same margin."""
    t_alpha: Above0To1 = 0.01
    """Share of a batch in the moving averages of the norms, above 0, at most 1."""

    def start(self, sizes: Sizes) -> Tensors:
        """Return the averages of the norms' mean and deviation, which are 0 until a batch starts them."""
        import tensorflow as tf

        return {MEAN: tf.Variable(0.0), DEVIATION: tf.Variable(0.0)}

    def in_training(self, similarities: tf.Tensor, outputs: Outputs) -> tf.Tensor:
        """Compute the logits of the loss in training from the cosines: [b, classes] each."""
        norms = clipped_norms(outputs.prelogits)
        return self.with_margins(similarities, outputs.labels, self.scaler(norms, *self._averages(norms, outputs)))

    def before_update(self, outputs: Outputs) -> None:
        """Store the averages that the batch was compared with."""
        mean, deviation = self._averages(clipped_norms(outputs.prelogits), outputs)
        outputs.tensors[MEAN].assign(mean)
        outputs.tensors[DEVIATION].assign(deviation)

    def scaler(self, norms: tf.Tensor, mean: tf.Tensor, deviation: tf.Tensor) -> tf.Tensor:
        """Compute the quality of images, from -1 to 1, from norms [b] and the averages of mean and deviation: [b]."""
        import tensorflow as tf

        return tf.clip_by_value(self.h * (norms - mean) / (deviation + EPSILON), -1.0, 1.0)

    def with_margins(self, similarities: tf.Tensor, labels: tf.Tensor, scaler: tf.Tensor) -> tf.Tensor:
        """Compute the logits: scale (cos(θ - margin scaler) - margin - margin scaler) for an image's own class.

        Args:
            similarities: cosines, [b, classes].
            labels: classes of the images, int64 [b].
            scaler: quality of the images, [b].

        Returns:
            The logits, [b, classes].
        """
        import tensorflow as tf

        cosines = tf.clip_by_value(similarities, EPSILON - 1.0, 1.0 - EPSILON)
        scaler = scaler[:, tf.newaxis]  # [b] -> [b, 1]
        angles = tf.clip_by_value(tf.acos(cosines) - self.margin * scaler, EPSILON, math.pi - EPSILON)
        moved = tf.cos(angles) - self.margin * (1.0 + scaler)
        return self.scale * tf.where(own_class(similarities, labels), moved, cosines)

    def _averages(self, norms: tf.Tensor, outputs: Outputs) -> tuple[tf.Tensor, tf.Tensor]:
        """Compute the averages of mean and deviation, moved toward those of the norms [b]: scalars.

        One image has no deviation, and leaves its average as it is.
        """
        import tensorflow as tf

        count, mean = tf.cast(tf.size(norms), norms.dtype), tf.reduce_mean(norms)
        squares = tf.reduce_sum(tf.math.squared_difference(norms, mean))
        deviation = tf.sqrt(squares / tf.maximum(count - 1.0, 1.0))
        means, deviations = (tf.convert_to_tensor(outputs.tensors[name]) for name in (MEAN, DEVIATION))
        return self._moved(means, mean), tf.where(count > 1.0, self._moved(deviations, deviation), deviations)

    def _moved(self, average: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
        import tensorflow as tf

        return tf.where(average > 0.0, self.t_alpha * value + (1.0 - self.t_alpha) * average, value)


def clipped_norms(prelogits: tf.Tensor) -> tf.Tensor:
    """Compute the norms of prelogits [b, E], within `NORMS` and without a gradient: [b]."""
    import tensorflow as tf

    return tf.stop_gradient(tf.clip_by_value(tf.norm(prelogits, axis=1), *NORMS))
