"""Base of the losses: their declarations, and the inputs of their computation."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar, Protocol

from finetune.errors import Problem
from finetune.schema import Fault, Section
from finetune.training.objectives.batches import Mining, Negatives, PeopleTimesImages
from finetune.training.objectives.metric import LOSS, Metric

if TYPE_CHECKING:
    import tensorflow as tf

    from finetune.arrays import Labels
    from finetune.training.objectives.distillation import Distillation

    Tensors = Mapping[str, tf.Variable | tf.Tensor]


@dataclasses.dataclass(frozen=True)
class Sizes:
    """Inputs from which the tensors of a loss or a term are made.

    Attributes:
        classes: number of people.
        embedding: number of values of an embedding.
        restored: function that reads the restored checkpoint's values of the variables that train, without the
            classifier.
    """

    classes: int
    embedding: int
    restored: Callable[[], Mapping[str, tf.Tensor]]


@dataclasses.dataclass(frozen=True)
class Outputs:
    """Batch as losses see it: the outputs of the network, and the functions to compute with.

    Attributes:
        prelogits: prelogits of the images, float32 [b, E].
        labels: classes of the images, int64 [b].
        images: number of each row's image, int64 [b]; None in an evaluation, where all images are different.
        targets: target embeddings of distillation, float32 [b, E]; None without targets.
        negatives: selection of the negatives of a triplet loss.
        training: True if margins, smoothing and mining apply.
        weights: variables that get gradients, by TF1 name.
        head: weights of the classifier, [E, classes]; in training, the loss's variable that trains in their place.
        classify: function from prelogits [b, E] to logits [b, classes].
        embed: function from prelogits [b, E] to unit embeddings [b, E].
        mean: function from values [b] to their mean over the images of the whole batch.
        replicas: number of replicas that share the batch.
        class_weights: factor of each image's loss in training, by its class, float32 [classes]; None without factors.
        tensors: tensors that the loss keeps, by name.
    """

    prelogits: tf.Tensor
    labels: tf.Tensor
    images: tf.Tensor | None
    targets: tf.Tensor | None
    negatives: Negatives
    training: bool
    weights: Mapping[str, tf.Variable]
    head: tf.Variable
    classify: Callable[[tf.Tensor], tf.Tensor]
    embed: Callable[[tf.Tensor], tf.Tensor]
    mean: Callable[[tf.Tensor], tf.Tensor]
    replicas: int
    class_weights: tf.Tensor | None = None
    tensors: Tensors = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Alert:
    """Finding of a monitor in an epoch.

    Attributes:
        problem: what was found, and what to do.
        stops: True if the stage must not go on.
    """

    problem: Problem
    stops: bool


class Monitor(Protocol):
    """Protocol of the monitors, which watch the epochs of one attempt at a stage."""

    def add(self, row: Mapping[str, float]) -> Alert | None:
        """Add the columns of the next epoch, and return an alert if there is one."""


class StageKeys(Protocol):
    """Keys of a stage that a loss may ask for."""

    @property
    def train_from(self) -> str:
        """Boundary of the stage."""

    @property
    def init(self) -> str | None:
        """Initialization of the classifier."""

    @property
    def sampling(self) -> str | PeopleTimesImages:
        """Sampling of the images of an epoch."""

    @property
    def mining(self) -> Mining | None:
        """Selection of the negatives of triplets."""

    @property
    def class_weight(self) -> str | None:
        """Factors of the losses of images by their class."""

    @property
    def distillation(self) -> Distillation:
        """Pull of embeddings toward the restored checkpoint's."""

    @property
    def early_stopping(self) -> int | None:
        """Number of epochs without a lower validation loss after which the stage stops."""


class Loss(Section):
    """Loss that a stage minimizes over its images. The terms beside it have keys of their own."""

    name: str
    metrics: ClassVar[tuple[Metric, ...]]
    """Metrics of a step, first the loss itself."""
    has_head: ClassVar[bool] = True
    """True if the loss trains the classifier."""
    normalized: ClassVar[bool] = False
    """True if the classifier gets unit embeddings and unit weights, without biases."""
    mined: ClassVar[bool] = False
    """True if batches are made of triplets, drawn as such or mined within the batch."""
    whole_batch: ClassVar[bool] = False
    """True if all images of a batch must be on one device."""
    judges: ClassVar[bool] = True
    """True if the loss of the held-back images chooses the epoch; otherwise the last epoch is kept."""
    names_suspects: ClassVar[bool] = False
    """True if the stage lists images that seem to be under a wrong name."""
    in_place: ClassVar[str] = ""
    """Name of the loss's variable that trains in place of the classifier's weights; empty if these train."""

    @property
    def value(self) -> str:
        """Name of the loss itself among its metrics."""
        return self.metrics[0].name

    @property
    def column(self) -> str:
        """Column of `history.csv` with the loss itself."""
        return self.metrics[0].column

    @property
    def held_back(self) -> tuple[str, ...]:
        """Columns of `history.csv` with the loss itself and its other metrics on the held-back images."""
        return LOSS.held_back, *(metric.held_back for metric in self.metrics if metric.held_back)

    def start(self, sizes: Sizes) -> Tensors:
        """Return the tensors that the loss keeps, by name. The variables among them are part of a stage's state."""
        return {}

    def begin(self, head: tf.Variable, tensors: Tensors) -> None:
        """Set the loss's own variables when a stage begins.

        Args:
            head: weights of the classifier, [E, classes].
            tensors: tensors of `start`.
        """

    def compute(self, outputs: Outputs) -> dict[str, tf.Tensor]:
        """Compute the metrics of a batch, by name.

        Margin, smoothing and mining apply in training only, not in an evaluation.
        """
        raise NotImplementedError

    def before_update(self, outputs: Outputs) -> None:
        """Change the loss's own variables, except one that trains, before a batch updates the weights."""

    def classifier(self, tensors: Tensors) -> tf.Tensor:
        """Compute the classifier's weights, [E, classes], from the variable that trains in their place."""
        raise NotImplementedError

    def share(self, row: Mapping[str, float]) -> float | None:
        """Return the share, 0 to 1, that the table of epochs shows under `accuracy`; None leaves it empty.

        Args:
            row: columns of an epoch.
        """
        return None

    def rules_of(self, stage: StageKeys) -> Iterator[Fault]:
        """Yield the other keys of a stage that conflict with the loss. The value of any key may be `Unread`."""
        if stage.mining:
            yield Fault(("mining",), "only triplets are mined", "give loss: triplet, or remove it")
        if stage.class_weight and not self.has_head:
            yield Fault(("class_weight",), f"a {self.name} loss has no classes to weigh", "remove it")

    def describe(self, stage: StageKeys) -> str:
        """Return a description of the loss in a stage, with the classifier's start or the source of the triplets."""
        start = ", from the class means" if stage.init else ""
        return f"{self.name} loss{start}{', classes weighted' if stage.class_weight else ''}"

    def needs(self, train: Labels, held_back: Labels, batch_size: int) -> Iterator[Problem]:
        """Yield what the images lack for training the loss, and for choosing an epoch.

        Args:
            train: labels of the training images, [n].
            held_back: labels of the held-back images, [m].
            batch_size: number of held-back images per batch.
        """
        yield from ()

    def monitor(self) -> Monitor | None:
        """Return the monitor of one attempt at a stage, or None."""
        return None
