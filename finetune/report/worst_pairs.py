"""Pairs with the worst wrong decisions, as small pictures within the page."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from finetune.errors import DataError
from finetune.images import ImageError, read_image
from finetune.recipe import LFW
from finetune.verification import ImagePairs, VerificationResult, read_pairs, resolve, sampled

SHOWN = 6
"""Number of pairs of each kind."""
SIDE = 112
"""Side in pixels: half the width of a phone."""


class PairedImage(NamedTuple):
    """One image of a pair.

    Attributes:
        name: name of the image, such as `Ann_Smith_0001`.
        uri: picture as a data URI; empty if it can't be read.
    """

    name: str
    uri: str


class WrongPair(NamedTuple):
    """Pair that was decided wrongly."""

    first: PairedImage
    second: PairedImage
    distance: float


class Worst(NamedTuple):
    """Pairs with the worst wrong decisions.

    Attributes:
        false_accepts: accepted pairs of two people, the nearest first.
        false_rejects: rejected pairs of one person, the farthest first.
        n_false_accepts, n_false_rejects: numbers of all such pairs.
        note: reason why pairs can't be shown; else empty.
    """

    false_accepts: list[WrongPair]
    false_rejects: list[WrongPair]
    n_false_accepts: int
    n_false_rejects: int
    note: str = ""


def worst(result: VerificationResult, lfw: LFW, *, show: bool) -> Worst:
    """Return the pairs that were decided wrongly in their own folds, the worst of each kind.

    Args:
        result: result on the pairs of `lfw`.
        show: False to leave out names and pictures.
    """
    if result.distances is None or result.is_same is None:
        return Worst([], [], 0, 0, "The distances of the pairs were not kept.")
    wrong, same = ~result.correct, result.is_same
    counts = int((wrong & ~same).sum()), int((wrong & same).sum())
    if not show:
        return Worst([], [], *counts, "Pictures and names were left out, as asked for.")
    try:
        pairs = sampled(resolve(read_pairs(lfw.pairs), lfw.dir, lfw.missing), lfw.sample)
    except DataError as error:
        return Worst([], [], *counts, f"The pairs can't be read any more: {'; '.join(map(str, error.problems))}")
    if pairs.sha256 != result.pairs_sha256:
        return Worst([], [], *counts, f"{lfw.pairs} and {lfw.dir} no longer give the pairs that were measured.")
    order = np.argsort(result.distances, kind="stable")
    accepts = [row for row in order if wrong[row] and not same[row]]
    rejects = [row for row in order[::-1] if wrong[row] and same[row]]
    false_accepts, false_rejects = ([_pair(pairs, result, row) for row in rows[:SHOWN]] for rows in (accepts, rejects))
    return Worst(false_accepts, false_rejects, *counts)


def _pair(pairs: ImagePairs, result: VerificationResult, row: int) -> WrongPair:
    assert result.distances is not None
    first, second = (_face(pairs.paths[index[row]]) for index in (pairs.index1, pairs.index2))
    return WrongPair(first, second, float(result.distances[row]))


def _face(path: Path) -> PairedImage:
    try:
        image = Image.fromarray(read_image(path))
    except ImageError:
        return PairedImage(path.stem, "")
    image.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80)
    return PairedImage(path.stem, f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}")
