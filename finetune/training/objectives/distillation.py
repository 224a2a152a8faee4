"""Distillation, which keeps embeddings near those of the restored checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from finetune.training.objectives.loss import Outputs
from finetune.training.objectives.metric import Metric
from finetune.training.objectives.term import Term

if TYPE_CHECKING:
    import tensorflow as tf

    from finetune.training.objectives.loss import Tensors


class Distillation(Term):
    """Mean squared distance between embeddings and the restored checkpoint's embeddings of the same images.

    Li and Hoiem 2016, "Learning without forgetting", distil the outputs of a classifier instead of embeddings.
    """

    metric = Metric(
        "distillation",
        column="distillation",
        meaning="Mean squared distance of the embeddings to the restored checkpoint's, without its factor.",
    )

    def applies(self, outputs: Outputs) -> bool:
        """Return whether the restored checkpoint's embeddings are given; an evaluation has none."""
        return outputs.targets is not None

    def compute(self, outputs: Outputs, tensors: Tensors) -> tf.Tensor:
        """Compute the mean squared distance between a batch's embeddings and their targets."""
        from finetune.training.objectives.distances import distances

        embeddings = outputs.embed(outputs.prelogits)  # [b, E]
        return outputs.mean(distances(embeddings, outputs.targets, "squared"))  # [b] -> scalar
