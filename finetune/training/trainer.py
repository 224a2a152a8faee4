"""One training step: forward from the boundary, loss, gradients after the boundary, update."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from finetune import network
from finetune.architecture import UNITS, boundary, is_moving_statistic, unit_of
from finetune.model import LOGITS, Model
from finetune.recipe import Stage
from finetune.training import optimizers

PRELOGITS_EPSILON = 1e-4
"""Added to |prelogits| under their norm, as the published script does."""


class StepResult(NamedTuple):
    """Of one batch: means over its images, and how many were classified rightly.

    `loss` is the sum of `cross_entropy`, the weight decay and the prelogits-norm term.
    """

    loss: float
    cross_entropy: float
    prelogits_norm: float
    correct: float


def trained(names: Iterable[str], stage: Stage) -> list[str]:
    """Of the TF1 names, those that a stage may change; all others are frozen."""
    first = boundary(stage.train_from)
    after = [name for name in names if UNITS.index(unit_of(name) or "") >= first]
    return [name for name in after if stage.batch_norm == "train" or not is_moving_statistic(name)]


class Trainer:
    """The trained part of a model in one stage, with its optimizer.

    Attributes:
        first: index in `UNITS` of the first unit that trains.
        weights: TF1 names of the variables that gradients reach.
        statistics: TF1 names of the moving statistics that move (`batch_norm: train`), else empty.
    """

    def __init__(self, model: Model, stage: Stage) -> None:
        self.model = model
        self.stage = stage
        self.first = boundary(stage.train_from)
        self.weights = [name for name in trained(model.variables, stage) if not is_moving_statistic(name)]
        self.statistics = [name for name in trained(model.variables, stage) if is_moving_statistic(name)]
        self.optimizer = optimizers.build(stage.optimizer)
        self.optimizer.build([model.variables[name] for name in self.weights])
        self._step = tf.function(self._training_step, autograph=False, reduce_retracing=True)
        self._evaluate = tf.function(self._evaluation_step, autograph=False, reduce_retracing=True)

    @property
    def names(self) -> list[str]:
        """TF1 names of every variable that the stage may change; all others are frozen."""
        return [*self.weights, *self.statistics]

    def step(self, features: tf.Tensor, labels: tf.Tensor, rate: float, dropout_key: tuple[int, int]) -> StepResult:
        """Trains on one batch.

        Args:
            features: what unit `first` takes, [b, ...].
            labels: int64 [b], indices of classes.
            rate: the learning rate.
            dropout_key: two numbers that no other step of the run has.
        """
        self.optimizer.learning_rate.assign(rate)
        self.model.weights_changed()
        return StepResult(*self._step(features, labels, tf.constant(dropout_key, tf.int32)).numpy().tolist())

    def evaluate(self, features: tf.Tensor, labels: tf.Tensor) -> StepResult:
        """The same figures without dropout, by the stored statistics, and without any change."""
        return StepResult(*self._evaluate(features, labels).numpy().tolist())

    def state(self) -> dict[str, np.ndarray]:
        """Everything that a step changes, for an exact resume."""
        optimizer = {f"optimizer/{i}": np.asarray(v) for i, v in enumerate(self.optimizer.variables)}
        return self.model.tensors(self.names) | optimizer

    def load(self, state: Mapping[str, np.ndarray]) -> None:
        """Sets what `state` gave."""
        self.model.assign({name: state[name] for name in self.names})
        for i, variable in enumerate(self.optimizer.variables):
            variable.assign(state[f"optimizer/{i}"])

    def _training_step(self, features: tf.Tensor, labels: tf.Tensor, dropout_key: tf.Tensor) -> tf.Tensor:
        weights = [self.model.variables[name] for name in self.weights]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(weights)
            loss, result = self._losses(features, labels, dropout_key, training=True)
        self.optimizer.apply(tape.gradient(loss, weights), weights)
        return result

    def _evaluation_step(self, features: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        return self._losses(features, labels, None, training=False)[1]

    def _losses(
        self,
        features: tf.Tensor,
        labels: tf.Tensor,
        dropout_key: tf.Tensor | None,
        training: bool,
        mean: Callable[[tf.Tensor], tf.Tensor] = tf.reduce_mean,
        replicas: int = 1,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        variables, stage = self.model.variables, self.stage
        prelogits = network.forward(
            features,
            variables,
            self.first,
            LOGITS,
            batch_norm=stage.batch_norm if training else "frozen",
            keep_probability=stage.keep_probability if training else 1.0,
            dropout_seed=dropout_key,
            precision=self.model.precision,
        )
        logits = network.forward(prelogits, variables, LOGITS, LOGITS + 1)
        cross_entropy = mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
        norm = mean(tf.norm(tf.abs(prelogits) + PRELOGITS_EPSILON, ord=stage.prelogits_norm.p, axis=1))
        loss = cross_entropy + stage.prelogits_norm.factor * norm
        if stage.weight_decay:
            kernels = [variables[name] for name in self.weights if name.endswith("/weights")]
            loss += stage.weight_decay / replicas * tf.add_n([tf.nn.l2_loss(kernel) for kernel in kernels])
        correct = tf.reduce_sum(tf.cast(tf.equal(tf.argmax(logits, 1), labels), tf.float32))
        return loss, tf.stack([loss, cross_entropy, norm, correct])
