"""Mining of triplets within a batch, from the distances between its embeddings."""

from __future__ import annotations

import tensorflow as tf

from finetune.training.objectives.batches import Negatives
from finetune.training.objectives.distances import distances, hinge, squared_distances
from finetune.training.objectives.triplet import TripletDistance


def find(embeddings: tf.Tensor, labels: tf.Tensor, images: tf.Tensor, negatives: Negatives) -> tf.Tensor:
    """Find the triplets of a training batch.

    Args:
        embeddings: unit embeddings, [b, E].
        labels: people of the images, int64 [b].
        images: number of each row's image, int64 [b].
        negatives: `hard` or `semi_hard`; otherwise the batch was drawn as triplets.

    Returns:
        Rows of anchor, positive and negative, int64 [t, 3].
    """
    if negatives not in ("hard", "semi_hard"):
        return given(labels)
    between = tf.stop_gradient(squared_distances(embeddings))  # [b, E] -> [b, b]
    mine = hard if negatives == "hard" else semi_hard
    return mine(between, labels, images)


def hard(between: tf.Tensor, labels: tf.Tensor, images: tf.Tensor) -> tf.Tensor:
    """Find for each anchor its farthest positive and its nearest negative; on ties, the first in the batch.

    This is "batch hard" of Hermans et al. 2017, "In defense of the triplet loss".

    Args:
        between: distances of any kind, [b, b].
        labels: people of the images, int64 [b].
        images: number of each row's image, int64 [b]. A copy of the anchor's image is not its positive.

    Returns:
        Rows of anchor, positive and negative, int64 [t, 3]: one for each anchor that has both.
    """
    positives, negatives = _masks(labels, images)
    farthest = tf.argmax(tf.where(positives, between, -1.0), axis=1)  # [b, b] -> [b]
    nearest = tf.argmin(tf.where(negatives, between, between.dtype.max), axis=1)  # [b, b] -> [b]
    # [b] -> [t, 1] -> [t]
    anchors = tf.where(tf.reduce_any(positives, 1) & tf.reduce_any(negatives, 1))[:, 0]
    return tf.stack([anchors, tf.gather(farthest, anchors), tf.gather(nearest, anchors)], axis=1)


def semi_hard(between: tf.Tensor, labels: tf.Tensor, images: tf.Tensor) -> tf.Tensor:
    """Find for each positive pair the nearest negative that is farther than the positive.

    If there is none, the farthest negative is taken; on ties, the first in the batch (Schroff et al. 2015, "FaceNet").

    Args:
        between, labels, images: arguments of `hard`.

    Returns:
        Rows of anchor, positive and negative, int64 [t, 3], sorted by anchor, then by positive.
    """
    positives, negatives = _masks(labels, images)
    positives &= tf.reduce_any(negatives, 1, keepdims=True)  # [b, b] & [b, 1]
    endless = between.dtype.max
    order = tf.argsort(tf.where(negatives, between, endless), axis=1, stable=True)
    ascending = tf.gather(tf.where(negatives, between, endless), order, batch_dims=1)
    # place[a, p]: number of negatives of anchor a that are as near as positive p, or nearer
    place = tf.searchsorted(ascending, between, side="right")
    found = place < tf.reduce_sum(tf.cast(negatives, tf.int32), axis=1, keepdims=True)  # [b, b] < [b, 1]
    farthest = tf.argmax(tf.where(negatives, between, -1.0), axis=1, output_type=tf.int32)  # [b, b] -> [b]
    last = tf.shape(between)[1] - 1
    chosen = tf.where(found, tf.gather(order, tf.minimum(place, last), batch_dims=1), farthest[:, tf.newaxis])
    pairs = tf.where(positives)  # [b, b] -> [t, 2], anchor and positive
    # [t, 2] and [t, 1] -> [t, 3]
    return tf.concat([pairs, tf.cast(tf.gather_nd(chosen, pairs), tf.int64)[:, tf.newaxis]], axis=1)


def every_triplet(
    embeddings: tf.Tensor, labels: tf.Tensor, distance: TripletDistance, margin: float
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """Compute sums over all triplets of a batch of different images.

    Args:
        embeddings: embeddings of the batch, [b, E].
        labels: people of the images, int64 [b].
        distance: kind of distance.
        margin: margin of the loss, above 0.

    Returns:
        Five scalars: the sum of the losses, the number of triplets, the number of triplets with a loss above 0, and the
            sums of the distances to the positive and to the negative.
    """

    def of_anchor(row: tf.Tensor) -> tf.Tensor:
        away = distances(embeddings[row], embeddings, distance)  # [E] and [b, E] -> [b]
        same = labels == labels[row]
        near = tf.boolean_mask(away, same & (tf.range(tf.size(labels)) != row))  # [b] -> [p]
        far = tf.boolean_mask(away, ~same)  # [b] -> [n]
        each = hinge(near[:, tf.newaxis], far, margin)  # [p, 1] and [n] -> [p, n]
        n_near, n_far = (tf.cast(tf.size(part), tf.float32) for part in (near, far))
        active = tf.reduce_sum(tf.cast(each > 0, tf.float32))
        sums = (tf.reduce_sum(each), n_near * n_far, active, n_far * tf.reduce_sum(near), n_near * tf.reduce_sum(far))
        return tf.stack(sums)  # [5]

    # [b] -> [b, 5] -> [5]
    sums = tf.map_fn(of_anchor, tf.range(tf.size(labels)), fn_output_signature=tf.TensorSpec([5], tf.float32))
    return tuple(tf.unstack(tf.reduce_sum(sums, axis=0)))


def given(rows: tf.Tensor) -> tf.Tensor:
    """Return the triplets of a batch of b rows that are anchor, positive and negative in turn: int64 [b / 3, 3]."""
    return tf.reshape(tf.range(tf.size(rows, tf.int64) // 3 * 3), [-1, 3])


def _masks(labels: tf.Tensor, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the positives and the negatives of each anchor, bool [b, b] each."""
    same = labels[:, tf.newaxis] == labels  # [b, 1] and [b] -> [b, b]
    return same & (images[:, tf.newaxis] != images), ~same
