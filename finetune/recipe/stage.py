"""One stage of training: what trains, for how long, and how."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from finetune.architecture import HEAD, boundary
from finetune.recipe.batches import MINING, SAMPLING, Mining, PeopleTimesImages, Sampling
from finetune.recipe.checks import ABOVE_0, ABOVE_0_TO_1, FROM_0, FROM_0_BELOW_1, Check, one_of, optional, text, whole
from finetune.recipe.learning_rate import LEARNING_RATE, LearningRate
from finetune.recipe.loss import LOSS, Loss
from finetune.recipe.optimizer import OPTIMIZER, Optimizer
from finetune.recipe.section import UNREAD, Problem, Section, section
from finetune.recipe.sections import Accept, CenterLoss, PrelogitsNorm
from finetune.training import objectives

_NAME = re.compile(r"[A-Za-z0-9_-]([A-Za-z0-9 _-]{0,62}[A-Za-z0-9_-])?")


def _name(value: object) -> str | None:
    name = text(value)
    return name if name and _NAME.fullmatch(name) else None


def _boundary(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    boundary(value)
    return value


NAME = Check("1 to 64 letters, digits, '_', '-' and spaces between them", _name)
BOUNDARY = Check("the first block that trains, such as Logits, Block8 or Repeat_2", _boundary)


@dataclasses.dataclass(frozen=True, init=False)
class Stage(Section):
    """A stage: all before the boundary is frozen, the rest trains.

    The constructor takes what a recipe would hold: `Stage("head", train_from="Logits", epochs=5,
    learning_rate={0: 0.01, 3: 0.001})`.

    Attributes:
        name: unique in a recipe; letters, digits, spaces, `_` and `-`.
        train_from: the boundary, a block or one of its units: `Logits`, `Block8`, `Repeat_2/block8_4`.
        epochs: passes over the training images, from 1.
        learning_rate: by epoch; 0.001 where the recipe is silent.
        optimizer: Adam with Keras' constants where the recipe is silent.
        batch_norm: whether the units that train use the stored moving statistics (`frozen`) or the
            batch's, and update the stored ones (`train`).
        keep_probability: of dropout before `Bottleneck`, which acts only where that trains; above
            0, at most 1.
        loss: what is minimized: softmax, ArcFace, CosFace or triplets.
        init: `prototypes` makes the classifier anew from the people's mean embeddings when the stage begins; None
            goes on with the one that stands, which a run begins by drawing.
        sampling: which images an epoch draws; each once, where the recipe is silent.
        mining: how the negatives of triplets are found; `random` where the recipe is silent.
        weight_decay: the factor of the L2 penalty on the weights that train, from 0.
        l2_sp: the factor of the L2 penalty on how far they are from the restored checkpoint's, the classifier's
            apart, from 0 (Li et al. 2018, "Explicit inductive bias for transfer learning").
        distillation: the factor of the mean squared distance of embeddings to the restored checkpoint's of the same
            images, from 0 (after Li and Hoiem 2016, "Learning without forgetting").
        center_loss: the pull of prelogits to the centre of their class.
        prelogits_norm: the penalty on the norm of the prelogits.
        warmup_epochs: over so many epochs the learning rate rises from 0 in equal steps, from 0; parts of one too.
        layer_decay: the rate of each block is that of the block after it times this; above 0, at most 1 (Howard and
            Ruder 2018, "ULMFiT", have 1 / 2.6).
        clip_norm: gradients are scaled down where their global norm is above this, above 0; None: never.
        ema: the decay of the moving average of the weights, which is what is measured and kept, from 0 (none), below
            1. As the published script has it (0.9999 there), it is less in the first steps: (1 + n) / (10 + n).
        early_stopping: stop after so many epochs without a lower validation loss.
        accept: what the stage must not cost, on LFW's pairs or on strangers'; else it is rolled back.

    Raises:
        RecipeError: values that can't be used, one line each.
    """

    name: Annotated[str, NAME]
    train_from: Annotated[str, BOUNDARY]
    epochs: Annotated[int, whole(1)]
    learning_rate: Annotated[LearningRate, LEARNING_RATE]
    optimizer: Annotated[Optimizer, OPTIMIZER]
    batch_norm: Annotated[Literal["frozen", "train"], one_of(("frozen", "train"))]
    keep_probability: Annotated[float, ABOVE_0_TO_1]
    loss: Annotated[Loss, LOSS]
    init: Annotated[Literal["prototypes"] | None, optional(one_of(("prototypes",)))]
    sampling: Annotated[Sampling, SAMPLING]
    mining: Annotated[Mining | None, optional(MINING)]
    weight_decay: Annotated[float, FROM_0]
    l2_sp: Annotated[float, FROM_0]
    distillation: Annotated[float, FROM_0]
    center_loss: Annotated[CenterLoss, section(CenterLoss)]
    prelogits_norm: Annotated[PrelogitsNorm, section(PrelogitsNorm)]
    warmup_epochs: Annotated[float, FROM_0]
    layer_decay: Annotated[float, ABOVE_0_TO_1]
    clip_norm: Annotated[float | None, optional(ABOVE_0)]
    ema: Annotated[float, FROM_0_BELOW_1]
    early_stopping: Annotated[int | None, optional(whole(1, unit="epochs"))]
    accept: Annotated[Accept | None, optional(section(Accept))]

    # Written out for the types: the constructor takes raw values, the fields hold what became of them.
    def __init__(
        self,
        name: str,
        train_from: str,
        epochs: int,
        learning_rate: LearningRate | float | Mapping[Any, object] = 0.001,
        optimizer: Optimizer | str | Mapping[str, object] = "adam",
        batch_norm: Literal["frozen", "train"] = "frozen",
        keep_probability: float = 1.0,
        loss: Loss | str | Mapping[str, object] = "softmax",
        init: Literal["prototypes"] | None = None,
        sampling: Sampling | Mapping[str, object] = "shuffled",
        mining: Mining | str | Mapping[str, object] | None = None,
        weight_decay: float = 0.0,
        l2_sp: float = 0.0,
        distillation: float = 0.0,
        center_loss: CenterLoss | Mapping[str, object] = CenterLoss(),  # noqa: B008 (frozen)
        prelogits_norm: PrelogitsNorm | Mapping[str, object] = PrelogitsNorm(),  # noqa: B008 (frozen)
        warmup_epochs: float = 0.0,
        layer_decay: float = 1.0,
        clip_norm: float | None = None,
        ema: float = 0.0,
        early_stopping: int | None = None,
        accept: Accept | Mapping[str, object] | None = None,
    ) -> None:
        self._read(locals())

    def _across(self) -> Iterable[Problem]:
        if self.loss and self.loss.mined:
            yield from self._of_triplets()
        elif self.mining and self.loss:
            yield Problem(("mining",), "only triplets are mined; give loss: triplet, or remove it")

    def _of_triplets(self) -> Iterable[Problem]:
        if self.train_from == HEAD:
            text = f"a triplet loss trains embeddings and no classifier, and all before {HEAD} is frozen; "
            yield Problem(("train_from",), f"{text}give Bottleneck or a block before it")
        if self.init:
            text = "a triplet loss makes the classifier from the people's mean embeddings when it ends; remove it"
            yield Problem(("init",), text)
        mining = self.mining
        grouped = isinstance(self.sampling, PeopleTimesImages)
        if mining and mining.in_batch and not grouped and self.sampling:
            text = f"{mining.used[-1]!r} negatives are found within a batch; give sampling: {{people: 18, images: 5}}"
            yield Problem(("mining",), text)
        unread = UNREAD in (mining, mining and mining.negatives, mining and mining.then)
        if grouped and not (mining and mining.in_batch) and not unread:
            text = "random and bank negatives are drawn from the whole dataset; remove it, or give mining: semi_hard"
            yield Problem(("sampling",), text)
        if self.sampling in ("balanced", "square_root"):
            yield Problem(("sampling",), "found it beside loss: triplet, where each image is an anchor once; remove it")

    def _title(self) -> str:
        return f"Stage({self.name!r})" if self.name else "Stage"

    @property
    def terms(self) -> tuple[objectives.Term, ...]:
        """The terms beside the loss, asked for or not, in the order in which they are added to it."""
        of_images = self.prelogits_norm, self.center_loss, objectives.Distillation(self.distillation)
        return *of_images, objectives.WeightDecay(self.weight_decay), objectives.L2SP(self.l2_sp)

    @property
    def last_epoch(self) -> int:
        """Return the last epoch that has a learning rate; fewer than `epochs` where the schedule stops earlier."""
        return self.learning_rate.last_epoch(self.epochs)

    @property
    def slug(self) -> str:
        """The name as folders spell it: no spaces."""
        return self.name.replace(" ", "-")
