"""Geometry of MTCNN's boxes: float [n, 4], left, top, right, bottom, in pixels.

Some steps of the published code include the last pixel in widths and areas, and some do not. Each function follows
the published code.
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
    """Select boxes by greedy non-maximum suppression.

    Args:
        boxes: boxes, [n, 4].
        scores: score of each box, [n]; of equal scores, the later box comes first.
        overlap: largest share of area that a box may have in common with a better box that is kept.
        over: denominator of this share: the union of both areas, or the smaller of the two.

    Returns:
        Indices of the kept boxes, best first.
    """
    order = np.argsort(scores, kind="stable")[::-1]
    boxes, left = boxes[order], np.ones(len(order), dtype=bool)
    for start in range(0, len(order), BLOCK):  # one block against all boxes that follow, to bound memory
        clashes = _shared(boxes[start : start + BLOCK], boxes[start:], over) > overlap
        for i, row in enumerate(clashes):
            if left[start + i]:
                left[start + i + 1 :] &= ~row[i + 1 :]
    return order[left]


def _shared(boxes: Boxes, others: Boxes, over: Literal["union", "smaller"]) -> Boxes:
    """Return the share of area that each of n boxes has in common with each of m others, [n, m]."""
    left, top, right, bottom = boxes.T[:, :, np.newaxis]  # each [n, 1]
    left_of_others, top_of_others, right_of_others, bottom_of_others = others.T
    width = np.minimum(right, right_of_others) - np.maximum(left, left_of_others) + 1
    height = np.minimum(bottom, bottom_of_others) - np.maximum(top, top_of_others) + 1
    common = np.maximum(width, 0) * np.maximum(height, 0)
    area, area_of_others = ((b[:, 2:] - b[:, :2] + 1).prod(axis=1) for b in (boxes, others))
    if over == "smaller":
        return common / np.minimum(area[:, np.newaxis], area_of_others)
    return common / (area[:, np.newaxis] + area_of_others - common)


def regress(boxes: Boxes, regressions: npt.NDArray[np.floating], last_pixel: int) -> Boxes:
    """Move each side by its regression, in units of the box's width or height.

    Args:
        boxes: boxes, [n, 4].
        regressions: regression of each side, [n, 4].
        last_pixel: 1 if width and height include the last pixel, else 0.
    """
    sides = boxes[:, 2:] - boxes[:, :2] + last_pixel
    return boxes + regressions * np.concatenate([sides, sides], axis=1)


def square(boxes: Boxes) -> Boxes:
    """Return squares with the same centres, as wide as the longer side."""
    sides = boxes[:, 2:] - boxes[:, :2]
    longer = sides.max(axis=1, keepdims=True)
    corners = boxes[:, :2] + sides * 0.5 - longer * 0.5
    return np.concatenate([corners, corners + longer], axis=1)
