"""Similar faces: expansion of each embedding by its neighbours, and the graph of all similar pairs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from finetune.arrays import Floats, Labels, distinct, unit_rows
from finetune.identification import nearest

ROWS, COLUMNS = 2**10, 2**14
"""Sides of a block of similarities: 64 MiB."""
MOST = 128
"""Largest number of neighbours of a face that the graph keeps, the most similar ones. It bounds the memory."""
NEIGHBOURS, POWER = 8, 3
"""Neighbours that are added to an embedding, and the power of their similarity that weights them. On pairs of people in
LFW, BCubed's F changes by less than 0.01 from 5 to 12 neighbours."""


class Edges(NamedTuple):
    """Pairs of similar rows, sorted by `first`, then by `second`.

    Attributes:
        first: lower row of each pair, int32 [e].
        second: higher row of each pair, int32 [e].
    """

    first: npt.NDArray[np.int32]
    second: npt.NDArray[np.int32]


def expand(embeddings: Floats) -> npt.NDArray[np.float32]:
    """Add its nearest neighbours to each embedding, weighted by a power of their similarity.

    This is query expansion (Radenović et al. 2019, "Fine-tuning CNN image retrieval with no human annotation").

    Args:
        embeddings: rows of unit length, [n, E].

    Returns:
        Rows of unit length, float32 [n, E].
    """
    rows = np.asarray(embeddings, np.float32)
    k = min(NEIGHBOURS + 1, len(rows))
    if k < 2:
        return rows
    found = nearest(rows, rows, k)
    own = found.rows == np.arange(len(rows))[:, np.newaxis]
    weights = np.where(own, 0.0, np.clip(found.similarities, 0, 1) ** POWER)
    sums = rows.astype(np.float64)
    for place in range(k):  # one neighbour at a time: no array of [n, k, E]
        sums += weights[:, [place]] * rows[found.rows[:, place]]
    return unit_rows(sums).astype(np.float32)


def expanded_by(
    embedding: npt.NDArray[np.float32], nearest_rows: Floats, similarities: Floats
) -> npt.NDArray[np.float32]:
    """Expand one embedding as `expand` does, by the first of the rows that are nearest to it.

    Args:
        embedding: unit vector, [E].
        nearest_rows: rows of unit length, the most similar first, [k, E].
        similarities: similarity of each, [k].
    """
    weights = np.clip(similarities[:NEIGHBOURS].astype(np.float64), 0, 1) ** POWER
    total = embedding + weights @ nearest_rows[:NEIGHBOURS]
    return unit_rows(total[np.newaxis]).astype(np.float32)[0]


def similar_pairs(embeddings: Floats, least: float, most: int = MOST) -> Edges:
    """Find all pairs of rows whose cosine similarity is at least `least`, by blocks of matrix products.

    The memory holds one block and the pairs that are found. A row keeps its `most` most similar ones.

    Args:
        embeddings: rows of unit length, [n, E].
        least: least similarity, -1 to 1; rounding of float32 may let in pairs slightly below it.
        most: largest number of neighbours that a row brings in.
    """
    rows = np.asarray(embeddings, np.float32)
    n = len(rows)
    keys = np.empty(0, np.int64)
    more: list[Labels] = []
    for start in range(0, n, ROWS):
        block = rows[start : start + ROWS]
        own, others, found = _above(block, rows, start, least)
        if len(own):
            kept = _largest(own, others, found, most)
            low, high = np.minimum(own[kept] + start, others[kept]), np.maximum(own[kept] + start, others[kept])
            more.append(distinct(low * n + high))
        # Both rows of a pair bring it in: joining now and then bounds the memory, and doubling bounds the time.
        if sum(map(len, more)) > len(keys) or start + ROWS >= n:
            keys = distinct(np.concatenate([keys, *more]))
            more.clear()
    first, second = (keys // max(n, 1)).astype(np.int32), (keys % max(n, 1)).astype(np.int32)
    return Edges(first, second)


def _above(
    block: npt.NDArray[np.float32], rows: npt.NDArray[np.float32], start: int, least: float
) -> tuple[Labels, Labels, npt.NDArray[np.float32]]:
    """Return row in the block, row of all, and similarity of each pair above a limit, without pairs of a row itself."""
    parts = []
    floats, flags = (np.empty(len(block) * min(COLUMNS, len(rows)), kind) for kind in (np.float32, np.bool_))
    for first in range(0, len(rows), COLUMNS):
        columns = rows[first : first + COLUMNS]
        shape = len(block), len(columns)
        similarities, is_near = (buffer[: shape[0] * shape[1]].reshape(shape) for buffer in (floats, flags))
        np.matmul(block, columns.T, out=similarities)
        own, others = np.divmod(np.flatnonzero(np.greater_equal(similarities, least, out=is_near)), len(columns))
        apart = own + start != others + first
        own, others = own[apart], others[apart]
        parts.append((own, others + first, similarities[own, others]))
    own, others, found = (np.concatenate(part) for part in zip(*parts, strict=True))
    return own.astype(np.int64), others.astype(np.int64), found


def _largest(own: Labels, others: Labels, found: npt.NDArray[np.float32], most: int) -> npt.NDArray[np.intp]:
    """Return the places of the `most` highest similarities of each row; of equal ones, of the lower rows."""
    order = np.lexsort((others, -found, own))
    starts = np.searchsorted(own[order], own[order], side="left")
    return order[np.arange(len(order)) - starts < most]
