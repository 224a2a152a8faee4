"""Penalties on the weights: on their size, and on their distance from the restored checkpoint's weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from finetune.training.objectives.loss import Outputs, Sizes
from finetune.training.objectives.metric import Metric
from finetune.training.objectives.term import Penalty

if TYPE_CHECKING:
    import tensorflow as tf

    from finetune.training.objectives.loss import Tensors


class WeightDecay(Penalty):
    """L2 penalty on the kernels that train, without biases."""

    metric = Metric(
        "weight_decay", column="weight_decay", meaning="L2 penalty on the kernels that train, with its factor."
    )

    def compute(self, outputs: Outputs, tensors: Tensors) -> tf.Tensor:
        """Compute this replica's part of the penalty."""
        import tensorflow as tf

        kernels = [variable for name, variable in outputs.weights.items() if name.endswith(("/weights", "kernel"))]
        return self.factor / outputs.replicas * tf.add_n([tf.nn.l2_loss(kernel) for kernel in kernels])


class L2SP(Penalty):
    """L2 penalty on the distance of the weights from the restored checkpoint's weights, without the classifier.

    Li et al. 2018, "Explicit inductive bias for transfer learning".
    """

    metric = Metric(
        "l2_sp",
        column="l2_sp",
        meaning="L2 penalty on the distance of the weights to the restored checkpoint's, with its factor.",
    )

    def start(self, sizes: Sizes) -> Tensors:
        """Return the restored checkpoint's values of the weights that train, by TF1 name."""
        return sizes.restored()

    def compute(self, outputs: Outputs, tensors: Tensors) -> tf.Tensor:
        """Compute this replica's part of the penalty."""
        import tensorflow as tf

        away = [tf.nn.l2_loss(outputs.weights[name] - value) for name, value in tensors.items()]
        return self.factor / outputs.replicas * tf.add_n(away)
