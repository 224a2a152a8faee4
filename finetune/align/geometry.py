"""Boxes as MTCNN computes with them: float [n, 4], left, top, right, bottom, in pixels that count from 0.

Where a width or an area is taken, some steps of the published code count the last pixel and some do not; each
follows it.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

Boxes = npt.NDArray[np.floating]
Indices = npt.NDArray[np.intp]


def suppress(
    boxes: Boxes, scores: npt.NDArray[np.floating], overlap: float, over: Literal["union", "smaller"]
) -> Indices:
    """Greedy non-maximum suppression.

    Args:
        boxes: [n, 4].
        scores: [n]; of equal ones, the later box goes first.
        overlap: a box is dropped where it shares more than this with a better one that was kept.
        over: what the shared area is divided by: the union of both, or the smaller of the two.

    Returns:
        Indices of the kept boxes, best first.
    """
    left, top, right, bottom = boxes.T
    area = (right - left + 1) * (bottom - top + 1)
    order = np.argsort(scores, kind="stable")[::-1]
    kept = []
    while order.size:
        best, order = order[0], order[1:]
        kept.append(best)
        width = np.minimum(right[best], right[order]) - np.maximum(left[best], left[order]) + 1
        height = np.minimum(bottom[best], bottom[order]) - np.maximum(top[best], top[order]) + 1
        shared = np.maximum(width, 0) * np.maximum(height, 0)
        whole = np.minimum(area[best], area[order]) if over == "smaller" else area[best] + area[order] - shared
        order = order[shared <= overlap * whole]
    return np.array(kept, dtype=np.intp)


def regress(boxes: Boxes, regressions: npt.NDArray[np.floating], last_pixel: int) -> Boxes:
    """Moves each side by its regression, in units of the box's width or height.

    Args:
        last_pixel: 1 where the last pixel counts into width and height, 0 where it does not.
    """
    sides = boxes[:, 2:] - boxes[:, :2] + last_pixel
    return boxes + regressions * np.concatenate([sides, sides], axis=1)


def square(boxes: Boxes) -> Boxes:
    """The squares about the same centres, as wide as the longer side."""
    sides = boxes[:, 2:] - boxes[:, :2]
    longer = sides.max(axis=1, keepdims=True)
    corners = boxes[:, :2] + sides * 0.5 - longer * 0.5
    return np.concatenate([corners, corners + longer], axis=1)
