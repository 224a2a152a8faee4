"""Distances between the two embeddings of each pair, in float64, and checks of the embeddings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

import numpy as np
import numpy.typing as npt

from finetune.arrays import Doubles
from finetune.errors import DataError, Problem
from finetune.verification import Distance

DISTANCES: tuple[Distance, ...] = get_args(Distance)


def pair_distances(first: Doubles, second: Doubles, distance: Distance) -> Doubles:
    """Compute the distance between the two rows of each pair.

    Args:
        first: embeddings of the first images, [n, E].
        second: embeddings of the second images, [n, E].
        distance: `euclidean` for the squared Euclidean distance, `cosine` for the angle divided by π (0 to 1).

    Returns:
        Distances, float64 [n].

    Raises:
        DataError: some pairs have no such distance.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        if distance == "euclidean":
            difference = first - second
            result = _dot(difference, difference)
        else:
            norms = np.sqrt(_dot(first, first)) * np.sqrt(_dot(second, second))
            # Rounding can make a cosine 1.0000001, and its arccos NaN.
            result = np.arccos(np.clip(_dot(first, second) / norms, -1, 1)) / np.pi
    unknown = np.flatnonzero(~np.isfinite(result))
    if len(unknown):
        raise DataError(
            Problem(
                "embeddings",
                f"found {len(unknown)} pairs without a {distance} distance, the first in row {unknown[0]}: one is "
                "zero or the mean, or too large",
                "check the model that gave them",
            )
        )
    return result


def _dot(first: Doubles, second: Doubles) -> Doubles:
    """Compute the inner product of each pair of rows."""
    return np.einsum("ne,ne->n", first, second)  # [n, E] -> [n]


def unusable(name: str, embeddings: npt.NDArray[np.generic]) -> Iterator[Problem]:
    """Yield the reasons why embeddings can't be compared; `name` is their name in messages."""
    if embeddings.ndim != 2 or not np.issubdtype(embeddings.dtype, np.number):
        found = f"{embeddings.dtype} of shape {embeddings.shape}"
        yield Problem(name, f"found {found}", "give numbers of shape [n, E], one row for each pair")
        return
    unknown = np.flatnonzero(~np.isfinite(embeddings).all(axis=1))
    if len(unknown):
        found = f"NaN or infinity in {len(unknown)} of {len(embeddings)} rows, the first in row {unknown[0]}"
        yield Problem(name, f"found {found}", "check the model that gave them")


def unknown_distance(distance: str) -> Iterator[Problem]:
    """Yield a problem if the distance does not exist."""
    if distance not in DISTANCES:
        yield Problem("distance", f"found {distance!r}", f"choose one of {', '.join(DISTANCES)}")
