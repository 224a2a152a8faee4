"""ROC curves: counts of accepted pairs, the area under the curve, and the equal error rate."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from finetune.arrays import Doubles


def accepted(distances: Doubles, thresholds: Doubles) -> npt.NDArray[np.intp]:
    """Count the distances [n] that are below each threshold [points]: [points]."""
    return np.searchsorted(np.sort(distances), thresholds, side="left")


def area(fpr: Doubles, tpr: Doubles) -> float:
    """Compute the area under a ROC curve with trapezoids; both rates are [points], in the order of the thresholds."""
    return float(np.sum(np.diff(fpr) * (tpr[1:] + tpr[:-1]) / 2))


def equal_error_rate(fpr: Doubles, tpr: Doubles) -> float | None:
    """Return the false accept rate where the ROC polyline meets fpr + tpr = 1, or None if it ends before.

    Args:
        fpr: false accept rates, [points], in the order of the thresholds. The first threshold accepts nothing.
        tpr: validation rates, [points], in the same order.
    """
    total = fpr + tpr
    if total[-1] < 1:
        return None
    after = int(np.argmax(total >= 1))  # never 0: the first threshold accepts nothing
    part = (1 - total[after - 1]) / (total[after] - total[after - 1])
    return float(fpr[after - 1] + part * (fpr[after] - fpr[after - 1]))


def summarized(fpr: Doubles, tpr: Doubles) -> tuple[float, float | None, list[str]]:
    """Return the area and the equal error rate of a ROC curve, and notes on them.

    Args:
        fpr: false accept rates, [points], in the order of the thresholds. The first threshold accepts nothing.
        tpr: validation rates, [points], in the same order.
    """
    notes = []
    if fpr[-1] < 1:
        notes.append(f"the AUC is truncated: the thresholds end at a false accept rate of {fpr[-1]:.4f}")
    eer = equal_error_rate(fpr, tpr)
    if eer is None:
        notes.append("there is no EER: the thresholds end before false accepts and false rejects cross")
    return area(fpr, tpr), eer, notes
