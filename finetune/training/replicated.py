"""How a training step runs: on one device, or on several replicas that each take their share of a batch."""

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
    """A batch of one step.

    Attributes:
        features: what the first unit that trains takes, [b, ...].
        labels: int64 [b].
        images: int64 [b], which image each is; None in an evaluation.
        targets: embeddings to stay near, float32 [b, E], or None.
        key: of dropout, int32 [2]; None in an evaluation.
        negatives: how a triplet loss finds them.
    """

    features: tf.Tensor
    labels: tf.Tensor
    images: tf.Tensor | None = None
    targets: tf.Tensor | None = None
    key: tf.Tensor | None = None
    negatives: Negatives = "random"


@dataclasses.dataclass(frozen=True)
class Part:
    """The part of a batch that one replica takes.

    Attributes:
        mean: computes this part's contribution to the whole batch's mean of values, one per image: a scalar.
        replicas: number of replicas that share the batch.
    """

    mean: Callable[[tf.Tensor], tf.Tensor] = tf.reduce_mean
    replicas: int = 1


WHOLE = Part()
"""The part that a single device takes of a batch: all of it."""
Step = Callable[[StepBatch], tuple[tf.Tensor | np.ndarray, tf.Tensor | np.ndarray]]
Evaluation = Callable[[StepBatch], tf.Tensor | np.ndarray]


class Replication(Protocol):
    """How a trainer's steps run over replicas."""

    def scope(self) -> contextlib.AbstractContextManager[None]:
        """Return the context in which variables are created."""

    def step(self, trainer: Trainer) -> Step:
        """Return what runs a training step: it gives the metrics, and the prelogits [b, E] before the update."""

    def evaluation(self, trainer: Trainer) -> Evaluation:
        """Return what computes the metrics of a batch without any change."""


class Single:
    """One device, which takes each batch whole."""

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
    """What this process has of a batch.

    Attributes:
        features: of its replicas' images, one after the other, [rows, ...].
        labels: int64 [rows].
        bounds: where each local replica's rows begin and end, int32 [local + 1].
        counts: 1 for each local replica, 0 for one that computes an image that is not its own, float32 [local].
        images: number of images of the whole batch, float32 [].
    """

    features: tf.Tensor
    labels: tf.Tensor
    bounds: tf.Tensor
    counts: tf.Tensor
    images: tf.Tensor


class Replicas:
    """Several replicas that split each batch; the update is that of the whole batch.

    A replica's loss is the sum over its images divided by the images of the whole batch, and its part of the
    penalties; so the sum of the replicas' gradients, which Keras' optimizer takes, is the gradient of the whole
    batch's loss. Where batch norm trains, each replica normalizes by the statistics of its own images, and
    the stored statistics move to the mean of the replicas'.

    Every worker must take the same steps and evaluations, each with the features of the images that `Share.rows`
    gives it and the labels of the whole batch; each replica makes a dropout key of its own.

    Raises:
        RunError: another worker has ended; from every step and evaluation, too.
    """

    def __init__(self, strategy: Strategy) -> None:
        self._strategy, self._share = strategy, strategy.share

    def scope(self) -> contextlib.AbstractContextManager[None]:
        """Return the context in which each replica gets a copy of each variable."""
        return self._strategy.scope()

    def step(self, trainer: Trainer) -> Step:
        """Return the compiled training step; its prelogits are of no image, for each replica has its own."""

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
            # Recipes refuse on several replicas what the batch's other values are for.
            with self._strategy.together():
                return self._strategy.local(compiled(*self._split(batch), batch.key)), unseen

        return step

    def evaluation(self, trainer: Trainer) -> Evaluation:
        """Return the compiled evaluation; the metrics are those of the whole batch, the same on every worker."""

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

        One trace takes batches of every size: workers whose shares differ would otherwise trace at different steps,
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
        """Return the images of the replica that is being traced, and 1 where they count, else 0."""
        local = _replica_number() - self._share.first
        with tf.device("CPU:0"):  # only its own images go to the replica's device
            rows = slice(split.bounds[local], split.bounds[local + 1])
            features, labels, counted = split.features[rows], split.labels[rows], split.counts[local]
        part = Part(lambda values: counted * tf.reduce_sum(values) / split.images, self._share.replicas)
        return StepBatch(features, labels), part, counted


def replication_of(strategy: Strategy) -> Replication:
    """Return how steps run under a strategy."""
    return SINGLE if strategy.distribution is None else Replicas(strategy)


def _summed(trainer: Trainer, metrics: tf.Tensor, counted: tf.Tensor) -> tf.Tensor:
    """Sum the metrics [m] of all replicas: means have their share of the batch already, sums count where it counts."""
    metrics *= tf.stack([counted if metric.summed else 1.0 for metric in trainer.metrics])
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, metrics)


def _replica_number() -> int | tf.Tensor:
    """Return the number of the replica that is being traced, among those of all processes."""
    return tf.distribute.get_replica_context().replica_id_in_sync_group
