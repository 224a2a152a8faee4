"""Cropping of faces as in FaceNet's `align_dataset_mtcnn.py`."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from finetune.align.faces import Fallback
from finetune.align.geometry import Boxes
from finetune.images import ImageError, Pixels


def choose(boxes: Boxes, height: int, width: int) -> int:
    """Return the index of a photo's main face: the largest, with a preference for the centre.

    It maximizes the area minus twice the squared distance, in pixels, between the centres of face and photo.

    Args:
        boxes: boxes of the faces, [n, 4], n >= 1; of equal ones, the first is taken.
        height, width: size of the photo, in pixels.
    """
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    offsets = (boxes[:, :2] + boxes[:, 2:]) / 2 - np.array([width, height]) / 2
    return int(np.argmax(areas - 2 * (offsets**2).sum(axis=1)))


def crop(pixels: Pixels, box: npt.NDArray[np.float64], size: int, margin: int, turns: int = 0) -> Image.Image:
    """Cut one face: add the margin, clip to the photo, and resize without keeping the aspect.

    Args:
        pixels: pixels of the photo, uint8 [height, width, 3].
        box: left, top, right, bottom, in pixels.
        size: side of the result, in pixels.
        margin: pixels of the photo added to width and height, half on each side.
        turns: number of counterclockwise turns by 90 degrees that bring the face upright.

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
    # The published script calls SciPy's imresize, which uses Pillow's resize.
    return Image.fromarray(face).resize((size, size), Image.Resampling.BILINEAR)


def resize_without_face(pixels: Pixels, fallback: Fallback, size: int) -> Image.Image:
    """Resize a photo in which no face was found.

    Args:
        pixels: pixels of the photo, uint8 [height, width, 3].
        fallback: `centre` takes the largest square at the photo's centre, so that the aspect stays; `whole` takes the
            whole photo, without keeping its aspect, as faces are resized.
        size: side of the result, in pixels.
    """
    height, width = pixels.shape[:2]
    across, down = (min(height, width),) * 2 if fallback == "centre" else (width, height)
    left, top = (width - across) // 2, (height - down) // 2
    return crop(pixels, np.array([left, top, left + across, top + down], np.float64), size, 0)
