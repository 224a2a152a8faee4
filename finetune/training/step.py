"""One training step: forward pass from the boundary, loss, gradients after the boundary, update."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from finetune import network
from finetune.arrays import Labels
from finetune.backbones import Backbone
from finetune.model import Model
from finetune.recipe import Stage
from finetune.training.averages import Averages
from finetune.training.metrics import metrics_of
from finetune.training.objectives import GRADIENT_NORM, LOSS, Negatives, Outputs, Sizes, balanced
from finetune.training.optimizers import Optimizers
from finetune.training.replicated import SINGLE, WHOLE, Part, Replication, StepBatch


def trained(backbone: Backbone, names: Iterable[str], stage: Stage) -> list[str]:
    """Return the TF1 names of the variables that a stage may change; all others are frozen."""
    units = range(backbone.boundary(stage.train_from), backbone.end(stage.train_to))
    within = [name for name in names if backbone.is_head(name) or backbone.index_of(name) in units]
    return [name for name in within if stage.batch_norm == "train" or not backbone.is_statistic(name)]


class Trainer:
    """Trained part of a model in one stage, with its optimizer.

    Args:
        labels: classes of the training images, int64 [n], from which a stage's `class_weight` is computed.

    Attributes:
        first: index of the first unit that trains.
        end: index after the last unit that trains, of those before the head.
        weights: TF1 names of the variables that get gradients.
        statistics: TF1 names of the moving statistics that are updated (`batch_norm: train`), else empty.
        names: TF1 names of all variables that the stage may change; all others are frozen.
        metrics: metrics of each step, in their order.
    """

    def __init__(
        self, model: Model, stage: Stage, replication: Replication = SINGLE, labels: Labels | None = None
    ) -> None:
        self.model = model
        self.stage = stage
        self.metrics = metrics_of(stage)
        self.backbone = model.backbone
        self.first, self.end = self.backbone.boundary(stage.train_from), self.backbone.end(stage.train_to)
        self.names = trained(self.backbone, model.variables, stage)
        self.statistics = [name for name in self.names if self.backbone.is_statistic(name)]
        self.weights = [name for name in self.names if name not in self.statistics and self._has_gradient(name)]
        with replication.scope():
            sizes = Sizes(model.num_classes or 0, model.embedding_size, self._restored)
            self._of_loss = stage.loss.start(sizes)
            self._trained = {name: model.variables[name] for name in self.weights}
            if stage.loss.in_place:
                self._trained[self.backbone.head_variables[0]] = self._of_loss[stage.loss.in_place]
            self.optimizers = Optimizers(self.backbone, stage, self._trained)
            averaged = {name: model.variables[name] for name in self.names}
            self._averages = Averages(averaged, stage.ema) if stage.ema else None
            self._terms = [(term, term.start(sizes) if term.is_asked_for else {}) for term in stage.terms]
        self._class_weights: tf.Tensor | None = None
        if stage.class_weight:
            assert labels is not None
            self._class_weights = tf.constant(balanced(labels, model.num_classes or 0))
        self._step, self._evaluate = replication.step(self), replication.evaluation(self)
        self._prelogits_only = tf.function(
            lambda features: self._prelogits(features, None, training=False), autograph=False, reduce_retracing=True
        )
        self._seen: tf.Tensor | np.ndarray | None = None

    def begin(self) -> None:
        """Prepare the classifier for the loss, and start the moving averages.

        A normalized loss gets unit columns and zero biases; other losses take the classifier unchanged.
        """
        if self.stage.loss.normalized:
            weights, biases = (self.model.variables[name] for name in self.backbone.head_variables)
            weights.assign(tf.nn.l2_normalize(weights, 0, 1e-12))
            biases.assign(tf.zeros_like(biases))
            self.model.weights_changed()
        self.stage.loss.begin(self._head, self._of_loss)
        if self._averages:
            self._averages.begin()

    def step(
        self,
        features: tf.Tensor,
        labels: tf.Tensor,
        rate: float,
        dropout_key: tuple[int, int],
        *,
        images: tf.Tensor | None = None,
        targets: np.ndarray | tf.Tensor | None = None,
        negatives: Negatives = "random",
    ) -> dict[str, float]:
        """Train on one batch.

        Afterwards `seen` gives the images' prelogits before the update.

        Args:
            features: features that enter unit `first`, [b, ...].
            labels: classes of the images, int64 [b].
            rate: learning rate of the classifier.
            dropout_key: two numbers that no other step of the run has.
            images: number of each image, int64 [b], to tell copies from positives. By default all images are different.
            targets: target embeddings of distillation, float32 [b, E].
            negatives: selection of a triplet loss's negatives. `hard` and `semi_hard` find them within the batch.
                Otherwise the batch is anchor, positive and negative in turn.

        Returns:
            Values of `metrics`, by name.
        """
        images = tf.range(tf.size(labels, tf.int64)) if images is None else tf.constant(images, tf.int64)
        targets = None if targets is None else tf.convert_to_tensor(targets, tf.float32)
        batch = StepBatch(features, labels, images, targets, tf.constant(dropout_key, tf.int32), negatives)
        self.optimizers.set_rate(rate)
        self.model.weights_changed()
        values, self._seen = self._step(batch)
        return self._named(values)

    def seen(self) -> np.ndarray:
        """Return the prelogits of the last step's images, float32 [b, E]; b is 0 if replicas share a batch."""
        return np.asarray(self._seen)

    def evaluate(self, features: tf.Tensor, labels: tf.Tensor) -> dict[str, float]:
        """Compute the metrics without dropout, with frozen batch-norm statistics, and without changing any variable.

        Cross-entropy is computed from the plain logits, without margin and smoothing. A triplet loss counts all
        triplets in the batch.
        """
        return self._named(self._evaluate(StepBatch(features, labels)))

    def prelogits(self, features: tf.Tensor) -> np.ndarray:
        """Compute prelogits, float32 [b, E], from the features that enter unit `first`, with frozen statistics."""
        return np.asarray(self._prelogits_only(tf.convert_to_tensor(features)))

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """Give the model the averages of its weights within the context, if the stage has averages."""
        if not self._averages:
            yield
            return
        raw = self.model.tensors(self.names)
        self.model.assign(self._averages.tensors())
        try:
            yield
        finally:
            self.model.assign(raw)

    def state(self) -> dict[str, np.ndarray]:
        """Return all variables that a step changes, for an exact resume."""
        averages = self._averages.tensors() if self._averages else {}
        beside = {name: variable.numpy() for name, variable in self._variables_beside().items()}
        averaged = {f"average/{name}": value for name, value in averages.items()}
        return self.model.tensors(self.names) | self.optimizers.state() | averaged | beside

    def load(self, state: Mapping[str, np.ndarray]) -> None:
        """Set all variables to a result of `state`."""
        self.model.assign({name: state[name] for name in self.names})
        self.optimizers.load(state)
        if self._averages:
            self._averages.assign({name: state[f"average/{name}"] for name in self.names})
        for name, variable in self._variables_beside().items():
            variable.assign(state[name])

    def update(self, batch: StepBatch, part: Part = WHOLE) -> tuple[tf.Tensor, tf.Tensor]:
        """Build the training step of a part of a batch.

        Returns:
            Metrics in their order, [m], and the prelogits before the update, [b, E].
        """
        weights = list(self._trained.values())
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(weights)
            values, outputs = self._losses(batch, part, training=True)
        gradients = tape.gradient(values[LOSS.name], weights, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        if part.replicas == 1:  # a replica only has the gradients of its own images
            norm = values[GRADIENT_NORM.name] = tf.linalg.global_norm(gradients)
            if self.stage.clip_norm:
                gradients, _ = tf.clip_by_global_norm(gradients, self.stage.clip_norm, use_norm=norm)
        self._apply(gradients, outputs)
        for term, tensors in self._terms:
            if term.is_asked_for:
                term.after_update(outputs, tensors)
        return self._stacked(values), outputs.prelogits

    def assess(self, batch: StepBatch, part: Part = WHOLE) -> tf.Tensor:
        """Build the evaluation of a part of a batch: the metrics in their order, [m]."""
        return self._stacked(self._losses(batch, part, training=False)[0])

    def _has_gradient(self, name: str) -> bool:
        loss = self.stage.loss
        return not self.backbone.is_head(name) or (loss.has_head and not (loss.normalized and name.endswith("/biases")))

    def _restored(self) -> dict[str, tf.Tensor]:
        """Read the initial values of the variables that get gradients, without the classifier."""
        names = [name for name in self.weights if not self.backbone.is_head(name)]
        return {name: tf.constant(value) for name, value in self.model.initial(names).items()}

    def _variables_beside(self) -> dict[str, tf.Variable]:
        """Return the variables that the loss and its terms keep beside the model's, by name."""
        of_terms = (tensors for _, tensors in self._terms)
        found = {name: tensor for tensors in (self._of_loss, *of_terms) for name, tensor in tensors.items()}
        return {name: tensor for name, tensor in found.items() if isinstance(tensor, tf.Variable)}

    @property
    def _head(self) -> Any:
        """Weights of the classifier, [E, classes]; None without a classifier."""
        return self.model.variables.get(self.backbone.head_variables[0])

    @property
    def _columns(self) -> Any:
        """Weights of the classifier, or the loss's variable that trains in their place; None without a classifier."""
        return self._trained.get(self.backbone.head_variables[0], self._head)

    def _apply(self, gradients: list[tf.Tensor], outputs: Outputs) -> None:
        """Update the weights, the length of a normalized head's columns, the loss's variables, and the averages."""
        loss, columns = self.stage.loss, self._columns
        loss.before_update(outputs)
        self.optimizers.apply(gradients)
        if loss.normalized:
            columns.assign(tf.nn.l2_normalize(columns, 0, 1e-12))
        if loss.in_place:
            self._head.assign(loss.classifier(self._of_loss))
        if self._averages:
            self._averages.move(self.optimizers.iterations)

    def _dropout(self, key: tf.Tensor | None, *, training: bool) -> network.Dropout | None:
        drops = training and self.stage.keep_probability < 1.0
        return network.Dropout(self.stage.keep_probability, key) if drops else None

    def _prelogits(self, features: tf.Tensor, dropout_key: tf.Tensor | None, *, training: bool) -> tf.Tensor:
        forward = functools.partial(
            network.forward_pass, self.backbone, variables=self.model.variables, precision=self.model.precision
        )
        with network.training_convolutions() if training else contextlib.nullcontext():
            net = forward(
                features,
                units=slice(self.first, self.end),
                batch_norm=self.stage.batch_norm if training else "frozen",
                dropout=self._dropout(dropout_key, training=training),
            )
        return net if self.end == self.backbone.head_index else forward(net, units=slice(self.end, -1))

    def _losses(self, batch: StepBatch, part: Part, *, training: bool) -> tuple[dict[str, tf.Tensor], Outputs]:
        """Compute the metrics by name, including the loss with all terms, and the outputs that they are made from."""
        variables, dropout = self.model.variables, self._dropout(batch.key, training=training)
        outputs = Outputs(
            prelogits=self._prelogits(batch.features, batch.key, training=training),
            labels=batch.labels,
            images=batch.images,
            targets=batch.targets,
            negatives=batch.negatives,
            training=training,
            weights=self._trained,
            head=self._columns if training else self._head,
            classify=lambda prelogits: network.forward_pass(
                self.backbone, prelogits, variables, network.HEAD, dropout=dropout
            ),
            embed=network.l2_normalize,
            mean=part.mean,
            replicas=part.replicas,
            class_weights=self._class_weights,
            tensors=self._of_loss,
        )
        zero = tf.constant(0.0)
        values = self.stage.loss.compute(outputs)
        for term, tensors in self._terms:
            values[term.metric.name] = term.compute(outputs, tensors) if term.applies(outputs) else zero
        # Terms that do not apply are added as 0: with fewer summands TensorFlow would round the sum differently.
        total = values[self.stage.loss.value] + zero
        for term, _ in self._terms:
            total += term.weighted(values[term.metric.name])
        return values | {LOSS.name: total}, outputs

    def _stacked(self, values: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Return the metrics in their order, 0 for those that do not apply: scalars to [m]."""
        return tf.stack([values.get(metric.name, tf.constant(0.0)) for metric in self.metrics])

    def _named(self, values: tf.Tensor | np.ndarray) -> dict[str, float]:
        return {metric.name: float(value) for metric, value in zip(self.metrics, np.asarray(values), strict=True)}
