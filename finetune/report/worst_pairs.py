"""The pairs that are decided worst, as small pictures within the page."""

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
"""Pairs of each kind."""
SIDE = 112
"""Pixels; what is shown is as wide as half a phone."""


class PairedImage(NamedTuple):
    """One image of a pair.

    Attributes:
        name: the image's, such as `Ann_Smith_0001`.
        uri: the picture itself; empty where it can't be read.
    """

    name: str
    uri: str


class WrongPair(NamedTuple):
    """A pair that was decided wrongly."""

    first: PairedImage
    second: PairedImage
    distance: float


class Worst(NamedTuple):
    """What went wrong most.

    Attributes:
        false_accepts: of two people, the nearest first.
        false_rejects: of one person, the farthest first.
        n_false_accepts, n_false_rejects: how many there are in all.
        note: why pairs can't be shown; else empty.
    """

    false_accepts: list[WrongPair]
    false_rejects: list[WrongPair]
    n_false_accepts: int
    n_false_rejects: int
    note: str = ""


def worst(result: VerificationResult, lfw: LFW, *, show: bool) -> Worst:
    """The pairs that were decided wrongly in their own folds, the worst of each kind.

    Args:
        result: on the pairs of `lfw`.
        show: False leaves names and pictures out.
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
