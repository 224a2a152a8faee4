"""Cross-entropy of the logits, as in the published script."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from finetune.schema import From0Below1
from finetune.training.objectives.classification import Classified
from finetune.training.objectives.loss import Outputs

if TYPE_CHECKING:
    import tensorflow as tf


class Softmax(Classified):
    """Cross-entropy of the logits, as in the published script."""

    name: Literal["softmax"] = "softmax"
    label_smoothing: From0Below1 = 0.0
    """Share of the target that is spread evenly over all classes, from 0, below 1 (0.1 in Szegedy et al. 2016,
    "Rethinking the Inception architecture")."""

    @property
    def smoothing(self) -> float:
        """Share of the target that is spread evenly over all classes in training."""
        return self.label_smoothing

    def logits(self, outputs: Outputs) -> tuple[tf.Tensor, tf.Tensor]:
        """Compute the classifier's logits, [b, classes], which are also the logits of the loss."""
        logits = outputs.classify(outputs.prelogits)
        return logits, logits
