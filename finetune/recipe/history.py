"""In which forms a run keeps its history, beside `history.csv`."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from finetune.recipe.checks import TRUTH
from finetune.recipe.section import Section


@dataclasses.dataclass(frozen=True)
class History(Section):
    """The forms that are written when asked for.

    Attributes:
        tensorboard: scalars for TensorBoard, in the run's folder `tensorboard`.
        stat_h5: `stat.h5`, as the published script writes it.
    """

    tensorboard: Annotated[bool, TRUTH] = False
    stat_h5: Annotated[bool, TRUTH] = False
