"""One stage of training: what trains, for how long, and how."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from finetune.architecture import boundary
from finetune.recipe.checks import ABOVE_0_TO_1, FROM_0, Check, one_of, optional, text, whole
from finetune.recipe.learning_rate import LEARNING_RATE, LearningRate
from finetune.recipe.optimizer import OPTIMIZER, Optimizer
from finetune.recipe.section import Section, section
from finetune.recipe.sections import Accept, PrelogitsNorm

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
        weight_decay: the factor of the L2 penalty on the weights that train, from 0.
        prelogits_norm: the penalty on the norm of the prelogits.
        early_stopping: stop after so many epochs without a lower validation loss.
        accept: roll the stage back where it lowers an LFW figure by more than this.

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
    weight_decay: Annotated[float, FROM_0]
    prelogits_norm: Annotated[PrelogitsNorm, section(PrelogitsNorm)]
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
        weight_decay: float = 0.0,
        prelogits_norm: PrelogitsNorm | Mapping[str, object] = PrelogitsNorm(),  # noqa: B008 (frozen)
        early_stopping: int | None = None,
        accept: Accept | Mapping[str, object] | None = None,
    ) -> None:
        self._read(locals())

    def _title(self) -> str:
        return f"Stage({self.name!r})" if self.name else "Stage"

    @property
    def slug(self) -> str:
        """The name as folders spell it: no spaces."""
        return self.name.replace(" ", "-")
