"""What an export holds, whatever its format: weights, contract, names of the classes, of the input and the outputs."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from finetune.backbones import Backbone
from finetune.errors import Problem, UserError
from finetune.images import Preprocessing

if TYPE_CHECKING:
    from finetune.model import Model

IMAGES = "images"
"""The name of the input: uint8 [n, s, s, 3], RGB."""
EMBEDDINGS, CLASS_LOGITS, PROBABILITIES = "embeddings", "logits", "probabilities"
"""The names of the outputs, the same in every format."""


@dataclasses.dataclass(frozen=True, eq=False)
class Content:
    """What writers write.

    Attributes:
        backbone: the network.
        tensors: float32 by TF1 name, as the checkpoint stores them; with the head's where it goes along.
        preprocessing: the contract.
        class_names: what the classes are called, in order; empty without a head, or where nobody knows.
        step: of the checkpoint.
    """

    backbone: Backbone
    tensors: Mapping[str, np.ndarray]
    preprocessing: Preprocessing
    class_names: tuple[str, ...]
    step: int

    @classmethod
    def of(cls, model: Model, *, head: bool) -> Content:
        """Return what a model exports, with its classifier or without.

        Raises:
            UserError: it has none.
        """
        if head and model.num_classes is None:
            raise UserError(Problem(model.where, "holds no classifier", "leave out the head"))
        names = [name for name in model.variables if head or not model.backbone.is_head(name)]
        step = re.search(r"-(\d+)$", model.origin.source.name if model.origin else "")
        return cls(
            model.backbone,
            model.tensors(names),
            model.preprocessing,
            model.class_names if head else (),
            int(step[1]) if step else 0,
        )

    @property
    def head(self) -> bool:
        """Return whether the classifier goes along."""
        return any(map(self.backbone.is_head, self.tensors))
