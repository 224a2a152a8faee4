"""What an export holds, whatever its format: the weights, the contract of the pixels and the classes' names."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping

import numpy as np

from finetune.errors import Problem, UserError
from finetune.images import Preprocessing
from finetune.model import Model, is_head


@dataclasses.dataclass(frozen=True, eq=False)
class Content:
    """What writers write.

    Attributes:
        tensors: float32 by TF1 name, as the checkpoint stores them; with those of `Logits` where the head goes along.
        preprocessing: the contract.
        class_names: what the classes are called, in order; empty without a head, or where nobody knows.
        step: of the checkpoint.
    """

    tensors: Mapping[str, np.ndarray]
    preprocessing: Preprocessing
    class_names: tuple[str, ...]
    step: int

    @classmethod
    def of(cls, model: Model, *, head: bool) -> Content:
        """A model's, with its classifier or without.

        Raises:
            UserError: it has none.
        """
        if head and model.num_classes is None:
            raise UserError(Problem(model.source.prefix, "holds no classifier", "leave out the head"))
        names = [name for name in model.variables if head or not is_head(name)]
        step = re.search(r"-(\d+)$", model.source.name)
        return cls(
            model.tensors(names),
            model.preprocessing,
            model.class_names if head else (),
            int(step[1]) if step else 0,
        )

    @property
    def head(self) -> bool:
        """Whether the classifier goes along."""
        return any(map(is_head, self.tensors))
