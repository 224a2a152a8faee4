"""Plain MTCNN for one photo, with NumPy for the networks and loops for the rest.

Like the published code, it runs on the photo turned on its side (columns first). It counts pixels from 1 where the
published code does.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from finetune.align.weights import load_weights


def detect(photo: np.ndarray, min_face_size: int = 20, thresholds=(0.6, 0.7, 0.7)) -> list[list[float]]:
    """Return the faces of a photo in the published order: left, top, right, bottom, score, five x, five y."""
    height, width = photo.shape[:2]
    windows = []
    scale = 12 / min_face_size
    while min(height, width) * scale >= 12 - 1e-9:
        level = cv2.resize(photo, (math.ceil(width * scale), math.ceil(height * scale)), interpolation=cv2.INTER_AREA)
        windows += suppress(level_windows(level, scale, thresholds[0]), 0.5)
        scale *= 0.709
    squares = []
    for left, top, right, bottom, _, *moves in suppress(windows, 0.7):
        w, h = right - left, bottom - top
        squares.append(square(left + moves[0] * w, top + moves[1] * h, right + moves[2] * w, bottom + moves[3] * h))

    refined = []
    for box in squares:
        moves, logits = rnet(cut(photo, box, 24))
        if (score := probability(logits)) > thresholds[1]:
            refined.append([*box, score, *moves])
    squares = [square(*moved(box)) for box in suppress(refined, 0.7)]

    faces = []
    for box in squares:
        moves, points, logits = onet(cut(photo, box, 48))
        if (score := probability(logits)) > thresholds[2]:
            w, h = box[2] - box[0] + 1, box[3] - box[1] + 1
            x = [box[0] + w * point - 1 for point in points[:5]]
            y = [box[1] + h * point - 1 for point in points[5:]]
            faces.append([*moved([*box, score, *moves]), score, *x, *y])
    return suppress(faces, 0.7, smaller=True)


def level_windows(level: np.ndarray, scale: float, threshold: float) -> list[list[float]]:
    """Return P-Net's windows in a pyramid level, columns first. A lone one takes its mirror image's regression."""
    moves, logits = pnet(level.transpose(1, 0, 2))
    scores = probability(logits)
    found = [(x, y) for x in range(scores.shape[0]) for y in range(scores.shape[1]) if scores[x, y] >= threshold]
    boxes = []
    for x, y in found:
        corners = [math.trunc((2 * i + 1) / scale) for i in (x, y)] + [math.trunc((2 * i + 12) / scale) for i in (x, y)]
        taken = scores.shape[0] - 1 - x if len(found) == 1 else x
        boxes.append([*corners, scores[x, y], *moves[taken, y]])
    return boxes


def suppress(boxes: list[list[float]], threshold: float, smaller: bool = False) -> list[list[float]]:
    left = sorted(boxes, key=lambda box: box[4])[::-1]
    kept = []
    while left:
        best = left.pop(0)
        kept.append(best)
        left = [box for box in left if overlap(best, box, smaller) <= threshold]
    return kept


def overlap(a: list[float], b: list[float], smaller: bool) -> float:
    w = min(a[2], b[2]) - max(a[0], b[0]) + 1
    h = min(a[3], b[3]) - max(a[1], b[1]) + 1
    shared = max(w, 0) * max(h, 0)
    areas = [(box[2] - box[0] + 1) * (box[3] - box[1] + 1) for box in (a, b)]
    return shared / (min(areas) if smaller else sum(areas) - shared)


def moved(box: list[float]) -> list[float]:
    w, h = box[2] - box[0] + 1, box[3] - box[1] + 1
    return [side + move * length for side, move, length in zip(box[:4], box[5:9], (w, h, w, h), strict=True)]


def square(left: float, top: float, right: float, bottom: float) -> list[int]:
    w, h = right - left, bottom - top
    longer = max(w, h)
    x, y = left + w / 2 - longer / 2, top + h / 2 - longer / 2
    return [math.trunc(side) for side in (x, y, x + longer, y + longer)]


def cut(photo: np.ndarray, box: list[int], side: int) -> np.ndarray:
    """Cut a box and resize it to a square, columns first. Pixels count from 1, ends included; outside is black."""
    left, top, right, bottom = box
    canvas = np.zeros((bottom - top + 1, right - left + 1, 3))
    for row in range(max(top, 1), min(bottom, photo.shape[0]) + 1):
        for column in range(max(left, 1), min(right, photo.shape[1]) + 1):
            canvas[row - top, column - left] = photo[row - 1, column - 1]
    return cv2.resize(canvas, (side, side), interpolation=cv2.INTER_AREA).transpose(1, 0, 2)


def probability(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers[..., 1] / powers.sum(axis=-1)


def pnet(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    w = published("pnet")
    x = pool(prelu(conv(standardized(x), *w[0:2]), w[2]), 2, same=True)
    x = prelu(conv(x, *w[3:5]), w[5])
    x = prelu(conv(x, *w[6:8]), w[8])
    return conv(x, *w[9:11]), conv(x, *w[11:13])


def rnet(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    w = published("rnet")
    x = pool(prelu(conv(standardized(x), *w[0:2]), w[2]), 3, same=True)
    x = pool(prelu(conv(x, *w[3:5]), w[5]), 3)
    x = prelu(conv(x, *w[6:8]), w[8])
    x = prelu(x.ravel() @ w[9] + w[10], w[11])
    return x @ w[12] + w[13], x @ w[14] + w[15]


def onet(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    w = published("onet")
    x = pool(prelu(conv(standardized(x), *w[0:2]), w[2]), 3, same=True)
    x = pool(prelu(conv(x, *w[3:5]), w[5]), 3)
    x = pool(prelu(conv(x, *w[6:8]), w[8]), 2, same=True)
    x = prelu(conv(x, *w[9:11]), w[11])
    x = prelu(x.ravel() @ w[12] + w[13], w[14])
    return x @ w[15] + w[16], x @ w[17] + w[18], x @ w[19] + w[20]


def published(name: str) -> list[np.ndarray]:
    """Return a network's weights for photos with columns first."""
    return [a.swapaxes(0, 1) if a.ndim == 4 else a.ravel() if a.ndim == 3 else a for a in load_weights(name)]


def standardized(pixels: np.ndarray) -> np.ndarray:
    return (pixels.astype(np.float64) - 127.5) / 128


def conv(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    windows = sliding_window_view(x, kernel.shape[:2], axis=(0, 1))  # [h, w, channels, kernel, kernel]
    return np.einsum("hwcij,ijco->hwo", windows, kernel, optimize=True) + bias


def prelu(x: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0) + alpha * np.minimum(x, 0)


def pool(x: np.ndarray, size: int, same: bool = False) -> np.ndarray:
    """Pool with stride 2. `same` pads where the last window would not fit, on both sides as TensorFlow does."""
    if same:
        lacking = [max((-(-n // 2) - 1) * 2 + size - n, 0) for n in x.shape[:2]]
        padding = [(n // 2, n - n // 2) for n in lacking]
        x = np.pad(x, [*padding, (0, 0)], constant_values=-np.inf)
    return sliding_window_view(x, (size, size), axis=(0, 1))[::2, ::2].max(axis=(-2, -1))
