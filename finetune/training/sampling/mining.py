"""Triplets within a batch, from the distances between its embeddings."""

from __future__ import annotations

import tensorflow as tf

from finetune.recipe import Triplet
from finetune.training import losses


def squared_distances(embeddings: tf.Tensor) -> tf.Tensor:
    """Between all rows of [b, E]: [b, b], 0 on the diagonal and never below 0."""
    squares = tf.reduce_sum(embeddings**2, axis=1)
    between = squares[:, tf.newaxis] + squares - 2.0 * embeddings @ tf.transpose(embeddings)
    return tf.linalg.set_diag(tf.maximum(between, 0.0), tf.zeros_like(squares))


def hard(between: tf.Tensor, labels: tf.Tensor, images: tf.Tensor) -> tf.Tensor:
    """For each anchor its farthest positive and its nearest negative (Hermans et al. 2017, "In defense of the triplet
    loss": batch hard); of equals, the first in the batch.

    Args:
        between: the distances [b, b], of any kind.
        labels: int64 [b].
        images: int64 [b], which image each row is; a copy of the anchor's is not its positive.

    Returns:
        int64 [t, 3], rows of anchor, positive and negative: one for each anchor that has both.
    """
    positives, negatives = _masks(labels, images)
    farthest = tf.argmax(tf.where(positives, between, -1.0), axis=1)
    nearest = tf.argmin(tf.where(negatives, between, between.dtype.max), axis=1)
    anchors = tf.where(tf.reduce_any(positives, 1) & tf.reduce_any(negatives, 1))[:, 0]
    return tf.stack([anchors, tf.gather(farthest, anchors), tf.gather(nearest, anchors)], axis=1)


def semi_hard(between: tf.Tensor, labels: tf.Tensor, images: tf.Tensor) -> tf.Tensor:
    """For each pair of one person the nearest negative that is farther than the positive (Schroff et al. 2015,
    "FaceNet"), and the farthest one where none is; of equals, the first in the batch.

    Args:
        between, labels, images: as `hard` takes them.

    Returns:
        int64 [t, 3], in the order of anchors and, of one anchor, of positives.
    """
    positives, negatives = _masks(labels, images)
    positives &= tf.reduce_any(negatives, 1, keepdims=True)
    endless = between.dtype.max
    order = tf.argsort(tf.where(negatives, between, endless), axis=1, stable=True)
    ascending = tf.gather(tf.where(negatives, between, endless), order, batch_dims=1)
    place = tf.searchsorted(ascending, between, side="right")
    found = place < tf.reduce_sum(tf.cast(negatives, tf.int32), axis=1, keepdims=True)
    farthest = tf.argmax(tf.where(negatives, between, -1.0), axis=1, output_type=tf.int32)
    last = tf.shape(between)[1] - 1
    chosen = tf.where(found, tf.gather(order, tf.minimum(place, last), batch_dims=1), farthest[:, tf.newaxis])
    pairs = tf.where(positives)
    return tf.concat([pairs, tf.cast(tf.gather_nd(chosen, pairs), tf.int64)[:, tf.newaxis]], axis=1)


def every_triplet(
    embeddings: tf.Tensor, labels: tf.Tensor, loss: Triplet
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """All triplets of a batch of different images: their losses' sum, how many, how many with a loss above 0, and the
    sums of their distances to the positive and to the negative.

    Args:
        embeddings: [b, E].
        labels: int64 [b].
    """

    def of_anchor(row: tf.Tensor) -> tf.Tensor:
        away = losses.distances(embeddings[row], embeddings, loss.distance)
        same = labels == labels[row]
        near = tf.boolean_mask(away, same & (tf.range(tf.size(labels)) != row))
        far = tf.boolean_mask(away, ~same)
        each = losses.hinge(near[:, tf.newaxis], far, loss.gap)
        n_near, n_far = (tf.cast(tf.size(part), tf.float32) for part in (near, far))
        active = tf.reduce_sum(tf.cast(each > 0, tf.float32))
        sums = (tf.reduce_sum(each), n_near * n_far, active, n_far * tf.reduce_sum(near), n_near * tf.reduce_sum(far))
        return tf.stack(sums)

    sums = tf.map_fn(of_anchor, tf.range(tf.size(labels)), fn_output_signature=tf.TensorSpec([5], tf.float32))
    return tuple(tf.unstack(tf.reduce_sum(sums, axis=0)))


def given(rows: tf.Tensor) -> tf.Tensor:
    """The triplets of a batch that was drawn as such, anchor, positive and negative in turn: int64 [b / 3, 3]."""
    return tf.reshape(tf.range(tf.size(rows, tf.int64) // 3 * 3), [-1, 3])


def _masks(labels: tf.Tensor, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Which rows are positives and negatives of which, bool [b, b] each."""
    same = labels[:, tf.newaxis] == labels
    return same & (images[:, tf.newaxis] != images), ~same
