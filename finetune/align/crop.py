"""Cutting faces from a photo as FaceNet's `align_dataset_mtcnn.py` does."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from finetune.align.geometry import Boxes
from finetune.images import ImageError, Pixels


def choose(boxes: Boxes, height: int, width: int) -> int:
    """Which of several faces a photo is of: the largest, with weight on the centre.

    It is the largest in area less twice the squared distance, in pixels, of its centre from the photo's.

    Args:
        boxes: [n, 4], n from 1; of equal ones, the first is taken.
        height, width: of the photo.
    """
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    offsets = (boxes[:, :2] + boxes[:, 2:]) / 2 - np.array([width, height]) / 2
    return int(np.argmax(areas - 2 * (offsets**2).sum(axis=1)))


def crop(pixels: Pixels, box: npt.NDArray[np.float64], size: int, margin: int, turns: int = 0) -> Image.Image:
    """Cut one face, grown by half the margin on each side, clipped to the photo and resized, its aspect not kept.

    Args:
        pixels: uint8 [height, width, 3].
        box: left, top, right, bottom in pixels.
        size: side of the result, in pixels.
        margin: pixels of the photo.
        turns: by 90 degrees, counterclockwise, that the face takes to stand upright.

    Raises:
        ImageError: the box lies outside the photo.
    """
    height, width = pixels.shape[:2]
    half = margin / 2
    left, top = (int(max(corner - half, 0)) for corner in box[:2])
    right, bottom = int(min(box[2] + half, width)), int(min(box[3] + half, height))
    if right <= left or bottom <= top:
        raise ImageError(f"a face outside the photo of {width}x{height} pixels")
    face = np.rot90(pixels[top:bottom, left:right], turns)
    # SciPy's imresize, which the published script calls, is Pillow's.
    return Image.fromarray(face).resize((size, size), Image.Resampling.BILINEAR)
