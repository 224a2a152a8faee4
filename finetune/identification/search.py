"""Exact search by cosine similarity: float32 matrix products in blocks, then float64 for the best candidates."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from finetune.arrays import Floats, distinct
from finetune.progress import track

ROWS, PROBES = 2**14, 256
"""Rows of the gallery and of the probes per block: 16 MiB of similarities."""
CANDIDATES = 2**12
"""Similarities that are computed in float64 at once: 32 MiB for embeddings of 512 values."""
ROUNDING = 2.0**-24
MOST_LENGTH = 1.45
"""Length that no row may exceed: more than √2, that of an embedding with its mirror image's appended."""


class Rows(Protocol):
    """Embeddings that are read in blocks of rows, such as an array, an `np.memmap` or a dataset of h5py."""

    def __len__(self) -> int: ...
    def __getitem__(self, rows: slice, /) -> Any: ...


class Nearest(NamedTuple):
    """Most similar rows for each probe, best first. Of equal similarities, the lower row comes first.

    Attributes:
        similarities: float64 [m, k].
        rows: int64 [m, k].
    """

    similarities: npt.NDArray[np.float64]
    rows: npt.NDArray[np.int64]


def nearest(gallery: Rows, probes: Floats, k: int = 1, *, what: str = "") -> Nearest:
    """Return the k rows of the gallery that are most similar to each probe, exactly.

    The matrix products are float32, for speed. Every row that may be among the k best, given the rounding error, is
    computed again in float64. The result is that of an exhaustive search in float64.

    The gallery is read once, in blocks, whatever the number of probes. It may therefore be larger than the memory:
    `map_embeddings` maps a file.

    Args:
        gallery: float16 or float32 [n, E], rows of unit length. Wider types are rounded to float32.
        probes: float32 [m, E], rows of unit length.
        k: from 1 to n.
        what: label of a progress bar for a long search; empty for none.

    Raises:
        ValueError: k is out of range, or a row holds NaN or infinity.
    """
    if not 1 <= k <= len(gallery):
        raise ValueError(f"k: found {k}; must be from 1 to the {len(gallery)} rows of the gallery")
    probes = np.ascontiguousarray(probes, np.float32)
    if not np.isfinite(probes).all():
        raise ValueError("a probe holds NaN or infinity")
    searches = [_Search(probes[start : start + PROBES], k) for start in range(0, len(probes), PROBES)]
    most = min(PROBES, len(probes)) * min(ROWS, len(gallery))
    buffers = np.empty(most, np.float32), np.empty(most, np.bool_)
    firsts = range(0, len(gallery), ROWS)
    for first in track(firsts, len(gallery), what, ROWS) if what else firsts:
        # A block of a mapped file may be of another type, not aligned, or not contiguous.
        block = np.require(gallery[first : first + ROWS], np.float32, ["C", "ALIGNED"])
        for search in searches:
            search.look(block, first, *buffers)
    parts = [search.best for search in searches] or [Nearest(np.empty([0, k]), np.empty([0, k], np.int64))]
    return Nearest(*map(np.concatenate, zip(*parts, strict=True)))


class _Search:
    """Best rows so far for a block of probes."""

    def __init__(self, probes: npt.NDArray[np.float32], k: int) -> None:
        self._probes, self._k = probes, k
        self.best = Nearest(np.full([len(probes), k], -np.inf), np.full([len(probes), k], np.iinfo(np.int64).max))
        # |fl(x·y) - x·y| <= E * 2^-24 |x||y|, whatever the order of the sum. Two sums may differ by both their errors.
        self._slack = 2 * probes.shape[1] * ROUNDING * MOST_LENGTH**2

    def look(
        self,
        gallery: npt.NDArray[np.float32],
        first: int,
        floats: npt.NDArray[np.float32],
        flags: npt.NDArray[np.bool_],
    ) -> None:
        """Search a block of the gallery, which begins at row `first`; a buffer has room for a number per pair."""
        shape = len(self._probes), len(gallery)
        similarities = floats[: shape[0] * shape[1]].reshape(shape)
        np.matmul(self._probes, gallery.T, out=similarities)
        if not np.isfinite(similarities[0]).all():  # such a row shows with any probe
            raise ValueError(f"rows {first} to {first + len(gallery) - 1}: one of them holds NaN or infinity")
        limits = self.best.similarities[:, -1] - self._slack
        k = min(self._k, len(gallery))
        unfilled = np.isinf(limits)
        if unfilled.any():  # rows below the block's own k best can't be among the best
            own = np.partition(similarities[unfilled], len(gallery) - k, axis=1)[:, len(gallery) - k]
            limits[unfilled] = own - self._slack
        probes = np.flatnonzero(similarities.max(axis=1) >= limits)  # later blocks have candidates for few
        if 2 * len(probes) < len(limits):
            similarities, limits = similarities[probes], limits[probes]
        else:
            probes = np.arange(len(limits))
        is_near = flags[: similarities.size].reshape(similarities.shape)
        candidates = np.flatnonzero(np.greater_equal(similarities, limits[:, np.newaxis], out=is_near))
        for start in range(0, len(candidates), CANDIDATES):
            of, rows = np.divmod(candidates[start : start + CANDIDATES], len(gallery))
            self._take(probes[of], gallery[rows], first + rows)

    def _take(self, probes: npt.NDArray[np.intp], candidates: Floats, rows: npt.NDArray[np.intp]) -> None:
        """Take the best of candidates and of what was best before; `probes` is the probe of each, sorted."""
        # A matrix product could round equal rows differently. Equal rows must give equal sums.
        exact = (candidates.astype(np.float64) * self._probes[probes].astype(np.float64)).sum(axis=1)
        some = distinct(probes)
        similarities = np.concatenate([self.best.similarities[some].ravel(), exact])
        places = np.concatenate([self.best.rows[some].ravel(), rows])
        of = np.concatenate([np.repeat(some, self._k), probes])
        order = np.lexsort((places, -similarities, of))
        rank = np.arange(len(order)) - np.searchsorted(of[order], of[order])
        best = order[rank < self._k].reshape(len(some), self._k)
        self.best.similarities[some], self.best.rows[some] = similarities[best], places[best]
