"""Distances between embeddings, as tensors."""

from __future__ import annotations

import tensorflow as tf

from finetune.training.objectives.triplet import TripletDistance

PAIRWISE_EPSILON = 1e-6
"""Number added to each difference of a Euclidean distance, as in PyTorch: the root has no finite derivative at 0."""

RELATION_EPSILON = 1e-6
"""Number added to the squared distances whose roots are compared."""


def distances(first: tf.Tensor, second: tf.Tensor, kind: TripletDistance) -> tf.Tensor:
    """Compute the distances between corresponding rows, squared or Euclidean as in PyTorch's `pairwise_distance`.

    Args:
        first, second: embeddings, [..., E].
        kind: kind of distance.

    Returns:
        Distances, [...].
    """
    if kind == "squared":
        return tf.reduce_sum(tf.math.squared_difference(first, second), axis=-1)
    return tf.norm(first - second + PAIRWISE_EPSILON, axis=-1)


def squared_distances(embeddings: tf.Tensor) -> tf.Tensor:
    """Compute the squared distances between all rows of [b, E]: [b, b], 0 on the diagonal and never below 0."""
    squares = tf.reduce_sum(embeddings**2, axis=1)  # [b, E] -> [b]
    # [b, 1] + [b] - [b, E] @ [E, b] -> [b, b]
    between = squares[:, tf.newaxis] + squares - 2.0 * embeddings @ tf.transpose(embeddings)
    return tf.linalg.set_diag(tf.maximum(between, 0.0), tf.zeros_like(squares))


def relations(embeddings: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """Compare the Euclidean distances within a batch with those between its targets.

    This is the distance-wise loss of Park et al. 2019, "Relational knowledge distillation", with a square in place of
    Huber's loss. Unit embeddings need no division by the mean distance.

    Args:
        embeddings, targets: unit embeddings, [b, E].

    Returns:
        Mean squared difference between each image's distances to all others and those of its target, [b].
    """
    # The root has no finite derivative at 0.
    found, wanted = (tf.sqrt(squared_distances(rows) + RELATION_EPSILON) for rows in (embeddings, targets))  # [b, b]
    others = tf.maximum(tf.cast(tf.shape(found)[0], found.dtype) - 1.0, 1.0)
    return tf.reduce_sum(tf.math.squared_difference(found, wanted), axis=1) / others


def hinge(positive: tf.Tensor, negative: tf.Tensor, margin: float) -> tf.Tensor:
    """Compute the triplet loss max(positive - negative + margin, 0) of distances of equal or broadcast shapes."""
    return tf.maximum(positive - negative + margin, 0.0)
