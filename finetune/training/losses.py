"""The losses, as functions of tensors; `finetune.recipe.loss` holds their constants."""

from __future__ import annotations

import math

import tensorflow as tf

from finetune.recipe import ArcFace, CosFace, Loss, Softmax, TripletDistance

PRELOGITS_EPSILON = 1e-4
"""Added to |prelogits| under their norm, as the published script does."""
PAIRWISE_EPSILON = 1e-6
"""Added to each difference under a Euclidean distance, as PyTorch does: the root has no slope at 0."""
COSINE_LIMIT = 1.0 - 1e-6
"""The angle has no slope at cosines of 1 and -1."""


def cross_entropy(logits: tf.Tensor, labels: tf.Tensor, smoothing: float = 0.0) -> tf.Tensor:
    """Of each image: targets are 1 - smoothing for its class, and smoothing is shared out among all classes.

    Args:
        logits: [b, classes].
        labels: int64 [b].
        smoothing: from 0, below 1.

    Returns:
        [b].
    """
    plain = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
    if not smoothing:
        return plain
    uniform = -tf.reduce_mean(tf.nn.log_softmax(logits), axis=1)
    return (1.0 - smoothing) * plain + smoothing * uniform


def cosines(embeddings: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """The cosines of unit embeddings [b, E] with the columns of weights [E, classes], of any length: [b, classes]."""
    return embeddings @ tf.nn.l2_normalize(weights, 0, 1e-12)


def with_margin(loss: Loss, similarities: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """The logits of ArcFace or CosFace: a margin on an image's own class, then the scale.

    Where θ + margin would pass π, ArcFace goes on with cos(θ) - margin sin(margin), as its authors' code does, so
    that the logit falls all the way.

    Args:
        loss: whose margin; any other than those two adds none.
        similarities: cosines [b, classes].
        labels: int64 [b].

    Returns:
        [b, classes].
    """
    if isinstance(loss, ArcFace):
        cosine = tf.clip_by_value(similarities, -COSINE_LIMIT, COSINE_LIMIT)
        moved = cosine * math.cos(loss.margin) - tf.sqrt(1.0 - cosine**2) * math.sin(loss.margin)
        within = cosine > math.cos(math.pi - loss.margin)
        moved = tf.where(within, moved, cosine - loss.margin * math.sin(loss.margin))
    elif isinstance(loss, CosFace):
        moved = similarities - loss.margin
    else:
        return similarities
    own = tf.one_hot(labels, tf.shape(similarities)[1], on_value=True, off_value=False)
    return loss.scale * tf.where(own, moved, similarities)


def class_logits(loss: Loss, similarities: tf.Tensor) -> tf.Tensor:
    """The logits of a normalized head without margins: what images are classified and validated by."""
    return loss.scale * similarities if isinstance(loss, (ArcFace, CosFace)) else similarities


def smoothing_of(loss: Loss) -> float:
    """How much of the targets all classes have in common."""
    return loss.label_smoothing if isinstance(loss, Softmax) else 0.0


def distances(first: tf.Tensor, second: tf.Tensor, kind: TripletDistance) -> tf.Tensor:
    """Between rows [..., E] of one place each: squared, or Euclidean as PyTorch's `pairwise_distance`; [...]."""
    if kind == "squared":
        return tf.reduce_sum(tf.math.squared_difference(first, second), axis=-1)
    return tf.norm(first - second + PAIRWISE_EPSILON, axis=-1)


def hinge(positive: tf.Tensor, negative: tf.Tensor, margin: float) -> tf.Tensor:
    """The triplet loss of distances [t] to the positive and to the negative: max(positive - negative + margin, 0)."""
    return tf.maximum(positive - negative + margin, 0.0)


def prelogits_norm(prelogits: tf.Tensor, p: float) -> tf.Tensor:
    """The p-norm of each image's prelogits [b, E], with the published epsilon: [b]."""
    return tf.norm(tf.abs(prelogits) + PRELOGITS_EPSILON, ord=p, axis=1)


def center_loss(prelogits: tf.Tensor, centers: tf.Tensor) -> tf.Tensor:
    """The mean over values of the squared distance of prelogits [b, E] to their classes' centres [b, E]: [b]."""
    return tf.reduce_mean(tf.math.squared_difference(prelogits, centers), axis=1)


def move_centers(centers: tf.Variable, prelogits: tf.Tensor, labels: tf.Tensor, alfa: float) -> None:
    """Moves each image's class centre by (1 - alfa) of the way to it; of one class, the moves add up, as published.

    Args:
        centers: [classes, E].
        prelogits: [b, E].
        labels: int64 [b].
        alfa: from 0, below 1.
    """
    moves = (1.0 - alfa) * (tf.gather(centers, labels) - prelogits)
    centers.assign(tf.tensor_scatter_nd_sub(centers, labels[:, tf.newaxis], moves))
