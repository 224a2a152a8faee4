"""One stage of training: the units that train, the number of epochs, and the training options."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from finetune.backbones import BACKBONES, DEFAULT
from finetune.recipe.accept import Accept
from finetune.schema import Above0, Above0To1, Fault, From0, From0Below1, From1, Range, Section, Wants
from finetune.training import objectives
from finetune.training.objectives import (
    AnyDistillation,
    AnyLoss,
    AnyMining,
    CenterLoss,
    Distillation,
    Loss,
    Mining,
    PrelogitsNorm,
    Sampling,
    Softmax,
)
from finetune.training.optimization import AnyOptimizer, AnyRate, Constant, LearningRate, Optimizer

BOUNDARIES = tuple(dict.fromkeys(name for backbone in BACKBONES.values() for name in backbone.boundaries))
"""Boundaries of the named backbones. A network of the user's own has others, so the recipe checks them."""
_HEAD, _EMBEDDING, *_ = reversed(BACKBONES[DEFAULT].blocks)


Name = Annotated[
    str,
    Field(pattern="^[A-Za-z0-9_-]([A-Za-z0-9 _-]{0,62}[A-Za-z0-9_-])?$"),
    Wants("1 to 64 letters, digits, '_', '-' and spaces between them"),
]
Boundary = Annotated[
    str,
    Field(min_length=1),
    Wants(f"the first block that trains, such as {_HEAD} or {_EMBEDDING}"),
]
End = Annotated[str, Field(min_length=1), Wants(f"the last block that trains, such as {_EMBEDDING}")]


class Stage(Section):
    """One stage: the units before the boundary are frozen, and the rest trains, or a part of it.

    The constructor takes values as in a recipe.

    Example:
        >>> from finetune import Stage
        >>> stage = Stage("head", train_from="Logits", epochs=5, learning_rate={0: 0.01, 3: 0.001})
        >>> [stage.learning_rate.rate(epoch, stage.epochs) for epoch in (1, 2, 3)]
        [0.01, 0.01, 0.001]
    """

    name: Name
    """Name that is unique in the recipe, made of letters, digits, spaces, `_` and `-`."""
    train_from: Boundary
    """Boundary: the first block that trains, or the first unit of one, such as `Logits` or `Repeat_2/block8_4`."""
    epochs: From1
    """Number of epochs, from 1. Each passes over all training images, or over a part of them."""
    learning_rate: AnyRate = Constant(0.001)
    """Learning rate of each epoch: a number above 0, steps, exponential or cosine decay, or a schedule file."""
    optimizer: AnyOptimizer = Optimizer()
    """Optimizer, with Keras' constants by default."""
    batch_norm: Literal["frozen", "train"] = "frozen"
    """Batch norm of the units that train. `frozen` uses the stored moving statistics. `train` uses the statistics of
    the batch and updates the stored ones."""
    keep_probability: Above0To1 = 1.0
    """Share of values that dropout before the embedding layer keeps, above 0, at most 1. It acts only if that layer
    trains."""
    loss: AnyLoss = Softmax()
    """Loss to minimize: its name, or its name and constants."""
    init: Literal["prototypes"] | None = None
    """`prototypes` replaces the classifier by the people's mean embeddings when the stage begins. Default: the stage
    continues with the current classifier, which is random at the start of a run."""
    sampling: Sampling = "shuffled"
    """Images of an epoch. `shuffled`: each image once. `balanced`: every person with equal probability. `square_root`:
    each person with a probability proportional to the square root of the number of their images."""
    mining: AnyMining | None = None
    """Selection of the negatives of triplets. Default: `random`."""
    weight_decay: From0 = 0.0
    """Factor of the L2 penalty on the weights that train, from 0."""
    l2_sp: From0 = 0.0
    """Factor of the L2 penalty on the distance of the weights that train from the restored checkpoint's, from 0. The
    classifier is excepted (Li et al. 2018, "Explicit inductive bias for transfer learning")."""
    distillation: AnyDistillation = Distillation()
    """Factor of the mean squared distance between embeddings and the restored checkpoint's embeddings of the same
    images, from 0 (after Li and Hoiem 2016, "Learning without forgetting"), or its keys."""
    center_loss: CenterLoss = CenterLoss()
    """Pull of prelogits to the center of their class."""
    prelogits_norm: PrelogitsNorm = PrelogitsNorm()
    """Penalty on the norm of the prelogits."""
    warmup_epochs: From0 = 0.0
    """Number of epochs over which the learning rate rises from 0 in equal steps, from 0. It may be a fraction."""
    layer_decay: Above0To1 = 1.0
    """Ratio of the learning rate of each block to the next block's, above 0, at most 1 (1 / 2.6 in Howard and Ruder
    2018, "ULMFiT")."""
    clip_norm: Above0 | None = None
    """Global norm above which gradients are scaled down, above 0. Default: no clipping."""
    ema: From0Below1 = 0.0
    """Decay of the moving average of the weights, from 0 (none), below 1. The averages are measured and kept. As in the
    published script (0.9999 there), the decay is at most (1 + n) / (10 + n) after n steps."""
    early_stopping: Annotated[int, Range(ge=1, of="a whole number of epochs")] | None = None
    """Number of epochs without a lower validation loss after which the stage stops, from 1. Default: no early
    stopping."""
    accept: Accept | None = None
    """Largest accepted drop on LFW's or the strangers' pairs, or on a set of `measure`. A stage that costs more is
    rolled back."""
    steps_per_epoch: Annotated[int, Range(ge=1, of="a whole number of batches")] | None = None
    """Number of batches per epoch, from 1, in place of `data.share`. Each epoch takes the next part of the images, so
    that all are seen in turn. Default: as many batches as the images fill."""
    class_weight: Literal["balanced"] | None = None
    """`balanced` multiplies each image's loss by n / (classes * n_class), where n_class of the n training images are of
    its class. All people then weigh the same. Default: all images weigh the same."""
    train_to: End | None = None
    """Last block that trains, or the last unit of one. Later units stay frozen, but for the classifier. Photos that
    differ in their pixels ask for the first units alone (Lee et al. 2023, "Surgical fine-tuning"). Default: all units
    after the boundary train."""

    if TYPE_CHECKING:  # the constructor takes raw values, the fields hold what was read
        # fmt: off
        def __init__(
            self, name: str, train_from: str, epochs: int,
            learning_rate: LearningRate | float | Mapping[Any, object] = ...,
            optimizer: Optimizer | str | Mapping[str, object] = ..., batch_norm: Literal["frozen", "train"] = ...,
            keep_probability: float = ..., loss: Loss | str | Mapping[str, object] = ...,
            init: Literal["prototypes"] | None = ..., sampling: Sampling | Mapping[str, object] = ...,
            mining: Mining | str | Mapping[str, object] | None = ..., weight_decay: float = ..., l2_sp: float = ...,
            distillation: Distillation | float | Mapping[str, object] = ...,
            center_loss: CenterLoss | Mapping[str, object] = ...,
            prelogits_norm: PrelogitsNorm | Mapping[str, object] = ..., warmup_epochs: float = ...,
            layer_decay: float = ..., clip_norm: float | None = ..., ema: float = ...,
            early_stopping: int | None = ..., accept: Accept | Mapping[str, object] | None = ...,
            steps_per_epoch: int | None = ..., class_weight: Literal["balanced"] | None = ...,
            train_to: str | None = ...,
        ) -> None: ...
        # fmt: on

    def rules(self) -> Iterator[Fault]:
        """Yield the keys that conflict with the loss."""
        if self.loss:
            yield from self.loss.rules_of(self)

    def _title(self) -> str:
        return f"Stage({self.name!r})" if self.name else "Stage"

    @property
    def terms(self) -> tuple[objectives.Term, ...]:
        """All terms beside the loss, requested or not, in the order in which they are added to it."""
        of_images = self.prelogits_norm, self.center_loss, self.distillation
        penalties = objectives.WeightDecay(factor=self.weight_decay), objectives.L2SP(factor=self.l2_sp)
        return *of_images, *penalties

    @property
    def last_epoch(self) -> int:
        """Last epoch that has a learning rate; below `epochs` if the schedule stops earlier."""
        return self.learning_rate.last_epoch(self.epochs)

    @property
    def trains(self) -> str:
        """The blocks that train, in words."""
        return f"{self.train_from} {'and after' if self.train_to is None else f'to {self.train_to}'}"

    @property
    def slug(self) -> str:
        """Name as used for folders, without spaces."""
        return self.name.replace(" ", "-")
