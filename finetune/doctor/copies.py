"""Detection of copies: candidate pairs come from matrix products on thumbnails, and are verified by registration.

Candidates are pairs whose thumbnails correlate. These thumbnails are grey, 16 x 16 pixels. Structures coarser than a
face's features are removed and, in larger sets, the mean of all images. One image of a pair may be cropped by 3 or 6
percent on each side.

Candidates are verified at 32 x 32 pixels. An affine warp is fitted by the enhanced correlation coefficient
(Evangelidis and Psarakis, 2008). The fitted images must then correlate by `SAME_PICTURE`. Both steps ignore
brightness and contrast. Mirror images are not found.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from finetune.doctor.thumbnails import SIDE, Rows, Thumbnails
from finetune.images import ImageError, read_image
from finetune.progress import track

CANDIDATE = 0.66
SAME_PICTURE = 0.97
"""Least correlation of copies after the fit. Copies of LFW's crops have 0.98 or more, if saved with JPEG quality 50,
resized, brightened by 15 percent, or cropped by up to 8 percent per side. Two photos of the same moment have 0.96 or
less."""
COARSE = 16
"""Side of the thumbnails that candidates are found with, in pixels."""
ENOUGH_FOR_A_MEAN = 100
"""Least number of images for a mean that no single picture dominates."""
CUTS = (0, 1, 2)
"""Pixels of the thumbnail that are cropped on each side."""
CELLS = 2**24
"""Cells per block of the matrix product: 64 MiB."""
CHUNK = 256
NEIGHBOURS = 8
"""Candidates of an image that are verified per cut: the most similar ones."""
WHOLE = np.full([SIDE, SIDE], 255, np.uint8)
MOST_SCALE, MOST_SHEAR = 0.25, 0.04
"""Limits of a cropped copy's warp; a face that has turned or moved needs a larger warp."""


class Edge(NamedTuple):
    """Pair of images that are the same picture: their rows, their likeness, and whether all pixels are equal."""

    first: int
    second: int
    likeness: float
    equal: bool


def copies(images: Thumbnails, *, near: bool = True) -> list[Edge]:
    """Return the pairs of images that are the same picture.

    For n images with the same bytes there are only n - 1 pairs, each with the first of these images.

    Args:
        images: images to compare.
        near: True to find copies with different bytes too.
    """
    first: dict[bytes, int] = {}
    edges = [
        Edge(first[key], row, 1.0, equal=True)
        for row, key in enumerate(images.digests)
        if first.setdefault(key, row) != row
    ]
    if not near:
        return edges
    rows = np.array(list(first.values()), np.int64)
    return edges + _verified(images, images, _candidates(images, rows, images, rows))


def copies_between(images: Thumbnails, others: Thumbnails) -> list[Edge]:
    """Return the pairs that are the same picture, with the first from `images` and the second from `others`."""
    known = {key: row for row, key in enumerate(others.digests)}
    edges = [Edge(row, known[key], 1.0, equal=True) for row, key in enumerate(images.digests) if key in known]
    rest = np.array([row for row, key in enumerate(images.digests) if key not in known], np.int64)
    every = np.array(sorted(known.values()), np.int64)
    return edges + _verified(images, others, _candidates(images, rest, others, every))


def _candidates(
    images: Thumbnails, rows: npt.NDArray[np.int64], others: Thumbnails, other_rows: npt.NDArray[np.int64]
) -> list[tuple[int, int]]:
    """Return pairs that may be the same picture, without duplicates: rows of `images` and of `others`."""
    found: set[tuple[int, int]] = set()
    passes = [(cut, 0) for cut in CUTS] + ([(0, cut) for cut in CUTS if cut] if images is not others else [])
    step = max(1, CELLS // max(1, len(other_rows)))
    starts = [(number, start) for number in range(len(passes)) for start in range(0, len(rows), step)]
    mean, whole = _mean(others, other_rows), np.empty([0, COARSE * COARSE], np.float32)
    for number, start in track(starts, len(starts), "looking for copies"):
        cut, other_cut = passes[number]
        if start == 0:
            whole = _unit(_described(others, other_rows, other_cut) - mean)
        block = rows[start : start + step]
        likeness = _unit(_described(images, block, cut) - mean) @ whole.T
        if images is others:
            np.fill_diagonal(likeness[:, start:], -1)  # an image and itself
        for i, j in _nearest(likeness):
            pair = int(block[i]), int(other_rows[j])
            found.add((min(pair), max(pair)) if images is others else pair)
    return sorted(found)


def _nearest(likeness: npt.NDArray[np.float32]) -> Iterator[tuple[int, int]]:
    """Yield each row with its most similar columns: up to `NEIGHBOURS`, all above `CANDIDATE`."""
    for i in np.flatnonzero(likeness.max(1, initial=-1) > CANDIDATE):
        near = np.flatnonzero(likeness[i] > CANDIDATE)
        for j in near[np.argsort(-likeness[i, near])][:NEIGHBOURS]:
            yield int(i), int(j)


def _described(images: Thumbnails, rows: npt.NDArray[np.int64], cut: int) -> Rows:
    """Return coarse thumbnails of unit norm, [n, COARSE * COARSE]; zeros for an image of uniform grey."""
    out = np.empty([len(rows), COARSE * COARSE], np.float32)
    for start in range(0, len(rows), CHUNK):
        for row, thumbnail in enumerate(images.read(rows[start : start + CHUNK]), start):
            inner = thumbnail[cut : SIDE - cut, cut : SIDE - cut]
            small = cv2.resize(inner, (COARSE, COARSE), interpolation=cv2.INTER_AREA)
            out[row] = (small - cv2.GaussianBlur(small, (0, 0), 2.5, borderType=cv2.BORDER_REFLECT)).ravel()
    return _unit(out - out.mean(1, keepdims=True))


def _mean(images: Thumbnails, rows: npt.NDArray[np.int64]) -> Rows:
    """Return the mean of the coarse thumbnails; zeros if there are too few images."""
    if len(rows) < ENOUGH_FOR_A_MEAN:
        return np.zeros(COARSE * COARSE, np.float32)
    return np.asarray(_described(images, rows, 0).mean(0), np.float32)


def _unit(rows: Rows) -> Rows:
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(norms > 1e-3, norms, np.inf), np.float32)


def _verified(images: Thumbnails, others: Thumbnails, pairs: list[tuple[int, int]]) -> list[Edge]:
    def verify(pair: tuple[int, int]) -> Edge | None:
        i, j = pair
        a, b = images.read([i])[0], others.read([j])[0]
        if np.array_equal(a, b) and _same_pixels(images, i, others, j):
            return Edge(i, j, 1.0, equal=True)
        likeness = likeness_of(a, b)
        return Edge(i, j, likeness, equal=False) if likeness >= SAME_PICTURE else None

    def verify_chunk(start: int) -> list[Edge | None]:
        return [verify(pair) for pair in pairs[start : start + CHUNK]]

    with ThreadPoolExecutor() as pool:
        chunks = pool.map(verify_chunk, range(0, len(pairs), CHUNK))
        tracked = track(chunks, len(pairs), "comparing pictures", CHUNK)
        return [edge for chunk in tracked for edge in chunk if edge]


def likeness_of(a: Rows, b: Rows) -> float:
    """Return the likeness of two thumbnails [SIDE, SIDE], -1 to 1: their correlation after the fit."""
    start, wide, close = _closest_cut(a, b)
    try:
        criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 50, 1e-4)
        _, warp = cv2.findTransformECC(close, wide, start, cv2.MOTION_AFFINE, criteria, WHOLE, 1)
    except cv2.error:  # the fit does not converge, or an image is uniform grey
        return -1.0
    if np.abs(np.diag(warp) - 1).max() > MOST_SCALE or max(abs(warp[0, 1]), abs(warp[1, 0])) > MOST_SHEAR:
        return -1.0
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    fitted = np.asarray(
        cv2.warpAffine(wide, warp, (SIDE, SIDE), flags=flags, borderMode=cv2.BORDER_REPLICATE), np.float32
    )
    inside = cv2.warpAffine(np.ones_like(wide), warp, (SIDE, SIDE), flags=flags) > 0.99
    inside[[0, -1]] = inside[:, [0, -1]] = False
    return _correlation(_features(np.asarray(fitted, np.float32))[inside], _features(close)[inside])


def _closest_cut(a: Rows, b: Rows) -> tuple[Rows, Rows, Rows]:
    """Return the initial warp [2, 3], the wider picture, and the closer one."""
    best = -2.0
    chosen = (np.eye(2, 3, dtype=np.float32), a, b)
    for cut in CUTS:
        for wide, close in ((a, b), (b, a)):
            inner = cv2.resize(wide[cut : SIDE - cut, cut : SIDE - cut], (SIDE, SIDE), interpolation=cv2.INTER_AREA)
            correlation = _correlation(np.asarray(inner, np.float32), close)
            if correlation > best:
                best, scale = correlation, 1 - 2 * cut / SIDE
                chosen = (np.array([[scale, 0, cut], [0, scale, cut]], np.float32), wide, close)
    return chosen


def _features(picture: Rows) -> Rows:
    """Return a frequency band of a thumbnail, without the noise of re-encoding and without the lighting."""
    fine, coarse = (cv2.GaussianBlur(picture, (0, 0), s, borderType=cv2.BORDER_REFLECT) for s in (0.7, 3))
    return np.asarray(fine - coarse, np.float32)


def _correlation(a: Rows, b: Rows) -> float:
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum() + 1e-9))


def _same_pixels(images: Thumbnails, i: int, others: Thumbnails, j: int) -> bool:
    try:
        return np.array_equal(read_image(images.paths[i]), read_image(others.paths[j]))
    except ImageError:  # the file has gone since
        return False
