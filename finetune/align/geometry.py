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
BLOCK = 256


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
    order = np.argsort(scores, kind="stable")[::-1]
    boxes, left = boxes[order], np.ones(len(order), dtype=bool)
    for start in range(0, len(order), BLOCK):  # of boxes that are compared with all that follow, in bounded memory
        clashes = _shared(boxes[start : start + BLOCK], boxes[start:], over) > overlap
        for i, row in enumerate(clashes):
            if left[start + i]:
                left[start + i + 1 :] &= ~row[i + 1 :]
    return order[left]


def _shared(boxes: Boxes, others: Boxes, over: Literal["union", "smaller"]) -> Boxes:
    """The share of area, [n, m], that each of n boxes and each of m others have in common."""
    corners = np.minimum(boxes[:, np.newaxis, 2:], others[:, 2:]) - np.maximum(boxes[:, np.newaxis, :2], others[:, :2])
    common = np.maximum(corners + 1, 0).prod(axis=2)
    area, area_of_others = ((b[:, 2:] - b[:, :2] + 1).prod(axis=1) for b in (boxes, others))
    if over == "smaller":
        return common / np.minimum(area[:, np.newaxis], area_of_others)
    return common / (area[:, np.newaxis] + area_of_others - common)


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
