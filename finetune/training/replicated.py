"""The training step on several replicas: each takes its share of a batch, and all end with the same weights."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from finetune import network
from finetune.model import Model
from finetune.recipe import Stage
from finetune.runtime import Strategy
from finetune.training.figures import COUNTS, StepResult
from finetune.training.step import Trainer


def build_trainer(model: Model, stage: Stage, strategy: Strategy) -> Trainer:
    """The trainer of a stage under a strategy."""
    return Trainer(model, stage) if strategy.distribution is None else ReplicatedTrainer(model, stage, strategy)


class Batch(NamedTuple):
    """What this process has of a batch.

    Attributes:
        features: of its replicas' images, one after the other, [rows, ...].
        labels: int64 [rows].
        bounds: where each local replica's rows begin and end, int32 [local + 1].
        counts: 1 for each local replica, 0 for one that computes an image that is not its own.
        images: how many the whole batch has.
    """

    features: tf.Tensor
    labels: tf.Tensor
    bounds: tf.Tensor
    counts: tf.Tensor
    images: tf.Tensor


class ReplicatedTrainer(Trainer):
    """A trainer whose batches are split over replicas; the update is that of the whole batch.

    A replica's loss is the sum over its images divided by the images of the whole batch, and its part of the
    weight decay; so the sum of the replicas' gradients, which Keras' optimizer takes, is the gradient of the whole
    batch's loss. Where batch norm trains, each replica normalizes by the statistics of its own images, and
    the stored statistics move to the mean of the replicas'.

    Every worker must call `step` and `evaluate` for the same batch, each with the features of the images that
    `Share.rows` gives it and the labels of the whole batch; each replica makes a dropout key of its own.

    Raises:
        RunError: another worker has ended; from every method that trains or evaluates, too.
    """

    def __init__(self, model: Model, stage: Stage, strategy: Strategy) -> None:
        self._strategy, self._share = strategy, strategy.share
        with strategy.scope():
            super().__init__(model, stage)
        size, local = model.preprocessing.image_size, self._share.local
        shapes = network.output_shapes(model.embedding_size, model.num_classes or 0, size)
        shape = shapes[self.first - 1] if self.first else (size, size, 3)
        # One trace for batches of every size: workers whose shares differ would otherwise trace at different
        # steps, and each trace numbers its collective operations anew.
        batch = Batch(
            tf.TensorSpec([None, *shape], tf.float32),
            tf.TensorSpec([None], tf.int64),
            tf.TensorSpec([local + 1], tf.int32),
            tf.TensorSpec([local], tf.float32),
            tf.TensorSpec([], tf.float32),
        )
        key = tf.TensorSpec([2], tf.int32)
        self._step = tf.function(self._training_step, [*batch, key], autograph=False)
        self._evaluate = tf.function(self._evaluation_step, [*batch], autograph=False)

    def _run_step(self, features: tf.Tensor, labels: tf.Tensor, *others: Any) -> np.ndarray:
        """Runs `_training_step`; the figures of the whole batch, the same on every worker."""
        key = others[2]  # recipes refuse on several replicas what the others are for
        with self._strategy.together():
            return np.asarray(self._strategy.local(self._step(*self._batch(features, labels), key)))

    def seen(self) -> np.ndarray:
        """Of no image: each replica has its own."""
        return np.zeros([0, self.model.embedding_size], np.float32)

    def evaluate(self, features: tf.Tensor, labels: tf.Tensor) -> StepResult:
        """The same figures without dropout, by the stored statistics, and without any change."""
        with self._strategy.together():
            return StepResult(*self._strategy.local(self._evaluate(*self._batch(features, labels))).tolist())

    def _batch(self, features: tf.Tensor, labels: tf.Tensor) -> Batch:
        n = len(labels)
        parts = [len(part) for part in self._share.parts(n)]
        return Batch(
            features,
            tf.gather(labels, self._share.rows(n)),
            tf.cumsum([0, *(max(part, 1) for part in parts)]),
            tf.constant([float(part > 0) for part in parts]),
            tf.constant(float(n)),
        )

    def _training_step(self, *args: tf.Tensor) -> tf.Tensor:
        def replica(*args: tf.Tensor) -> tf.Tensor:
            *batch, key = args
            # No two replicas drop the same values.
            key = tf.random.experimental.stateless_fold_in(key, _replica_number())
            weights = [self.model.variables[name] for name in self.weights]
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(weights)
                loss, figures = self._part(Batch(*batch), key, training=True)
            self._update(tape.gradient(loss, weights))
            return figures

        return self._strategy.run(replica, args)

    def _evaluation_step(self, *args: tf.Tensor) -> tf.Tensor:
        return self._strategy.run(lambda *batch: self._part(Batch(*batch), None, training=False)[1], args)

    def _part(self, batch: Batch, key: tf.Tensor | None, training: bool) -> tuple[tf.Tensor, tf.Tensor]:
        """This replica's part of the loss, and the whole batch's figures."""
        local = _replica_number() - self._share.first
        with tf.device("CPU:0"):  # only its own images go to the replica's device
            rows = slice(batch.bounds[local], batch.bounds[local + 1])
            features, labels, counted = batch.features[rows], batch.labels[rows], batch.counts[local]
        loss, figures, _ = self._losses(
            features,
            labels,
            key,
            training=training,
            mean=lambda values: counted * tf.reduce_sum(values) / batch.images,
            replicas=self._share.replicas,
        )
        figures *= tf.stack([counted if name in COUNTS else 1.0 for name in StepResult._fields])
        return loss, tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, figures)


def _replica_number() -> int | tf.Tensor:
    """Of the replica that is being traced, among those of all processes."""
    return tf.distribute.get_replica_context().replica_id_in_sync_group
