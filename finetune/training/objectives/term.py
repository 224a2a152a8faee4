"""Base of the terms that a stage adds to its loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from finetune.schema import From0, Section
from finetune.training.objectives.loss import Outputs, Sizes
from finetune.training.objectives.metric import Metric

if TYPE_CHECKING:
    import tensorflow as tf

    from finetune.training.objectives.loss import Tensors


class Term(Section):
    """Term beside the loss, with its factor."""

    metric: ClassVar[Metric]
    factor: From0 = 0.0
    """Weight of the term in the loss, from 0 (none)."""

    @property
    def is_asked_for(self) -> bool:
        """True if a stage measures the term."""
        return bool(self.factor)

    def start(self, sizes: Sizes) -> Tensors:
        """Return the tensors that the term needs, by name. The variables among them are part of a stage's state."""
        return {}

    def applies(self, outputs: Outputs) -> bool:
        """Return whether the term is computed for a batch; otherwise it is 0."""
        return self.is_asked_for

    def compute(self, outputs: Outputs, tensors: Tensors) -> tf.Tensor:
        """Compute the term of a batch, a scalar without its factor, as the metric shows it."""
        raise NotImplementedError

    def weighted(self, value: tf.Tensor) -> tf.Tensor:
        """Compute the term's contribution to the loss."""
        return self.factor * value

    def after_update(self, outputs: Outputs, tensors: Tensors) -> None:
        """Change the term's variables after the weights have been updated."""


class Penalty(Term):
    """Term that depends on the weights alone. Its metric includes the factor."""

    def weighted(self, value: tf.Tensor) -> tf.Tensor:
        """Return the value, which includes the factor."""
        return value
