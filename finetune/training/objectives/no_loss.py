"""No loss of its own: a stage that minimizes its terms alone, without labels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from finetune.backbones import BACKBONES, DEFAULT
from finetune.schema import Fault, Section
from finetune.training.objectives.loss import Loss, Outputs, StageKeys
from finetune.training.objectives.metric import Metric

if TYPE_CHECKING:
    import tensorflow as tf


class NoLoss(Loss):
    """No loss: the stage minimizes its distillation and its other terms, which need no labels."""

    has_head, judges = False, False
    metrics = (Metric("no_loss"),)
    name: Literal["none"] = "none"

    def compute(self, outputs: Outputs) -> dict[str, tf.Tensor]:
        """Return 0, to which the terms are added."""
        import tensorflow as tf

        return {self.value: tf.constant(0.0)}

    def rules_of(self, stage: StageKeys) -> Iterator[Fault]:
        """Yield the keys of a stage that need a loss, and the lack of a term to minimize."""
        yield from super().rules_of(stage)
        usual = BACKBONES[DEFAULT]
        if stage.train_from == usual.head:
            found = f"without a loss no classifier trains, and all before {usual.head} is frozen"
            yield Fault(("train_from",), found, f"give {usual.embedding_unit} or a block before it")
        if isinstance(stage.distillation, Section) and stage.distillation.factor == 0:
            advice = "give distillation: {factor: 1, of: clean}, or another loss"
            yield Fault(("loss",), "found 'none', and no distillation to minimize", advice)
        if stage.init:
            yield Fault(("init",), "without a loss no classifier trains", "remove it")
        if stage.early_stopping:
            yield Fault(("early_stopping",), "without a loss there is no validation loss to judge by", "remove it")

    def describe(self, stage: StageKeys) -> str:
        """Return a description of the stage's objective."""
        return "distillation alone"
