"""Sub-center ArcFace: several centers per class, so that images under a wrong name need not pull at the class's own."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal

from finetune.schema import Range
from finetune.training.objectives.arcface import with_angle
from finetune.training.objectives.classification import MarginLoss
from finetune.training.objectives.loss import Outputs, Sizes

if TYPE_CHECKING:
    import tensorflow as tf

    from finetune.training.objectives.loss import Tensors

CENTERS, COUNTS = "sub_arcface/centers", "sub_arcface/counts"
DECAY = 0.99
"""Decay of the counts with each image of the class: they cover about its last hundred."""


class SubArcFace(MarginLoss):
    """ArcFace with several sub-centers per class (Deng et al. 2020, "Sub-center ArcFace").

    The cosine of a class is that of its nearest sub-center. Most images of a class gather at one, the dominant
    sub-center, and images under a wrong name at the others. The sub-centers exist in training only. After each step the
    classifier has the dominant ones, so that checkpoints are like those of ArcFace.
    """

    whole_batch, names_suspects, in_place = True, True, CENTERS
    name: Literal["sub_arcface"] = "sub_arcface"
    margin: Annotated[float, Range(ge=0, lt=math.pi, of="radians")] = 0.5
    """Angle in radians, from 0, below π."""
    centers: Annotated[int, Range(ge=2, of="a whole number")] = 3
    """Number of sub-centers per class, from 2."""

    def start(self, sizes: Sizes) -> Tensors:
        """Return the sub-centers, [E, classes * centers], and the number of images near each, [classes, centers]."""
        import tensorflow as tf

        centers = tf.zeros([sizes.embedding, sizes.classes * self.centers])
        return {CENTERS: tf.Variable(centers), COUNTS: tf.Variable(tf.zeros([sizes.classes, self.centers]))}

    def begin(self, head: tf.Variable, tensors: Tensors) -> None:
        """Make each class's first sub-center from the classifier, and draw the others about 45 degrees away.

        The draws are always the same. In directions of their own, as in the paper, the sub-centers of a classifier that
        begins at the people's means would hardly be the nearest to any image.
        """
        import tensorflow as tf

        size, classes = head.shape
        column = head[:, :, tf.newaxis]  # [E, classes, 1]
        drawn = tf.random.stateless_normal([size, classes, self.centers - 1], seed=(0, 0))
        others = tf.nn.l2_normalize(column + tf.nn.l2_normalize(drawn, 0), 0)
        centers = tf.concat([column, others], axis=2)  # [E, classes, centers]
        tensors[CENTERS].assign(tf.reshape(centers, [size, -1]))
        tensors[COUNTS].assign(tf.zeros_like(tensors[COUNTS]))

    def similarities(self, outputs: Outputs) -> tf.Tensor:
        """Compute the cosines of a batch's embeddings to the classes' nearest sub-centers, [b, classes].

        An evaluation has the dominant ones alone.
        """
        import tensorflow as tf

        cosines = super().similarities(outputs)
        if not outputs.training:
            return cosines
        classes = outputs.head.shape[1] // self.centers
        return tf.reduce_max(tf.reshape(cosines, [-1, classes, self.centers]), axis=2)

    def moved(self, cosines: tf.Tensor) -> tf.Tensor:
        """Compute the cosines after the margin, [b, classes]."""
        return with_angle(cosines, self.margin)

    def before_update(self, outputs: Outputs) -> None:
        """Count each image of a batch at the nearest sub-center of its class."""
        import tensorflow as tf

        centers, counts = outputs.tensors[CENTERS], outputs.tensors[COUNTS]
        embeddings = outputs.embed(outputs.prelogits)  # [b, E]
        of_class = tf.reshape(centers, [centers.shape[0], -1, self.centers])  # [E, classes, centers]
        own = tf.gather(of_class, outputs.labels, axis=1)  # [E, b, centers]
        nearest = tf.argmax(tf.einsum("be,ebk->bk", embeddings, own), axis=1)  # [b]
        places = tf.stack([outputs.labels, nearest], axis=1)  # [b, 2]
        found = tf.scatter_nd(places, tf.ones_like(nearest, tf.float32), tf.shape(counts, tf.int64))
        counts.assign(counts * DECAY ** tf.reduce_sum(found, axis=1, keepdims=True) + found)

    def classifier(self, tensors: Tensors) -> tf.Tensor:
        """Return the dominant sub-center of each class, [E, classes]: the one with the most images, or the first."""
        import tensorflow as tf

        dominant = tf.argmax(tensors[COUNTS], axis=1)  # [classes]
        first = tf.range(dominant.shape[0], dtype=tf.int64) * self.centers
        return tf.gather(tensors[CENTERS], first + dominant, axis=1)
