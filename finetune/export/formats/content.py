"""Content of an export in any format: weights, input contract, and names of classes, input and outputs."""

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
"""Name of the input: uint8 [n, s, s, c], RGB."""
EMBEDDINGS, CLASS_LOGITS, PROBABILITIES = "embeddings", "logits", "probabilities"
"""Names of the outputs, the same in every format."""


@dataclasses.dataclass(frozen=True, eq=False)
class Content:
    """Content that a writer writes.

    Attributes:
        backbone: backbone of the network.
        tensors: float32 tensors by TF1 name, as the checkpoint stores them; the head's only if it is included.
        preprocessing: input contract.
        class_names: names of the classes, in order; empty without a head, or if they are unknown.
        step: step of the checkpoint.
    """

    backbone: Backbone
    tensors: Mapping[str, np.ndarray]
    preprocessing: Preprocessing
    class_names: tuple[str, ...]
    step: int

    @classmethod
    def of(cls, model: Model, *, head: bool) -> Content:
        """Return the content of a model, with or without its classifier.

        Raises:
            UserError: the model has no classifier.
        """
        if head and model.num_classes is None:
            raise UserError(Problem(model.where, "holds no classifier", "leave out the head"))
        names = [name for name in model.variables if head or not model.backbone.is_head(name)]
        source = model.origin.source if model.origin else None
        step = re.search(r"-(\d+)$", source.name if source else "")
        return cls(
            model.backbone,
            model.tensors(names),
            model.preprocessing,
            model.class_names if head else (),
            int(step[1]) if step else 0,
        )

    @property
    def head(self) -> bool:
        """Return True if the classifier is included."""
        return any(map(self.backbone.is_head, self.tensors))
