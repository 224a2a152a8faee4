"""Center loss, as in the published script."""

from __future__ import annotations

from typing import TYPE_CHECKING

from finetune.schema import From0Below1
from finetune.training.objectives.loss import Outputs, Sizes
from finetune.training.objectives.metric import Metric
from finetune.training.objectives.term import Term

if TYPE_CHECKING:
    import tensorflow as tf

    from finetune.training.objectives.loss import Tensors

CENTERS = "centers"


class CenterLoss(Term):
    """Pull of each image's prelogits to the center of its class (Wen et al. 2016), as in the published script."""

    metric = Metric(
        "center_loss",
        column="center_loss",
        meaning="Mean distance of the prelogits to the centers of their classes, without its factor.",
    )
    alfa: From0Below1 = 0.95
    """Decay of the centers, from 0, below 1. Each image of a batch moves its class center by 1 - alfa of the way to
    it."""

    def start(self, sizes: Sizes) -> Tensors:
        """Return the centers, [classes, E], which start at 0."""
        import tensorflow as tf

        return {CENTERS: tf.Variable(tf.zeros([sizes.classes, sizes.embedding]))}

    def compute(self, outputs: Outputs, tensors: Tensors) -> tf.Tensor:
        """Compute the mean squared difference between a batch's prelogits and the centers of their classes."""
        import tensorflow as tf

        centers = tf.gather(tensors[CENTERS], outputs.labels)  # [classes, E] -> [b, E]
        return outputs.mean(center_loss(outputs.prelogits, centers))

    def after_update(self, outputs: Outputs, tensors: Tensors) -> None:
        """Move the centers of a batch's classes toward the prelogits from before the update."""
        move_centers(tensors[CENTERS], outputs.prelogits, outputs.labels, self.alfa)


def center_loss(prelogits: tf.Tensor, centers: tf.Tensor) -> tf.Tensor:
    """Compute the mean squared difference between prelogits [b, E] and their centers [b, E], over E: [b]."""
    import tensorflow as tf

    return tf.reduce_mean(tf.math.squared_difference(prelogits, centers), axis=1)


def move_centers(centers: tf.Variable, prelogits: tf.Tensor, labels: tf.Tensor, alfa: float) -> None:
    """Move each image's class center by (1 - alfa) of the way to it. Moves of one class add up, as published.

    Args:
        centers: centers of the classes, [classes, E].
        prelogits: prelogits of the batch, [b, E].
        labels: classes of the images, int64 [b].
        alfa: decay of the centers, from 0, below 1.
    """
    import tensorflow as tf

    moves = (1.0 - alfa) * (tf.gather(centers, labels) - prelogits)  # [b, E]
    centers.assign(tf.tensor_scatter_nd_sub(centers, labels[:, tf.newaxis], moves))
