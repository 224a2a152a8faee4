"""Training loop of a naive script: each step runs the whole network forward and backward.

The comparison is fair. The step is compiled, and its batch normalization is the fused operation in training mode. The
images come decoded and prefetched from finetune's pipeline, and the optimizer is the same. The difference: finetune
computes frozen units once and without gradients.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

import keras
import tensorflow as tf

from finetune import Model, network
from finetune.dataset.pipeline import Drawing, training_batches
from finetune.dataset.scanning import Dataset
from finetune.images.standardization import standardize
from finetune.recipe.sections import Augment


class NaiveLoop:
    """Training loop for all variables of a model. `seconds_per_image` times its steps.

    Args:
        model: model with a head for the dataset's people.
        dataset: images to train on.
        batch_size: number of images per step; reduced to the size of the dataset.
        rate: learning rate.
    """

    def __init__(self, model: Model, dataset: Dataset, batch_size: int, rate: float = 0.001) -> None:
        self.model, self.dataset, self.batch_size = model, dataset, min(batch_size, len(dataset))
        self._weights = [variable for name, variable in model.variables.items() if "/moving_" not in name]
        self._optimizer = keras.optimizers.Adam(rate)
        self._optimizer.build(self._weights)
        self._step = tf.function(self._training_step, autograph=False, reduce_retracing=True)

    def step(self, images: tf.Tensor, labels: tf.Tensor) -> float:
        """Train on one batch and return the loss as a Python number, as a script that prints it would."""
        return float(self._step(images, labels))

    def seconds_per_image(self, steps: int) -> float:
        """Return the seconds per image over this many whole batches, after one batch that is not timed."""
        batches = self._batches()
        self.step(*next(batches))
        start = time.perf_counter()
        images = sum(len(labels) for _, labels in self._stepped(itertools.islice(batches, steps)))
        return (time.perf_counter() - start) / images

    def _stepped(self, batches: Iterator[tuple[tf.Tensor, tf.Tensor]]) -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
        for images, labels in batches:
            self.step(images, labels)
            yield images, labels

    def _batches(self) -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
        """Yield whole batches, epoch after epoch."""
        for epoch in itertools.count(1):
            drawn = training_batches(
                self.dataset,
                Drawing(1, 1, epoch),
                preprocessing=self.model.preprocessing,
                augment=Augment(),
                batch_size=self.batch_size,
            )
            yield from (
                (standardize(pixels, self.model.preprocessing.standardization), labels)
                for pixels, labels in drawn
                if len(labels) == self.batch_size
            )

    def _training_step(self, images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            backbone, variables = self.model.backbone, self.model.variables
            logits = network.forward_pass(backbone, images, variables, slice(None), batch_norm="train")
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
        self._optimizer.apply(tape.gradient(loss, self._weights), self._weights)
        return loss
