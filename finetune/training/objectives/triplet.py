"""Triplet loss on unit embeddings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Literal

from finetune.backbones import BACKBONES, DEFAULT
from finetune.errors import Problem
from finetune.schema import Above0, Fault, Unread
from finetune.training.objectives.batches import RANDOM, PeopleTimesImages
from finetune.training.objectives.collapse import Collapse
from finetune.training.objectives.loss import Loss, Outputs, StageKeys
from finetune.training.objectives.metric import Metric

if TYPE_CHECKING:
    import tensorflow as tf

    from finetune.arrays import Labels

TripletDistance = Literal["squared", "euclidean"]
COUNT = "triplets"
MARGINS: dict[TripletDistance, float] = {"squared": 0.2, "euclidean": 1.0}
"""Margins of FaceNet and of PyTorch's `TripletMarginLoss`."""


class Triplet(Loss):
    """Triplet loss on unit embeddings: max(d(anchor, positive) - d(anchor, negative) + margin, 0)."""

    has_head, mined, whole_batch = False, True, True
    metrics = (
        Metric("triplet", per=COUNT, column="triplet", meaning="Mean triplet loss per triplet, without the terms."),
        Metric(COUNT, per="", summed=True),
        Metric(
            "active",
            per=COUNT,
            summed=True,
            column="active_triplets",
            meaning="Share of the triplets whose loss is above 0.",
        ),
        Metric(
            "positive_distance",
            per=COUNT,
            summed=True,
            column="positive_distance",
            meaning="Mean distance from the anchor to the positive, per triplet.",
        ),
        Metric(
            "negative_distance",
            per=COUNT,
            summed=True,
            column="negative_distance",
            meaning="Mean distance from the anchor to the negative, per triplet.",
        ),
    )
    name: Literal["triplet"] = "triplet"
    distance: TripletDistance = "squared"
    """`squared` (Schroff et al. 2015, "FaceNet"), or `euclidean`, as in PyTorch's `TripletMarginLoss`."""
    margin: Above0 | None = None
    """Required difference of the two distances, above 0. Default: 0.2 if squared, 1.0 if euclidean."""

    @property
    def gap(self) -> float:
        """Margin in use."""
        return MARGINS[self.distance] if self.margin is None else self.margin

    def compute(self, outputs: Outputs) -> dict[str, tf.Tensor]:
        """Compute the loss of a batch, its numbers of triplets and of active triplets, and sums of distances.

        An evaluation counts all triplets of the batch.
        """
        import tensorflow as tf

        from finetune.training.objectives import mining
        from finetune.training.objectives.distances import distances, hinge

        embeddings = outputs.embed(outputs.prelogits)  # [b, E]
        if not outputs.training:
            # Memory holds at most one anchor's positives times its negatives at a time.
            return _sums(*mining.every_triplet(embeddings, outputs.labels, self.distance, self.gap))
        triplets = mining.find(embeddings, outputs.labels, outputs.images, outputs.negatives)  # [t, 3]
        anchor, positive, negative = (tf.gather(embeddings, triplets[:, column]) for column in range(3))  # [t, E] each
        near = distances(anchor, positive, self.distance)  # [t]
        far = distances(anchor, negative, self.distance)  # [t]
        each = hinge(near, far, self.gap)  # [t]
        count = tf.cast(tf.size(each), tf.float32)
        active = tf.reduce_sum(tf.cast(each > 0, tf.float32))
        return _sums(tf.reduce_sum(each), count, active, tf.reduce_sum(near), tf.reduce_sum(far))

    def share(self, row: Mapping[str, float]) -> float | None:
        """Return the share of the triplets that are satisfied."""
        return 1 - row["active_triplets"]

    def rules_of(self, stage: StageKeys) -> Iterator[Fault]:
        """Yield the keys of a stage that conflict with triplets."""
        usual = BACKBONES[DEFAULT]
        if stage.train_from == usual.head:
            found = f"a triplet loss trains embeddings and no classifier, and all before {usual.head} is frozen"
            yield Fault(("train_from",), found, f"give {usual.embedding_unit} or a block before it")
        if stage.init:
            found = "a triplet loss makes the classifier from the people's mean embeddings when it ends"
            yield Fault(("init",), found, "remove it")
        mining, grouped = stage.mining, isinstance(stage.sampling, PeopleTimesImages)
        if mining and mining.in_batch and not grouped and stage.sampling:
            found = f"{mining.used[-1]!r} negatives are found within a batch"
            yield Fault(("mining",), found, "give sampling: {people: 18, images: 5}")
        unread = Unread in map(type, (mining, mining and mining.negatives, mining and mining.then))
        if grouped and not (mining and mining.in_batch) and not unread:
            found = "random and bank negatives are drawn from the whole dataset"
            yield Fault(("sampling",), found, "remove it, or give mining: semi_hard")
        if stage.sampling in ("balanced", "square_root"):
            yield Fault(("sampling",), "found it beside loss: triplet, where each image is an anchor once", "remove it")
        if stage.class_weight:
            yield Fault(("class_weight",), "a triplet loss has no classes to weigh", "remove it")

    def describe(self, stage: StageKeys) -> str:
        """Return a description of the loss in a stage, with the source of its triplets."""
        return f"triplet loss, {' then '.join((stage.mining or RANDOM).used)} negatives"

    def needs(self, train: Labels, held_back: Labels, batch_size: int) -> Iterator[Problem]:
        """Yield what the images lack: a positive pair to train on, and a triplet in some held-back batch."""
        import numpy as np

        _, counts = np.unique(train, return_counts=True)
        if counts.max(initial=0) < 2:
            yield Problem(
                "loss: triplet",
                "nobody has two training images, so there is no triplet to train on",
                "give more images per person, or a smaller data.validation_split",
            )
        if len(held_back) and not _holds_triplet(held_back, batch_size):
            yield Problem(
                "loss: triplet",
                "no batch of the held-back images has two of one person and one of another, so their loss would "
                "always be 0",
                "give a larger data.validation_split, or 0 to keep the last epoch",
            )

    def monitor(self) -> Collapse:
        """Return the monitor of collapsing embeddings."""
        return Collapse(1.0 if self.distance == "squared" else 0.5)


def _holds_triplet(labels: Labels, batch_size: int) -> bool:
    """Return whether some batch holds two images of one person and one of another."""
    import numpy as np

    batches = (labels[start : start + batch_size] for start in range(0, len(labels), batch_size))
    return any(1 < len(np.unique(batch)) < len(batch) for batch in batches)


def _sums(
    total: tf.Tensor, count: tf.Tensor, active: tf.Tensor, near: tf.Tensor, far: tf.Tensor
) -> dict[str, tf.Tensor]:
    import tensorflow as tf

    values = total / tf.maximum(count, 1.0), count, active, near, far
    return {metric.name: value for metric, value in zip(Triplet.metrics, values, strict=True)}
