"""One training step: forward from the boundary, loss, gradients after the boundary, update."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from finetune import checkpoint as checkpoints
from finetune import network
from finetune.architecture import HEAD, UNITS, boundary, is_moving_statistic, unit_of
from finetune.model import LOGITS, Model, is_head
from finetune.recipe import Negatives, Stage, Triplet
from finetune.training import losses
from finetune.training.figures import StepResult
from finetune.training.optimizers import Optimizers
from finetune.training.sampling import mining


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
        names: TF1 names of every variable that the stage may change; all others are frozen.
    """

    def __init__(self, model: Model, stage: Stage) -> None:
        self.model = model
        self.stage = stage
        self.first = boundary(stage.train_from)
        self.names = trained(model.variables, stage)
        self.statistics = [name for name in self.names if is_moving_statistic(name)]
        self.weights = [name for name in self.names if not is_moving_statistic(name) and self._has_gradient(name)]
        self.optimizers = Optimizers(stage, {name: model.variables[name] for name in self.weights})
        self.averages = {name: tf.Variable(model.variables[name]) for name in self.names} if stage.ema else {}
        self.centers = self._zero_centers()
        self._start = self._restored() if stage.l2_sp else {}
        self._step = tf.function(self._training_step, autograph=False, reduce_retracing=True)
        self._evaluate = tf.function(self._evaluation_step, autograph=False, reduce_retracing=True)
        self._prelogits_only = tf.function(
            lambda features: self._prelogits(features, None, training=False), autograph=False, reduce_retracing=True
        )
        self._seen: tf.Tensor | None = None

    def begin(self) -> None:
        """Brings the classifier to the form that the loss gives it: unit columns without biases, or as it was."""
        if self.stage.loss.normalized:
            weights = self.model.variables[f"{HEAD}/weights"]
            biases = self.model.variables[f"{HEAD}/biases"]
            weights.assign(tf.nn.l2_normalize(weights, 0, 1e-12))
            biases.assign(tf.zeros_like(biases))
            self.model.weights_changed()
        for name, average in self.averages.items():
            average.assign(self.model.variables[name])

    def step(
        self,
        features: tf.Tensor,
        labels: tf.Tensor,
        rate: float,
        dropout_key: tuple[int, int],
        *,
        images: tf.Tensor | None = None,
        targets: np.ndarray | None = None,
        negatives: Negatives = "random",
    ) -> StepResult:
        """Trains on one batch.

        Afterwards `seen` gives its images' prelogits before the update.

        Args:
            features: what unit `first` takes, [b, ...].
            labels: int64 [b], indices of classes.
            rate: the learning rate.
            dropout_key: two numbers that no other step of the run has.
            images: int64 [b], which image each is, to tell copies from positives; all different where not given.
            targets: of a distillation, the embeddings to stay near, float32 [b, E].
            negatives: of a triplet loss: found within the batch (`hard`, `semi_hard`), or the batch is anchor,
                positive and negative in turn.
        """
        images = tf.range(tf.size(labels, tf.int64)) if images is None else tf.constant(images, tf.int64)
        targets = None if targets is None else tf.constant(targets, tf.float32)
        self.optimizers.set_rate(rate)
        self.model.weights_changed()
        key = tf.constant(dropout_key, tf.int32)
        return StepResult(*self._run_step(features, labels, images, targets, key, negatives).tolist())

    def seen(self) -> np.ndarray:
        """The prelogits of the last step's images, float32 [b, E]."""
        return np.asarray(self._seen)

    def evaluate(self, features: tf.Tensor, labels: tf.Tensor) -> StepResult:
        """The same figures without dropout, by the stored statistics, and without any change.

        Cross-entropy is that of the plain logits, without margin and smoothing. Of a triplet loss, all triplets
        in the batch are counted.
        """
        return StepResult(*self._evaluate(features, labels).numpy().tolist())

    def prelogits(self, features: tf.Tensor) -> np.ndarray:
        """Those of what unit `first` takes, by the stored statistics: float32 [b, E]."""
        return np.asarray(self._prelogits_only(features))

    def embed(self, features: tf.Tensor) -> np.ndarray:
        """Likewise, of unit length: float32 [b, E]."""
        return np.asarray(network.l2_normalize(self._prelogits_only(features)))

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """Within it the model has the averages of its weights, where the stage asks for them."""
        if not self.averages:
            yield
            return
        raw = self.model.tensors(self.names)
        self.model.assign({name: average.numpy() for name, average in self.averages.items()})
        try:
            yield
        finally:
            self.model.assign(raw)

    def state(self) -> dict[str, np.ndarray]:
        """Everything that a step changes, for an exact resume."""
        averages = {f"average/{name}": average.numpy() for name, average in self.averages.items()}
        centers = {} if self.centers is None else {"centers": self.centers.numpy()}
        return self.model.tensors(self.names) | self.optimizers.state() | averages | centers

    def load(self, state: Mapping[str, np.ndarray]) -> None:
        """Sets what `state` gave."""
        self.model.assign({name: state[name] for name in self.names})
        self.optimizers.load(state)
        for name, average in self.averages.items():
            average.assign(state[f"average/{name}"])
        if self.centers is not None:
            self.centers.assign(state["centers"])

    def _run_step(self, *batch: Any) -> np.ndarray:
        """Runs `_training_step`; its figures."""
        figures, self._seen = self._step(*batch)
        return np.asarray(figures)

    def _has_gradient(self, name: str) -> bool:
        loss = self.stage.loss
        if not is_head(name):
            return True
        return loss.has_head and not (loss.normalized and name.endswith("/biases"))

    def _zero_centers(self) -> tf.Variable | None:
        if not self.stage.center_loss.factor:
            return None
        return tf.Variable(tf.zeros([self.model.num_classes, self.model.embedding_size]))

    def _restored(self) -> dict[str, tf.Tensor]:
        """The restored checkpoint's values of what trains, the classifier apart."""
        names = [name for name in self.weights if not is_head(name)]
        return {name: tf.constant(value) for name, value in checkpoints.read(self.model.source).tensors(names).items()}

    def _training_step(
        self,
        features: tf.Tensor,
        labels: tf.Tensor,
        images: tf.Tensor,
        targets: tf.Tensor | None,
        key: tf.Tensor,
        negatives: Negatives,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        weights = [self.model.variables[name] for name in self.weights]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(weights)
            loss, figures, prelogits = self._losses(
                features, labels, key, images=images, targets=targets, negatives=negatives, training=True
            )
        gradients = tape.gradient(loss, weights, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        norm = tf.linalg.global_norm(gradients)
        if self.stage.clip_norm:
            gradients, _ = tf.clip_by_global_norm(gradients, self.stage.clip_norm, use_norm=norm)
        self._update(gradients)
        if self.centers is not None:
            losses.move_centers(self.centers, prelogits, labels, self.stage.center_loss.alfa)
        place = StepResult._fields.index("gradient_norm")
        return tf.tensor_scatter_nd_update(figures, [[place]], [norm]), prelogits

    def _update(self, gradients: list[tf.Tensor]) -> None:
        """Moves the weights, and what follows them: a normalized head's length, the averages."""
        self.optimizers.apply(gradients)
        if self.stage.loss.normalized:
            head = self.model.variables[f"{HEAD}/weights"]
            head.assign(tf.nn.l2_normalize(head, 0, 1e-12))
        if self.averages:
            done = tf.cast(self.optimizers.iterations, tf.float32)
            decay = tf.minimum(self.stage.ema, (1.0 + done) / (10.0 + done))
            for name, average in self.averages.items():
                average.assign_sub((1.0 - decay) * (average - self.model.variables[name]))

    def _evaluation_step(self, features: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        return self._losses(features, labels, None, training=False)[1]

    def _prelogits(self, features: tf.Tensor, dropout_key: tf.Tensor | None, training: bool) -> tf.Tensor:
        return network.forward(
            features,
            self.model.variables,
            self.first,
            LOGITS,
            batch_norm=self.stage.batch_norm if training else "frozen",
            keep_probability=self.stage.keep_probability if training else 1.0,
            dropout_seed=dropout_key,
            precision=self.model.precision,
        )

    def _losses(
        self,
        features: tf.Tensor,
        labels: tf.Tensor,
        dropout_key: tf.Tensor | None,
        *,
        training: bool,
        images: tf.Tensor | None = None,
        targets: tf.Tensor | None = None,
        negatives: Negatives = "random",
        mean: Callable[[tf.Tensor], tf.Tensor] = tf.reduce_mean,
        replicas: int = 1,
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """The loss, the figures in the order of `StepResult`, and the prelogits."""
        stage = self.stage
        prelogits = self._prelogits(features, dropout_key, training)
        zero = tf.constant(0.0)
        parts = dict.fromkeys(StepResult._fields, zero)
        if isinstance(stage.loss, Triplet):
            parts |= self._triplets(stage.loss, prelogits, labels, images, negatives, training)
        else:
            parts |= self._classified(prelogits, labels, mean, training)
        parts["prelogits_norm"] = mean(losses.prelogits_norm(prelogits, stage.prelogits_norm.p))
        if self.centers is not None:
            parts["center_loss"] = mean(losses.center_loss(prelogits, tf.gather(self.centers, labels)))
        if targets is not None:
            embeddings = network.l2_normalize(prelogits)
            parts["distillation"] = mean(losses.distances(embeddings, targets, "squared"))
        parts["weight_decay"], parts["l2_sp"] = self._penalties(replicas)
        parts["loss"] = (
            parts["cross_entropy"]
            + parts["triplet"]
            + stage.prelogits_norm.factor * parts["prelogits_norm"]
            + stage.center_loss.factor * parts["center_loss"]
            + stage.distillation * parts["distillation"]
            + parts["weight_decay"]
            + parts["l2_sp"]
        )
        return parts["loss"], tf.stack([parts[name] for name in StepResult._fields]), prelogits

    def _classified(
        self, prelogits: tf.Tensor, labels: tf.Tensor, mean: Callable[[tf.Tensor], tf.Tensor], training: bool
    ) -> dict[str, tf.Tensor]:
        variables, loss = self.model.variables, self.stage.loss
        if loss.normalized:
            similarities = losses.cosines(network.l2_normalize(prelogits), variables[f"{HEAD}/weights"])
            plain = losses.class_logits(loss, similarities)
            logits = losses.with_margin(loss, similarities, labels) if training else plain
        else:
            plain = logits = network.forward(prelogits, variables, LOGITS, LOGITS + 1)
        cross_entropy = losses.cross_entropy(logits, labels, losses.smoothing_of(loss) if training else 0.0)
        right = tf.cast(tf.equal(tf.argmax(plain, 1), labels), tf.float32)
        return {"cross_entropy": mean(cross_entropy), "correct": tf.reduce_sum(right)}

    def _triplets(
        self,
        loss: Triplet,
        prelogits: tf.Tensor,
        labels: tf.Tensor,
        images: tf.Tensor | None,
        negatives: Negatives,
        training: bool,
    ) -> dict[str, tf.Tensor]:
        embeddings = network.l2_normalize(prelogits)
        if not training:
            # The most that is held in memory at a time is one anchor's positives times its negatives.
            return _sums(*mining.every_triplet(embeddings, labels, loss))
        if negatives in ("hard", "semi_hard"):
            between = tf.stop_gradient(mining.squared_distances(embeddings))
            mine = mining.hard if negatives == "hard" else mining.semi_hard
            triplets = mine(between, labels, images)
        else:
            triplets = mining.given(labels)
        anchor, positive, negative = (tf.gather(embeddings, triplets[:, column]) for column in range(3))
        near = losses.distances(anchor, positive, loss.distance)
        far = losses.distances(anchor, negative, loss.distance)
        each = losses.hinge(near, far, loss.gap)
        count = tf.cast(tf.size(each), tf.float32)
        active = tf.reduce_sum(tf.cast(each > 0, tf.float32))
        return _sums(tf.reduce_sum(each), count, active, tf.reduce_sum(near), tf.reduce_sum(far))

    def _penalties(self, replicas: int) -> tuple[tf.Tensor, tf.Tensor]:
        """This replica's part of weight decay and L2-SP."""
        variables, stage = self.model.variables, self.stage
        decay = moved = tf.constant(0.0)
        if stage.weight_decay:
            kernels = [variables[name] for name in self.weights if name.endswith("/weights")]
            decay = stage.weight_decay / replicas * tf.add_n([tf.nn.l2_loss(kernel) for kernel in kernels])
        if self._start:
            away = [tf.nn.l2_loss(variables[name] - value) for name, value in self._start.items()]
            moved = stage.l2_sp / replicas * tf.add_n(away)
        return decay, moved


def _sums(
    total: tf.Tensor, count: tf.Tensor, active: tf.Tensor, near: tf.Tensor, far: tf.Tensor
) -> dict[str, tf.Tensor]:
    return {
        "triplet": total / tf.maximum(count, 1.0),
        "triplets": count,
        "active": active,
        "positive_distance": near,
        "negative_distance": far,
    }
