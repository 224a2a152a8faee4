"""MTCNN's cascade (Zhang et al., 2016) as in FaceNet's `detect_face.py`, for many images at once."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np

from finetune.align.faces import Faces
from finetune.align.geometry import Boxes, regress, square, suppress
from finetune.align.networks import Floats, Networks
from finetune.images import Pixels

Image = Pixels | Floats
"""Pixels [height, width, 3] of either type, 0..255."""

MIN_FACE_SIZE = 20
THRESHOLDS = (0.6, 0.7, 0.7)
"""Probabilities that a box must reach in P-Net, and exceed in R-Net and O-Net."""
FACTOR = 0.709
"""Scale factor from one image of the pyramid to the next."""
WINDOW, STRIDE = 12, 2
"""Window and stride of P-Net, in pixels."""
PIXELS = 25_000
"""Pixels per call of P-Net on several images: the features then stay in the processor's cache."""
STRIP = 200_000
"""Pixels above which an image is split into strips for P-Net."""
FLOATS = 1_000_000
"""Values above which an image stays uint8, to bound memory. OpenCV resizes float32 in less time, to the same values."""
CROPS = 8
"""Crops per call of R-Net and O-Net."""


class Detector:
    """Face detector.

    Args:
        min_face_size: side of the smallest face to detect, in pixels.
        score: probability that a face must exceed in the last network, 0..1.
    """

    def __init__(self, min_face_size: float = MIN_FACE_SIZE, score: float = THRESHOLDS[2]) -> None:
        self.min_face_size = min_face_size
        self.thresholds = (*THRESHOLDS[:2], score)
        self._networks = Networks()

    def __call__(self, images: Sequence[Pixels]) -> list[Faces]:
        """Return the faces of each RGB image, uint8 [height, width, 3]; sizes may differ."""
        if not images:
            return []
        given = [image.astype(np.float32) if image.size <= FLOATS else image for image in images]
        return self._output(given, self._refine(given, self._propose(given)))

    def _propose(self, images: Sequence[Image]) -> list[Boxes]:
        """Return squares that may hold a face, by P-Net on a pyramid of each image: whole numbers, [n, 4] per image."""
        found: list[list[_Candidates]] = [[] for _ in images]
        for indices in _by_size(images):
            height, width = images[indices[0]].shape[:2]
            for scale in _scales(min(height, width), self.min_face_size):
                size = (math.ceil(width * scale), math.ceil(height * scale))
                for part in _parts(indices, max(1, PIXELS // (size[0] * size[1]))):
                    levels = [cv2.resize(images[i], size, interpolation=cv2.INTER_AREA) for i in part]
                    windows = self._windows(np.stack(levels, dtype=np.float32))
                    for i, probabilities, regressions in zip(part, *windows, strict=True):
                        found[i].append(_candidates(probabilities, regressions, scale, self.thresholds[0]))
        return [_merged(candidates) for candidates in found]

    def _windows(self, images: Floats) -> tuple[Floats, Floats]:
        """Run P-Net on images of one size; large images are split into strips, for the same windows in less memory."""
        rows = max(1, STRIP // images.shape[2] // STRIDE)  # of windows
        all_rows = math.ceil((images.shape[1] - 2) / STRIDE) - 4  # as `Networks.propose` says
        strips = [
            self._networks.propose(images[:, STRIDE * row : STRIDE * (row + rows) + WINDOW - STRIDE])
            for row in range(0, all_rows, rows)
        ]
        if len(strips) == 1:
            return strips[0]
        probabilities, regressions = (np.concatenate(outputs, axis=1) for outputs in zip(*strips, strict=True))
        return probabilities, regressions

    def _refine(self, images: Sequence[Image], squares: Sequence[Boxes]) -> list[Boxes]:
        """Return the squares that R-Net accepts as faces, moved by its regressions and made square again."""
        refined = []
        probabilities, regressions = _over(self._networks.refine, _crops(images, squares, 24))
        for boxes, scores, moves in _split(squares, probabilities, regressions):
            passed = scores > self.thresholds[1]
            boxes, scores, moves = boxes[passed], scores[passed], moves[passed]
            kept = suppress(boxes, scores, 0.7, "union")
            refined.append(np.fix(square(regress(boxes[kept], moves[kept], last_pixel=1))))
        return refined

    def _output(self, images: Sequence[Image], squares: Sequence[Boxes]) -> list[Faces]:
        """Return the faces that O-Net accepts among the squares, with their landmarks."""
        faces = []
        outputs = _over(self._networks.output, _crops(images, squares, 48))
        for boxes, scores, moves, landmarks in _split(squares, *outputs):
            passed = scores > self.thresholds[2]
            boxes, scores, moves, landmarks = boxes[passed], scores[passed], moves[passed], landmarks[passed]
            sides = boxes[:, 2:] - boxes[:, :2] + 1
            points = boxes[:, :2].repeat(5, axis=1) + landmarks * sides.repeat(5, axis=1) - 1
            boxes = regress(boxes, moves, last_pixel=1)
            kept = suppress(boxes, scores, 0.7, "smaller")
            faces.append(Faces(boxes[kept], scores[kept], points[kept], len(kept)))
        return faces


class _Candidates(NamedTuple):
    """Candidate windows of one image: boxes [n, 4], probabilities [n], regressions [n, 4]."""

    boxes: Boxes
    scores: Floats
    regressions: Floats


def _scales(side: int, min_face_size: float) -> Iterator[float]:
    """Yield the scales of the pyramid.

    At the first scale, the smallest face fills P-Net's window. At the last, the shorter side is still at least one
    window.
    """
    largest = WINDOW / min_face_size
    side_there = side * largest
    for level in itertools.count():
        if side_there < WINDOW:
            return
        yield largest * FACTOR**level
        side_there *= FACTOR


def _candidates(probabilities: Floats, regressions: Floats, scale: float, threshold: float) -> _Candidates:
    """Return the windows of one pyramid level that may hold a face, in pixels of the photo.

    Args:
        probabilities: probability of a face in each window, [rows, columns].
        regressions: regression of each window, [rows, columns, 4].
        scale: scale of the pyramid level.
        threshold: least probability of a candidate.
    """
    possible = probabilities >= threshold
    columns, rows = np.nonzero(possible.T)
    # The published code mirrors the regressions if there is only one window.
    taken = columns if len(columns) != 1 else probabilities.shape[1] - 1 - columns
    corners = STRIDE * np.stack([columns, rows], axis=1)
    boxes = np.fix(np.concatenate([corners + 1, corners + WINDOW], axis=1) / scale)
    scores = probabilities[rows, columns]
    kept = suppress(boxes, scores, 0.5, "union")
    return _Candidates(boxes[kept], scores[kept], regressions[rows, taken][kept])


def _merged(levels: Sequence[_Candidates]) -> Boxes:
    """Merge the candidates of all pyramid levels, without duplicates: moved, made square, whole numbers [n, 4]."""
    if not levels:
        return np.empty((0, 4))
    boxes, scores, regressions = (np.concatenate(parts) for parts in zip(*levels, strict=True))
    kept = suppress(boxes, scores, 0.7, "union")
    return np.fix(square(regress(boxes[kept], regressions[kept], last_pixel=0)))


def _crops(images: Sequence[Image], squares: Sequence[Boxes], side: int) -> Floats:
    """Cut the squares of all images, resized to float32 [n, side, side, 3], black outside the image.

    A square's coordinates count pixels from 1 and include its last pixel.
    """
    crops = np.empty((sum(map(len, squares)), side, side, 3), np.float32)
    for crop, (image, box) in zip(crops, _each(images, squares), strict=True):
        left, top, right, bottom = box
        inside = image[max(top - 1, 0) : max(bottom, 0), max(left - 1, 0) : max(right, 0)]
        inside = inside.astype(np.float32, copy=False)
        before, after = (max(1 - top, 0), max(1 - left, 0)), (bottom - image.shape[0], right - image.shape[1])
        if any(before) or max(after) > 0:
            whole = np.zeros((bottom - top + 1, right - left + 1, 3), np.float32)
            whole[before[0] : before[0] + inside.shape[0], before[1] : before[1] + inside.shape[1]] = inside
            inside = whole
        cv2.resize(inside, (side, side), dst=crop, interpolation=cv2.INTER_AREA)
    return crops


def _each(images: Sequence[Image], squares: Sequence[Boxes]) -> Iterator[tuple[Image, list[int]]]:
    for image, boxes in zip(images, squares, strict=True):
        for box in boxes.astype(int).tolist():
            yield image, box


def _over(network: Callable[[Floats], tuple[Floats, ...]], crops: Floats) -> tuple[Floats, ...]:
    """Run a network on crops in batches of `CROPS`: with a constant batch size, a crop's outputs don't vary."""
    lacking = -len(crops) % CROPS if len(crops) else CROPS
    padded = np.concatenate([crops, np.zeros((lacking, *crops.shape[1:]), np.float32)])
    outputs = [network(padded[start : start + CROPS]) for start in range(0, len(padded), CROPS)]
    return tuple(np.concatenate(output)[: len(crops)] for output in zip(*outputs, strict=True))


def _split(squares: Sequence[Boxes], *outputs: Floats) -> Iterator[tuple[Any, ...]]:
    """Iterate over each image's boxes with its rows of a network's outputs."""
    ends = np.cumsum([len(boxes) for boxes in squares])[:-1]
    return zip(squares, *(np.split(output, ends) for output in outputs), strict=True)


def _by_size(images: Sequence[Image]) -> list[list[int]]:
    """Group the images' indices by size."""
    sizes: dict[tuple[int, ...], list[int]] = {}
    for i, image in enumerate(images):
        sizes.setdefault(image.shape, []).append(i)
    return list(sizes.values())


def _parts(indices: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    return (indices[start : start + size] for start in range(0, len(indices), size))
