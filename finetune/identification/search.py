"""Exact search by cosine similarity: blocks of a matrix product, and the few that may be among the best looked at
again in float64."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from finetune.arrays import Floats

ROWS, PROBES = 2**14, 256
"""Of the gallery and of the probes, in a block: 16 MiB of similarities."""
ROUNDING = 2.0**-24


class Nearest(NamedTuple):
    """For each probe, the most similar rows first; of equal ones, the lower row.

    Attributes:
        similarities: float64 [m, k].
        rows: int64 [m, k].
    """

    similarities: npt.NDArray[np.float64]
    rows: npt.NDArray[np.int64]


def nearest(gallery: Floats, probes: Floats, k: int = 1) -> Nearest:
    """The k rows of the gallery that are most similar to each probe, exactly.

    The products are float32, and as fast as the machine's. A row that may be among the k best, whatever the
    rounding of its product, is computed again in float64, so that the answer is that of an exhaustive search in it.

    Args:
        gallery: float32 [n, E], rows of unit length.
        probes: float32 [m, E], rows of unit length.
        k: from 1 to n.
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
    """The best so far for a block of probes."""

    def __init__(self, probes: npt.NDArray[np.float32], k: int) -> None:
        self._probes, self._k = probes, k
        self.best = Nearest(np.full([len(probes), k], -np.inf), np.full([len(probes), k], np.iinfo(np.int64).max))
        # |fl(x·y) - x·y| <= E * 2^-24 |x||y|, whatever the order of the sum.
        self._slack = 2 * probes.shape[1] * ROUNDING

    def look(self, gallery: Floats, first: int, buffer: npt.NDArray[np.float32]) -> None:
        """Takes the rows of a block, which begins at row `first` of the gallery."""
        similarities = buffer[: len(self._probes), : len(gallery)]
        np.matmul(self._probes, gallery.T, out=similarities)
        limits = self.best.similarities[:, -1] - self._slack
        k = min(self._k, len(gallery))
        unfilled = np.isinf(limits)
        if unfilled.any():  # of the block's own rows none below its k best can be among the best
            own = np.partition(similarities[unfilled], len(gallery) - k, axis=1)[:, len(gallery) - k]
            limits[unfilled] = own - self._slack
        for probe in np.flatnonzero(similarities.max(axis=1) >= limits):
            rows = np.flatnonzero(similarities[probe] >= limits[probe])
            self._take(probe, gallery[rows], first + rows)

    def _take(self, probe: np.intp, candidates: Floats, rows: npt.NDArray[np.intp]) -> None:
        # Not a matrix product: equal rows must give equal sums, wherever they stand.
        exact = (candidates.astype(np.float64) * self._probes[probe].astype(np.float64)).sum(axis=1)
        similarities = np.concatenate([self.best.similarities[probe], exact])
        places = np.concatenate([self.best.rows[probe], rows])
        order = np.lexsort((places, -similarities))[: self._k]
        self.best.similarities[probe], self.best.rows[probe] = similarities[order], places[order]
