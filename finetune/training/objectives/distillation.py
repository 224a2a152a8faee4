"""Distillation, which keeps embeddings near those of the restored checkpoint."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import PlainValidator

from finetune.schema import Fault, From0, Wants, read
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
    of: Literal["clean", "view", "same"] = "clean"
    """Images that the restored checkpoint embeds. `clean`: their central crops without augmentation, once before the
    stage. `view`: the augmented images of each epoch, without the degradations of `augment.camera`, at the cost of a
    forward pass of the whole network (Beyer et al. 2022, "Knowledge distillation: a good teacher is patient and
    consistent"). `same`: the augmented images of each batch, at the cost of a second forward pass of the units that
    train."""
    relations: From0 = 0.0
    """Weight of the relations within the term, from 0. They are the mean squared difference between the Euclidean
    distances of a batch's embeddings and those of their targets (Park et al. 2019, "Relational knowledge
    distillation")."""

    def rules(self) -> Iterator[Fault]:
        """Yield the problem of keys without a factor."""
        if self.factor == 0 and (self.of != "clean" or self.relations):
            yield Fault(("factor",), "missing, or 0", "give a number above 0, or drop the other keys")

    def to_value(self) -> Any:
        """Return the factor alone if it says everything, as recipes have always written it."""
        return self.factor if self.of == "clean" and self.relations == 0 else super().to_value()

    def applies(self, outputs: Outputs) -> bool:
        """Return whether the restored checkpoint's embeddings are given; an evaluation has none."""
        return outputs.targets is not None

    def compute(self, outputs: Outputs, tensors: Tensors) -> tf.Tensor:
        """Compute the mean squared distance between a batch's embeddings and their targets, with the relations."""
        from finetune.training.objectives.distances import distances, relations

        embeddings = outputs.embed(outputs.prelogits)  # [b, E]
        found = distances(embeddings, outputs.targets, "squared")  # [b]
        if self.relations:
            found += self.relations * relations(embeddings, outputs.targets)
        return outputs.mean(found)  # [b] -> scalar


def _distillation(value: object) -> Any:
    """Read the factor alone, or the keys."""
    if isinstance(value, (Mapping, Distillation)):
        return Distillation.read(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError
    factor = read(value, From0)
    return Distillation(factor=factor) if isinstance(factor, float) else factor


AnyDistillation = Annotated[
    Distillation,
    PlainValidator(_distillation, From0 | Distillation),
    Wants("a number from 0, or keys such as {factor: 20, of: same}"),
]
"""Distillation in a recipe: its factor, or its keys."""
