"""The base of the losses: what each says of itself, and what it is given to compute with."""

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


@dataclasses.dataclass(frozen=True)
class Outputs:
    """A batch as losses see it: what the network gives for it, and the means to compute with.

    Attributes:
        prelogits: float32 [b, E].
        labels: int64 [b].
        images: int64 [b], which image each row is; None in an evaluation, where all are different.
        targets: embeddings to stay near, float32 [b, E]; None where there are none.
        negatives: how a triplet loss finds them.
        training: whether margins, smoothing and mining apply.
        weights: the variables that gradients reach, by TF1 name.
        head: the classifier's weights, [E, classes].
        classify: computes the logits [b, classes] of prelogits [b, E].
        embed: computes the unit embeddings [b, E] of prelogits [b, E].
        mean: computes the mean of values [b] over the images of the whole batch.
        replicas: number of replicas that share the batch.
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


@dataclasses.dataclass(frozen=True)
class Alert:
    """What a monitor found in an epoch.

    Attributes:
        problem: what it found, and what to do.
        stops: whether the stage must not go on.
    """

    problem: Problem
    stops: bool


class Monitor(Protocol):
    """What watches the epochs of one attempt at a stage."""

    def add(self, row: Mapping[str, float]) -> Alert | None:
        """Take the columns of the next epoch, and return what is to be said of it, if anything."""


class StageKeys(Protocol):
    """The keys of a stage that a loss may ask for."""

    @property
    def train_from(self) -> str:
        """The boundary."""

    @property
    def init(self) -> str | None:
        """How the classifier begins."""

    @property
    def sampling(self) -> str | PeopleTimesImages:
        """Which images an epoch draws."""

    @property
    def mining(self) -> Mining | None:
        """How the negatives of triplets are found."""


class Loss(Section):
    """What a stage minimizes over its images; the terms beside it have keys of their own."""

    name: str
    metrics: ClassVar[tuple[Metric, ...]]
    """The loss itself, and what else a step gives."""
    has_head: ClassVar[bool] = True
    """Whether the loss trains the classifier."""
    normalized: ClassVar[bool] = False
    """Whether the classifier sees unit embeddings and unit weights, without biases."""
    mined: ClassVar[bool] = False
    """Whether batches are made of triplets, drawn as such or mined within the batch."""

    @property
    def value(self) -> str:
        """The name of the loss itself among its metrics."""
        return self.metrics[0].name

    @property
    def column(self) -> str:
        """The column of `history.csv` that has the loss itself."""
        return self.metrics[0].column

    @property
    def held_back(self) -> tuple[str, ...]:
        """The columns of `history.csv` that have the loss itself and its other metrics on the held-back images."""
        return LOSS.held_back, *(metric.held_back for metric in self.metrics if metric.held_back)

    def compute(self, outputs: Outputs) -> dict[str, tf.Tensor]:
        """Compute the metrics of a batch, by name.

        While training, the loss has its margin, smoothing and mining; in an evaluation it has none of them.
        """
        raise NotImplementedError

    def share(self, row: Mapping[str, float]) -> float | None:
        """Return the share, 0 to 1, that the table of epochs shows under `accuracy`; None leaves it empty.

        Args:
            row: the columns of an epoch.
        """
        return None

    def rules_of(self, stage: StageKeys) -> Iterator[Fault]:
        """Yield the other keys of a stage that do not go with the loss; the value of any may be `Unread`."""
        if stage.mining:
            yield Fault(("mining",), "only triplets are mined", "give loss: triplet, or remove it")

    def describe(self, stage: StageKeys) -> str:
        """Return what a stage minimizes, and where it begins or where its triplets come from, in words."""
        return f"{self.name} loss{', from the class means' if stage.init else ''}"

    def needs(self, train: Labels, held_back: Labels, batch_size: int) -> Iterator[Problem]:
        """Yield what the images lack for the loss to be trained, and to choose an epoch by.

        Args:
            train: labels of the training images, [n].
            held_back: labels of the held-back images, [m].
            batch_size: number of held-back images per batch.
        """
        yield from ()

    def monitor(self) -> Monitor | None:
        """Return what watches the epochs of one attempt at a stage; None where nothing does."""
        return None
