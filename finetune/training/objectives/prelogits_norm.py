"""The published script's penalty on the norm of prelogits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from finetune.schema import Above0
from finetune.training.objectives.loss import Outputs
from finetune.training.objectives.metric import Metric
from finetune.training.objectives.term import Term

if TYPE_CHECKING:
    import tensorflow as tf

    from finetune.training.objectives.loss import Tensors

PRELOGITS_EPSILON = 1e-4
"""Number added to |prelogits| before their norm, as in the published script."""


class PrelogitsNorm(Term):
    """The published script's penalty on prelogits: the factor times the mean p-norm over images."""

    metric = Metric(
        "prelogits_norm", column="prelogits_norm", meaning="Mean p-norm of the prelogits, without its factor."
    )
    p: Above0 = 1.0
    """Order of the norm, above 0."""

    @property
    def is_asked_for(self) -> bool:
        """True, because the history shows the term with any factor."""
        return True

    def compute(self, outputs: Outputs, tensors: Tensors) -> tf.Tensor:
        """Compute the mean p-norm of the prelogits."""
        return outputs.mean(prelogits_norm(outputs.prelogits, self.p))


def prelogits_norm(prelogits: tf.Tensor, p: float) -> tf.Tensor:
    """Compute the p-norm of each image's prelogits [b, E], with the published epsilon: [b]."""
    import tensorflow as tf

    return tf.norm(tf.abs(prelogits) + PRELOGITS_EPSILON, ord=p, axis=1)
