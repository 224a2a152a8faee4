"""Learning rate of each variable in each step; no other module computes it.

It is the product of retry factor, schedule, warm-up and layer factor, multiplied in this order.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from finetune.backbones import Backbone
from finetune.recipe import Stage


@dataclasses.dataclass(frozen=True)
class Rates:
    """Learning rates of one attempt at a stage.

    Attributes:
        stage: stage with the schedule, the warm-up and the layer decay.
        retry: factor of this attempt: 1 at first, and smaller in each retry.
    """

    stage: Stage
    retry: float = 1.0

    def of_epoch(self, epoch: int) -> float:
        """Return the rate of an epoch, counted from 1, without the warm-up."""
        return self.retry * (self.stage.learning_rate.rate(epoch, self.stage.epochs) or 0.0)

    def of_step(self, epoch: int, n_batches: int, step: int) -> float:
        """Return the rate of the classifier in a step.

        Args:
            epoch: number of the epoch, from 1.
            n_batches: number of steps in this epoch, which converts the epochs of the warm-up to steps.
            step: number of the step within the attempt, from 1.
        """
        return self.of_epoch(epoch) * _warm_up(self.stage.warmup_epochs * n_batches, step)


def of_layer(rate: float, factor: float) -> float:
    """Return the rate of variables with a layer factor, given the classifier's rate."""
    return rate * factor


def after_retry(retry: float, stage: Stage) -> float:
    """Return the retry factor of the next attempt at a stage."""
    assert stage.accept is not None
    return retry * stage.accept.slower


def layer_factors(backbone: Backbone, names: Sequence[str], layer_decay: float) -> dict[str, float]:
    """Return each variable's layer factor: `layer_decay` to the power of the number of blocks after its own."""
    blocks = backbone.blocks
    numbers = {name: blocks.index((backbone.unit_of(name) or "").split("/")[0]) for name in names}
    return {name: layer_decay ** (len(blocks) - 1 - number) for name, number in numbers.items()}


def _warm_up(steps: float, step: int) -> float:
    """Return the factor of a step's rate, which rises to 1 over the given number of steps."""
    return min(1.0, step / steps) if steps else 1.0
