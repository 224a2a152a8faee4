"""Cross-entropy of the logits, as the published script trains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from finetune.schema import From0Below1
from finetune.training.objectives.classification import Classified
from finetune.training.objectives.loss import Outputs

if TYPE_CHECKING:
    import tensorflow as tf


class Softmax(Classified):
    """Cross-entropy of the logits, as the published script trains."""

    name: Literal["softmax"] = "softmax"
    label_smoothing: From0Below1 = 0.0
    """Share of the target that all classes have in common, from 0, below 1 (Szegedy et al. 2016, "Rethinking the
    Inception architecture"; 0.1 there)."""

    @property
    def smoothing(self) -> float:
        """The share of the targets that all classes have in common while training."""
        return self.label_smoothing

    def logits(self, outputs: Outputs) -> tuple[tf.Tensor, tf.Tensor]:
        """Compute the classifier's logits, [b, classes], which are those of the loss too."""
        logits = outputs.classify(outputs.prelogits)
        return logits, logits
