"""Execution of a training step: on one device, or on several replicas that share each batch."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import tensorflow as tf

from finetune.runtime import Strategy
from finetune.training.objectives import Negatives

if TYPE_CHECKING:
    from finetune.training.step import Trainer


class StepBatch(NamedTuple):
    """Batch of one step.

    Attributes:
        features: features that enter the first unit that trains, [b, ...].
        labels: classes of the images, int64 [b].
        images: number of each image, int64 [b]; None in an evaluation.
        targets: target embeddings of distillation, float32 [b, E], or None.
        key: key of the dropout, int32 [2]; None in an evaluation.
        negatives: selection of the negatives of a triplet loss.
    """

    features: tf.Tensor
    labels: tf.Tensor
    images: tf.Tensor | None = None
    targets: tf.Tensor | None = None
    key: tf.Tensor | None = None
    negatives: Negatives = "random"


@dataclasses.dataclass(frozen=True)
class Part:
    """Part of a batch that one replica computes.

    Attributes:
        mean: function from values, one per image, to this part's contribution to the whole batch's mean, a scalar.
        replicas: number of replicas that share the batch.
    """

    mean: Callable[[tf.Tensor], tf.Tensor] = tf.reduce_mean
    replicas: int = 1


WHOLE = Part()
"""Part of a single device: the whole batch."""
Step = Callable[[StepBatch], tuple[tf.Tensor | np.ndarray, tf.Tensor | np.ndarray]]
Evaluation = Callable[[StepBatch], tf.Tensor | np.ndarray]


class Replication(Protocol):
    """Protocol of the ways to run a trainer's steps."""

    def scope(self) -> contextlib.AbstractContextManager[None]:
        """Return the context in which variables are created."""

    def step(self, trainer: Trainer) -> Step:
        """Return a function that runs a training step.

        It gives the metrics, and the prelogits [b, E] before the update.
        """

    def evaluation(self, trainer: Trainer) -> Evaluation:
        """Return a function that computes the metrics of a batch without changing any variable."""


class Single:
    """Replication on one device, which computes each batch whole."""

    def scope(self) -> contextlib.AbstractContextManager[None]:
        """Return a context that does nothing."""
        return contextlib.nullcontext()

    def step(self, trainer: Trainer) -> Step:
        """Return the compiled training step."""
        step: Step = tf.function(trainer.update, autograph=False, reduce_retracing=True)
        return step

    def evaluation(self, trainer: Trainer) -> Evaluation:
        """Return the compiled evaluation."""
        evaluate: Evaluation = tf.function(trainer.assess, autograph=False, reduce_retracing=True)
        return evaluate


SINGLE = Single()


class Split(NamedTuple):
    """Part of a batch that this process computes.

    Attributes:
        features: features of its replicas' images, one replica after the other, [rows, ...].
        labels: classes of these images, int64 [rows].
        bounds: begin and end of each local replica's rows, int32 [local + 1].
        counts: 1 for each local replica, or 0 for one that computes an image that is not its own, float32 [local].
        images: number of images in the whole batch, float32 [].
    """

    features: tf.Tensor
    labels: tf.Tensor
    bounds: tf.Tensor
    counts: tf.Tensor
    images: tf.Tensor


class Replicas:
    """Replication over several replicas that split each batch. The update is the one of the whole batch.

    A replica's loss is the sum over its images, divided by the number of images in the whole batch, plus its part of
    the penalties. Keras' optimizer sums the replicas' gradients, which gives the gradient of the whole batch's loss. If
    batch norm trains, each replica normalizes with the statistics of its own images. The stored statistics then move to
    the mean over replicas.

    All workers must run the same steps and evaluations. Each worker passes the features of the images that `Share.rows`
    gives it, and the labels of the whole batch. Each replica derives its own dropout key.

    Raises:
        RunError: another worker has ended. Every step and evaluation may raise it too.
    """

    def __init__(self, strategy: Strategy) -> None:
        self._strategy, self._share = strategy, strategy.share

    def scope(self) -> contextlib.AbstractContextManager[None]:
        """Return the context in which each replica gets a copy of each variable."""
        return self._strategy.scope()

    def step(self, trainer: Trainer) -> Step:
        """Return the compiled training step. It gives no prelogits, because each replica has its own."""

        def replica(*args: tf.Tensor) -> tf.Tensor:
            *split, key = args
            # No two replicas drop the same values.
            key = tf.random.experimental.stateless_fold_in(key, _replica_number())
            batch, part, counted = self._mine(Split(*split))
            return _summed(trainer, trainer.update(batch._replace(key=key), part)[0], counted)

        signature = [*self._signature(trainer), tf.TensorSpec([2], tf.int32)]
        compiled = tf.function(lambda *args: self._strategy.run(replica, args), signature, autograph=False)
        unseen = np.zeros([0, trainer.model.embedding_size], np.float32)

        def step(batch: StepBatch) -> tuple[np.ndarray, np.ndarray]:
            # On several replicas, recipes refuse the options that need the other values of a batch.
            with self._strategy.together():
                return self._strategy.local(compiled(*self._split(batch), batch.key)), unseen

        return step

    def evaluation(self, trainer: Trainer) -> Evaluation:
        """Return the compiled evaluation. Its metrics are those of the whole batch, the same on every worker."""

        def replica(*split: tf.Tensor) -> tf.Tensor:
            batch, part, counted = self._mine(Split(*split))
            return _summed(trainer, trainer.assess(batch, part), counted)

        signature = self._signature(trainer)
        compiled = tf.function(lambda *args: self._strategy.run(replica, args), signature, autograph=False)

        def evaluate(batch: StepBatch) -> np.ndarray:
            with self._strategy.together():
                return self._strategy.local(compiled(*self._split(batch)))

        return evaluate

    def _signature(self, trainer: Trainer) -> list[tf.TensorSpec]:
        """Return the types of a `Split`.

        One trace takes batches of every size. Otherwise workers with different shares would trace at different steps,
        and each trace numbers its collective operations anew.
        """
        model, local = trainer.model, self._share.local
        shape = model.shape_before(trainer.first)
        return [
            tf.TensorSpec([None, *shape], tf.float32),
            tf.TensorSpec([None], tf.int64),
            tf.TensorSpec([local + 1], tf.int32),
            tf.TensorSpec([local], tf.float32),
            tf.TensorSpec([], tf.float32),
        ]

    def _split(self, batch: StepBatch) -> Split:
        n = len(batch.labels)
        parts = [len(part) for part in self._share.parts(n)]
        return Split(
            batch.features,
            tf.gather(batch.labels, self._share.rows(n)),
            tf.cumsum([0, *(max(part, 1) for part in parts)]),
            tf.constant([float(part > 0) for part in parts]),
            tf.constant(float(n)),
        )

    def _mine(self, split: Split) -> tuple[StepBatch, Part, tf.Tensor]:
        """Return the images and part of the replica that is being traced, and 1 if they count, else 0."""
        local = _replica_number() - self._share.first
        with tf.device("CPU:0"):  # only its own images go to the replica's device
            rows = slice(split.bounds[local], split.bounds[local + 1])
            features, labels, counted = split.features[rows], split.labels[rows], split.counts[local]
        part = Part(lambda values: counted * tf.reduce_sum(values) / split.images, self._share.replicas)
        return StepBatch(features, labels), part, counted


def replication_of(strategy: Strategy) -> Replication:
    """Return the replication of a strategy."""
    return SINGLE if strategy.distribution is None else Replicas(strategy)


def _summed(trainer: Trainer, metrics: tf.Tensor, counted: tf.Tensor) -> tf.Tensor:
    """Sum the metrics [m] over all replicas. Means are already shares; sums count only where `counted` is 1."""
    metrics *= tf.stack([counted if metric.summed else 1.0 for metric in trainer.metrics])
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, metrics)


def _replica_number() -> int | tf.Tensor:
    """Return the number of the replica that is being traced, among the replicas of all processes."""
    return tf.distribute.get_replica_context().replica_id_in_sync_group
