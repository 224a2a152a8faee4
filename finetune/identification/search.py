"""Exact search by cosine similarity: float32 matrix products in blocks, then float64 for the best candidates."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from finetune.arrays import Floats

ROWS, PROBES = 2**14, 256
"""Rows of the gallery and of the probes per block: 16 MiB of similarities."""
ROUNDING = 2.0**-24


class Nearest(NamedTuple):
    """Most similar rows for each probe, best first. Of equal similarities, the lower row comes first.

    Attributes:
        similarities: float64 [m, k].
        rows: int64 [m, k].
    """

    similarities: npt.NDArray[np.float64]
    rows: npt.NDArray[np.int64]


def nearest(gallery: Floats, probes: Floats, k: int = 1) -> Nearest:
    """Return the k rows of the gallery that are most similar to each probe, exactly.

    The matrix products are float32, for speed. Every row that may be among the k best, given the rounding error, is
    computed again in float64. The result is that of an exhaustive search in float64.

    Args:
        gallery: float32 [n, E], rows of unit length.
        probes: float32 [m, E], rows of unit length.
        k: from 1 to n.

    Raises:
        ValueError: k is out of range.
    """
    if not 1 <= k <= len(gallery):
        raise ValueError(f"k: found {k}; must be from 1 to the {len(gallery)} rows of the gallery")
    gallery = gallery.astype(np.float32, copy=False)
    found = Nearest(np.empty([len(probes), k]), np.empty([len(probes), k], np.int64))
    buffer = np.empty([min(PROBES, len(probes)), min(ROWS, len(gallery))], np.float32)
    for start in range(0, len(probes), PROBES):
        block = slice(start, start + PROBES)
        search = _Search(np.ascontiguousarray(probes[block], np.float32), k)
        for first in range(0, len(gallery), ROWS):
            search.look(gallery[first : first + ROWS], first, buffer)
        found.similarities[block], found.rows[block] = search.best
    return found


class _Search:
    """Best rows so far for a block of probes."""

    def __init__(self, probes: npt.NDArray[np.float32], k: int) -> None:
        self._probes, self._k = probes, k
        self.best = Nearest(np.full([len(probes), k], -np.inf), np.full([len(probes), k], np.iinfo(np.int64).max))
        # |fl(x·y) - x·y| <= E * 2^-24 |x||y|, whatever the order of the sum.
        self._slack = 2 * probes.shape[1] * ROUNDING

    def look(self, gallery: Floats, first: int, buffer: npt.NDArray[np.float32]) -> None:
        """Search a block of the gallery, which begins at row `first`."""
        similarities = buffer[: len(self._probes), : len(gallery)]
        np.matmul(self._probes, gallery.T, out=similarities)
        limits = self.best.similarities[:, -1] - self._slack
        k = min(self._k, len(gallery))
        unfilled = np.isinf(limits)
        if unfilled.any():  # rows below the block's own k best can't be among the best
            own = np.partition(similarities[unfilled], len(gallery) - k, axis=1)[:, len(gallery) - k]
            limits[unfilled] = own - self._slack
        for probe in np.flatnonzero(similarities.max(axis=1) >= limits):
            rows = np.flatnonzero(similarities[probe] >= limits[probe])
            self._take(probe, gallery[rows], first + rows)

    def _take(self, probe: np.intp, candidates: Floats, rows: npt.NDArray[np.intp]) -> None:
        # A matrix product could round equal rows differently. Equal rows must give equal sums.
        exact = (candidates.astype(np.float64) * self._probes[probe].astype(np.float64)).sum(axis=1)
        similarities = np.concatenate([self.best.similarities[probe], exact])
        places = np.concatenate([self.best.rows[probe], rows])
        order = np.lexsort((places, -similarities))[: self._k]
        self.best.similarities[probe], self.best.rows[probe] = similarities[order], places[order]
