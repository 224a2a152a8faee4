"""Metrics of a stage's steps by name, and their means over an epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from finetune.recipe import Stage
from finetune.training.objectives import GRADIENT_NORM, IMAGES, LOSS, Loss, Metric

STEP_COLUMNS = ("loss", "center_loss", "reg_loss", "xent_loss", "prelogits_norm", "accuracy")
"""Columns of a step in `stat.h5`, as in the published script."""


def metrics_of(stage: Stage) -> tuple[Metric, ...]:
    """Return the metrics of each step of a stage: loss with all terms, loss alone, each term, gradient norm."""
    asked_for = (term.metric for term in stage.terms if term.is_asked_for)
    return LOSS, *stage.loss.metrics, *asked_for, GRADIENT_NORM


class Means:
    """Metrics of an epoch, computed from those of its batches.

    Args:
        metrics: metrics of each batch, in their order.
    """

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = metrics
        self._sums = dict.fromkeys((metric.name for metric in metrics), 0.0)
        self._images = 0

    def add(self, result: Mapping[str, float], images: int) -> None:
        """Add the metrics of a batch with the given number of images."""
        self._images += images
        for metric in self._metrics:
            weight = images if metric.per == IMAGES else result.get(metric.per, 1.0)
            value = result[metric.name]
            self._sums[metric.name] += value if metric.summed else value * weight

    def result(self) -> dict[str, float]:
        """Return each metric's mean over images, or over the metric that it is per; counts are summed."""
        counts = self._sums | {IMAGES: self._images, "": 1}
        return {metric.name: self._sums[metric.name] / max(counts[metric.per], 1.0) for metric in self._metrics}


def training_columns(metrics: Sequence[Metric], means: Mapping[str, float]) -> dict[str, float]:
    """Return the columns of `history.csv` for the means over the training images."""
    return {metric.column: means[metric.name] for metric in metrics if metric.column}


def held_back_columns(loss: Loss, means: Mapping[str, float]) -> dict[str, float]:
    """Return the columns of `history.csv` for the means over the held-back images: the loss and its other metrics."""
    others = {metric.held_back: means[metric.name] for metric in loss.metrics if metric.held_back}
    return {LOSS.held_back: means[loss.value]} | others


def published_columns(loss: Loss, result: Mapping[str, float], images: int) -> tuple[float, ...]:
    """Return the `STEP_COLUMNS` of a step. All terms beside the loss count as regularization."""
    total, own = result[LOSS.name], result[loss.value]
    accuracy = result.get("correct", 0.0) / images
    return total, result.get("center_loss", 0.0), total - own, own, result["prelogits_norm"], accuracy
