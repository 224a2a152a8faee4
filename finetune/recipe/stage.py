"""One stage of training: what trains, for how long, and how."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field

from finetune.backbones import BACKBONES, DEFAULT
from finetune.errors import UserError
from finetune.recipe.sections import Accept
from finetune.schema import Above0, Above0To1, Fault, From0, From0Below1, From1, Range, Section, Unread, Wants
from finetune.training import objectives
from finetune.training.objectives import AnyLoss, AnyMining, CenterLoss, Loss, Mining, PrelogitsNorm, Sampling, Softmax
from finetune.training.optimization import AnyOptimizer, AnyRate, Constant, LearningRate, Optimizer

BOUNDARIES = tuple(dict.fromkeys(name for backbone in BACKBONES.values() for name in backbone.boundaries))
"""The boundaries of all backbones; the recipe has one of them."""
_HEAD, _EMBEDDING, *_ = reversed(BACKBONES[DEFAULT].blocks)


def _boundary(name: str) -> Any:
    if name in BOUNDARIES:
        return name
    try:
        return BACKBONES[DEFAULT].boundary(name)
    except UserError as error:
        return Unread(*(Fault((), problem.found, problem.advice) for problem in error.problems))


Name = Annotated[
    str,
    Field(pattern="^[A-Za-z0-9_-]([A-Za-z0-9 _-]{0,62}[A-Za-z0-9_-])?$"),
    Wants("1 to 64 letters, digits, '_', '-' and spaces between them"),
]
Boundary = Annotated[
    str,
    AfterValidator(_boundary),
    Field(json_schema_extra={"enum": BOUNDARIES}),
    Wants(f"the first block that trains, such as {_HEAD} or {_EMBEDDING}"),
]


class Stage(Section):
    """A stage: all before the boundary is frozen, the rest trains.

    The constructor takes what a recipe would hold: `Stage("head", train_from="Logits", epochs=5,
    learning_rate={0: 0.01, 3: 0.001})`.
    """

    name: Name
    """Name, unique in a recipe: letters, digits, spaces, `_` and `-`."""
    train_from: Boundary
    """The boundary: the first block, or unit of one, that trains, such as `Logits` or `Repeat_2/block8_4`."""
    epochs: From1
    """Number of passes over the training images, from 1."""
    learning_rate: AnyRate = Constant(0.001)
    """Learning rate of each epoch: a number above 0, steps, exponential or cosine decay, or a schedule file."""
    optimizer: AnyOptimizer = Optimizer()
    """Optimizer, with Keras' constants where no others are given."""
    batch_norm: Literal["frozen", "train"] = "frozen"
    """Whether batch norm of the units that train uses the stored moving statistics (`frozen`), or the batch's and
    updates the stored ones (`train`)."""
    keep_probability: Above0To1 = 1.0
    """Share that dropout before the embedding layer keeps, above 0, at most 1; it acts only where that layer trains."""
    loss: AnyLoss = Softmax()
    """What is minimized: a loss by its name, or by its name and constants."""
    init: Literal["prototypes"] | None = None
    """`prototypes` makes the classifier anew from the people's mean embeddings when the stage begins. Default: it goes
    on with the one that stands, which a run begins by drawing."""
    sampling: Sampling = "shuffled"
    """Which images an epoch draws. `shuffled`: each image once. `balanced`: each person as likely as any other.
    `square_root`: each person with a probability in proportion to the square root of the number of their images."""
    mining: AnyMining | None = None
    """How the negatives of triplets are found. Default: `random`."""
    weight_decay: From0 = 0.0
    """Factor of the L2 penalty on the weights that train, from 0."""
    l2_sp: From0 = 0.0
    """Factor of the L2 penalty on how far the weights that train are from the restored checkpoint's, the classifier's
    apart, from 0 (Li et al. 2018, "Explicit inductive bias for transfer learning")."""
    distillation: From0 = 0.0
    """Factor of the mean squared distance of embeddings to the restored checkpoint's of the same images, from 0 (after
    Li and Hoiem 2016, "Learning without forgetting")."""
    center_loss: CenterLoss = CenterLoss()
    """The pull of prelogits to the center of their class."""
    prelogits_norm: PrelogitsNorm = PrelogitsNorm()
    """The penalty on the norm of the prelogits."""
    warmup_epochs: From0 = 0.0
    """Number of epochs, parts of one too, over which the learning rate rises from 0 in equal steps; from 0."""
    layer_decay: Above0To1 = 1.0
    """Factor between the rate of each block and that of the block after it, above 0, at most 1 (Howard and Ruder 2018,
    "ULMFiT", have 1 / 2.6)."""
    clip_norm: Above0 | None = None
    """Global norm above which gradients are scaled down, above 0. Default: never."""
    ema: From0Below1 = 0.0
    """Decay of the moving average of the weights, which is what is measured and kept; from 0 (none), below 1. As the
    published script has it (0.9999 there), it is less in the first steps: (1 + n) / (10 + n)."""
    early_stopping: Annotated[int, Range(ge=1, of="a whole number of epochs")] | None = None
    """Number of epochs without a lower validation loss after which the stage stops, from 1. Default: never."""
    accept: Accept | None = None
    """What the stage must not cost, on LFW's pairs or on strangers'; else it is rolled back."""

    if TYPE_CHECKING:  # fields hold what became of the raw values that the constructor takes
        # fmt: off
        def __init__(
            self, name: str, train_from: str, epochs: int,
            learning_rate: LearningRate | float | Mapping[Any, object] = ...,
            optimizer: Optimizer | str | Mapping[str, object] = ..., batch_norm: Literal["frozen", "train"] = ...,
            keep_probability: float = ..., loss: Loss | str | Mapping[str, object] = ...,
            init: Literal["prototypes"] | None = ..., sampling: Sampling | Mapping[str, object] = ...,
            mining: Mining | str | Mapping[str, object] | None = ..., weight_decay: float = ..., l2_sp: float = ...,
            distillation: float = ..., center_loss: CenterLoss | Mapping[str, object] = ...,
            prelogits_norm: PrelogitsNorm | Mapping[str, object] = ..., warmup_epochs: float = ...,
            layer_decay: float = ..., clip_norm: float | None = ..., ema: float = ...,
            early_stopping: int | None = ..., accept: Accept | Mapping[str, object] | None = ...,
        ) -> None: ...
        # fmt: on

    def rules(self) -> Iterator[Fault]:
        """Yield what does not go with the loss."""
        if self.loss:
            yield from self.loss.rules_of(self)

    def _title(self) -> str:
        return f"Stage({self.name!r})" if self.name else "Stage"

    @property
    def terms(self) -> tuple[objectives.Term, ...]:
        """The terms beside the loss, asked for or not, in the order in which they are added to it."""
        of_images = self.prelogits_norm, self.center_loss, objectives.Distillation(factor=self.distillation)
        penalties = objectives.WeightDecay(factor=self.weight_decay), objectives.L2SP(factor=self.l2_sp)
        return *of_images, *penalties

    @property
    def last_epoch(self) -> int:
        """The last epoch that has a learning rate; fewer than `epochs` where the schedule stops earlier."""
        return self.learning_rate.last_epoch(self.epochs)

    @property
    def slug(self) -> str:
        """The name as folders spell it: no spaces."""
        return self.name.replace(" ", "-")
