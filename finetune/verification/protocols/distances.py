"""Distances between the two embeddings of each pair, in float64, and checks of the embeddings."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, get_args

import numpy as np
import numpy.typing as npt

from finetune.arrays import Doubles
from finetune.errors import DataError, Problem
from finetune.verification import Distance

if TYPE_CHECKING:
    from finetune.verification import ImagePairs

DISTANCES: tuple[Distance, ...] = get_args(Distance)
BLOCK = 1024
"""Number of pairs that are computed at a time. Two blocks of 512 values in float64 take 8 MiB."""
WIDEST = 256 * 2**20
"""Largest number of bytes that all rows may take in float64 to be converted at once."""


@dataclasses.dataclass(frozen=True)
class PairedRows:
    """Pairs of rows of embeddings, which are read block by block.

    Attributes:
        first: embeddings of the first images, [images, E].
        second: embeddings of the second images, [images, E]; often the same array.
        index1: row in `first` of each pair, int [n].
        index2: row in `second` of each pair, int [n].
    """

    first: npt.NDArray[np.generic]
    second: npt.NDArray[np.generic]
    index1: npt.NDArray[np.intp]
    index2: npt.NDArray[np.intp]

    @classmethod
    def of(cls, embeddings: npt.NDArray[np.generic], image_pairs: ImagePairs) -> PairedRows:
        """Return the rows of pairs of images, given the embeddings of `image_pairs.paths`, [images, E]."""
        return cls(embeddings, embeddings, image_pairs.index1, image_pairs.index2)

    def __len__(self) -> int:
        return len(self.index1)

    def only(self, rows: npt.NDArray[np.generic]) -> PairedRows:
        """Return some of the pairs, by a mask or by their numbers."""
        return dataclasses.replace(self, index1=self.index1[rows], index2=self.index2[rows])

    def block(self, start: int) -> tuple[Doubles, Doubles]:
        """Return the rows of the `BLOCK` pairs from number `start`, as two float64 arrays [b, E]."""
        part = slice(start, start + BLOCK)
        sides = (self.first, self.index1[part]), (self.second, self.index2[part])
        first, second = (np.take(rows, index, axis=0).astype(np.float64, copy=False) for rows, index in sides)
        return first, second

    def widened(self) -> PairedRows:
        """Return the pairs with all rows in float64 if these take little memory, which saves each block the work."""
        if 8 * (self.first.size + (0 if self.second is self.first else self.second.size)) > WIDEST:
            return self
        first = self.first.astype(np.float64)
        second = first if self.second is self.first else self.second.astype(np.float64)
        return dataclasses.replace(self, first=first, second=second)

    def sums(self) -> Doubles:
        """Return the sum of all first rows plus that of all second rows, float64 [E], added in their order."""
        first, second = (np.zeros([1, self.first.shape[1]]) for _ in range(2))
        for start in range(0, len(self), BLOCK):
            one, other = self.block(start)
            # The sum so far is the first row, so that the order of the additions does not depend on the blocks.
            first = np.concatenate([first, one]).sum(axis=0, keepdims=True)
            second = np.concatenate([second, other]).sum(axis=0, keepdims=True)
        total: Doubles = (first + second)[0]
        return total


def pair_distances(pairs: PairedRows, distance: Distance, mean: Doubles | None = None) -> Doubles:
    """Compute the distance between the two rows of each pair, in blocks on all cores.

    Args:
        pairs: pairs of rows.
        distance: `euclidean` for the squared Euclidean distance, `cosine` for the angle divided by π (0 to 1).
        mean: row to subtract from every row first, [E]. Default: none.

    Returns:
        Distances, float64 [n].

    Raises:
        DataError: some pairs have no such distance.
    """
    result = np.empty(len(pairs))
    # Norms of rows that are in several pairs are computed once.
    shared = distance == "cosine" and len(pairs) > len(pairs.first)
    norms = _norms(pairs, mean) if shared else None

    def fill(start: int) -> None:
        part = slice(start, start + BLOCK)
        first, second = pairs.block(start)
        if mean is not None:
            first -= mean
            second -= mean
        with np.errstate(over="ignore", invalid="ignore"):
            if distance == "euclidean":
                first -= second
                result[part] = _dot(first, first)
                return
            if norms:
                product = norms[0][pairs.index1[part]] * norms[1][pairs.index2[part]]
            else:
                product = np.sqrt(_dot(first, first)) * np.sqrt(_dot(second, second))
            # Rounding can make a cosine 1.0000001, and its arccos NaN.
            result[part] = np.arccos(np.clip(_dot(first, second) / product, -1, 1)) / np.pi

    _in_blocks(fill, len(pairs))
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


def _norms(pairs: PairedRows, mean: Doubles | None) -> tuple[Doubles, Doubles]:
    """Compute the norm of each row of both arrays, less `mean`: once per image, however many pairs it is in."""

    def of(rows: npt.NDArray[np.generic]) -> Doubles:
        result = np.empty(len(rows))

        def fill(start: int) -> None:
            block = rows[start : start + BLOCK].astype(np.float64)
            if mean is not None:
                block -= mean
            with np.errstate(over="ignore"):
                result[start : start + BLOCK] = np.sqrt(_dot(block, block))

        _in_blocks(fill, len(rows))
        return result

    first = of(pairs.first)
    return first, first if pairs.second is pairs.first else of(pairs.second)


def _in_blocks(fill: Callable[[int], None], n: int) -> None:
    """Call `fill` with the first number of each block of n, on all cores. Blocks don't depend on each other."""
    starts = range(0, n, BLOCK)
    if len(starts) == 1:
        fill(0)
    else:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(fill, starts))


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
