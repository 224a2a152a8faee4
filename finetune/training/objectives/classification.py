"""Losses that train a classifier: cross-entropy of plain logits, or of cosines with a margin."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from finetune.schema import Above0, Fault
from finetune.training.objectives.loss import Loss, Outputs, StageKeys
from finetune.training.objectives.metric import Metric

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import tensorflow as tf

    from finetune.arrays import Labels

CROSS_ENTROPY = Metric("cross_entropy", column="cross_entropy", meaning="Mean cross-entropy, without the terms.")
CORRECT = Metric(
    "correct",
    summed=True,
    column="accuracy",
    held_back="validation_accuracy",
    charted=True,
    meaning="Share of the training images that the classifier names correctly.",
    held_back_meaning="Share of the held-back images that the classifier names correctly.",
)
"""Number of images that the plain logits classify correctly."""


class Classified(Loss):
    """Loss that trains the classifier with cross-entropy."""

    metrics = CROSS_ENTROPY, CORRECT

    @property
    def smoothing(self) -> float:
        """Share of the target that is spread evenly over all classes in training."""
        return 0.0

    def logits(self, outputs: Outputs) -> tuple[tf.Tensor, tf.Tensor]:
        """Compute the logits for classifying images, and the logits for the loss: [b, classes] each."""
        raise NotImplementedError

    def compute(self, outputs: Outputs) -> dict[str, tf.Tensor]:
        """Compute the mean cross-entropy of a batch, and the number of images that are classified correctly."""
        import tensorflow as tf

        plain, logits = self.logits(outputs)
        each = cross_entropy(logits, outputs.labels, self.smoothing if outputs.training else 0.0)  # [b]
        if outputs.training and outputs.class_weights is not None:
            each *= tf.gather(outputs.class_weights, outputs.labels)
        right = tf.cast(tf.equal(tf.argmax(plain, 1), outputs.labels), tf.float32)  # [b]
        return {CROSS_ENTROPY.name: outputs.mean(each), CORRECT.name: tf.reduce_sum(right)}

    def rules_of(self, stage: StageKeys) -> Iterator[Fault]:
        """Yield the keys that conflict with the loss, and two keys that both even people out."""
        yield from super().rules_of(stage)
        if stage.class_weight and stage.sampling and stage.sampling != "shuffled":
            found = "found it beside a sampling that evens people out too"
            yield Fault(("class_weight",), found, "remove it, or give sampling: shuffled")

    def share(self, row: Mapping[str, float]) -> float | None:
        """Return the accuracy on the training images."""
        return row[CORRECT.column]


class CosineLoss(Classified):
    """Loss on scaled cosines, which a margin changes in training."""

    normalized = True
    margin: float
    scale: Above0 = 64.0
    """Factor of the cosines, above 0."""

    def similarities(self, outputs: Outputs) -> tf.Tensor:
        """Compute the cosines of a batch's embeddings to the classes, [b, classes]."""
        return cosines(outputs.embed(outputs.prelogits), outputs.head)

    def in_training(self, similarities: tf.Tensor, outputs: Outputs) -> tf.Tensor:
        """Compute the logits of the loss in training from the cosines: [b, classes] each."""
        raise NotImplementedError

    def logits(self, outputs: Outputs) -> tuple[tf.Tensor, tf.Tensor]:
        """Compute the scaled cosines without the margin and with it: [b, classes] each."""
        similarities = self.similarities(outputs)
        plain = self.scale * similarities
        return plain, self.in_training(similarities, outputs) if outputs.training else plain


class MarginLoss(CosineLoss):
    """Loss on scaled cosines, with the same margin for all images on their own class."""

    def moved(self, cosines: tf.Tensor) -> tf.Tensor:
        """Compute the cosines [b, classes] after the margin, as if every class were the image's own."""
        raise NotImplementedError

    def in_training(self, similarities: tf.Tensor, outputs: Outputs) -> tf.Tensor:
        """Compute the logits of the loss in training from the cosines: [b, classes] each."""
        return self.with_margin(similarities, outputs.labels)

    def with_margin(self, similarities: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """Compute the logits: apply the margin to each image's own class, then the scale.

        Args:
            similarities: cosines, [b, classes].
            labels: classes of the images, int64 [b].

        Returns:
            The logits, [b, classes].
        """
        import tensorflow as tf

        moved = self.moved(similarities)
        return self.scale * tf.where(own_class(similarities, labels), moved, similarities)


def balanced(labels: Labels, classes: int) -> npt.NDArray[np.float32]:
    """Compute n / (classes * n_class) for each class, so that all classes weigh the same over n images.

    Args:
        labels: classes of the training images, int64 [n].
        classes: number of classes.

    Returns:
        Factors, float32 [classes]; 0 for a class without images.
    """
    import numpy as np

    counts = np.bincount(labels, minlength=classes)
    return np.where(counts, len(labels) / (classes * np.maximum(counts, 1)), 0.0).astype(np.float32)


def own_class(similarities: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Return True at each image's own class, [b, classes], for cosines [b, classes] and labels, int64 [b]."""
    import tensorflow as tf

    return tf.one_hot(labels, tf.shape(similarities)[1], on_value=True, off_value=False)


def cosines(embeddings: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Compute the cosines [b, classes] between unit embeddings [b, E] and the columns of weights [E, classes]."""
    import tensorflow as tf

    return embeddings @ tf.nn.l2_normalize(weights, 0, 1e-12)


def cross_entropy(logits: tf.Tensor, labels: tf.Tensor, smoothing: float = 0.0) -> tf.Tensor:
    """Compute the cross-entropy of each image.

    The target is 1 - smoothing for an image's own class, plus smoothing spread evenly over all classes.

    Args:
        logits: logits of the images, [b, classes].
        labels: classes of the images, int64 [b].
        smoothing: label smoothing, from 0, below 1.

    Returns:
        Cross-entropy of each image, [b].
    """
    import tensorflow as tf

    plain = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)  # [b, classes] -> [b]
    if not smoothing:
        return plain
    uniform = -tf.reduce_mean(tf.nn.log_softmax(logits), axis=1)  # [b, classes] -> [b]
    return (1.0 - smoothing) * plain + smoothing * uniform
