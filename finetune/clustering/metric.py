"""Metric in which faces are compared: the cosine after a linear map that is learned without labels."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from finetune.arrays import Floats, unit_rows
from finetune.brief import Brief
from finetune.clustering.neighbours import NEIGHBOURS
from finetune.identification import nearest

LEAST = 512
"""Fewest faces that a map is learned from. With embeddings of 512 values of people drawn from LFW, a map lowered
BCubed's F in sets of up to 308 faces and raised it in sets of 334 and more."""
PAIRS = 2**14
"""Largest number of pairs that a map is learned from."""
SHORTEST = 1e-12
"""Length that shorter rows are given."""
AT_ONCE = 2**14
"""Rows that are mapped at once where only their lengths are wanted."""


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Metric(Brief):
    """Cosine similarity of embeddings after a linear map.

    Attributes:
        matrix: map that rows are multiplied with, symmetric float32 [E, E]; None for the plain cosine.
    """

    matrix: npt.NDArray[np.float32] | None = None

    def rows(self, embeddings: Floats) -> npt.NDArray[np.float32]:
        """Return mapped rows of unit length, float32 [n, E], whose products are the similarities."""
        rows = np.asarray(embeddings, np.float32)
        return rows if self.matrix is None else unit_rows(rows @ self.matrix)

    def probes(self, embeddings: Floats) -> npt.NDArray[np.float32]:
        """Return rows whose products with plain rows are the similarities times the `lengths` of these, [n, E]."""
        mapped = self.rows(embeddings)
        return mapped if self.matrix is None else mapped @ self.matrix.T

    def lengths(self, embeddings: Floats) -> npt.NDArray[np.float32]:
        """Return the length of each mapped row before it is scaled, float32 [n]; 1 for the plain cosine."""
        if self.matrix is None:
            return np.ones(len(embeddings), np.float32)
        lengths = np.empty(len(embeddings), np.float32)
        for start in range(0, len(embeddings), AT_ONCE):
            part = np.asarray(embeddings[start : start + AT_ONCE], np.float32)
            lengths[start : start + AT_ONCE] = np.linalg.norm(part @ self.matrix, axis=1)
        return np.maximum(lengths, SHORTEST)  # photos without a face have a row of zeros


PLAIN = Metric()
"""Plain cosine."""


def learn_metric(embeddings: Floats) -> Metric:
    """Learn a metric in which the directions that vary from a face to its nearest neighbours count less.

    Near neighbours are mostly faces of one person, so that they differ in what does not tell people apart. The map
    whitens these differences, as relevant component analysis does with pairs that are known to be equivalent
    (Bar-Hillel et al. 2003, "Learning distance functions using equivalence relations"). Their covariance is shrunk
    (Ledoit and Wolf 2004).

    Args:
        embeddings: rows of unit length, [n, E].

    Returns:
        Plain cosine, if there are fewer faces than `LEAST` or than values, or if near neighbours do not differ.
    """
    rows = np.asarray(embeddings, np.float32)
    n, size = rows.shape
    if n < max(LEAST, size):
        return PLAIN
    from sklearn.covariance import ledoit_wolf

    some = np.arange(0, n, -(-n * NEIGHBOURS // PAIRS))
    found = nearest(rows, rows[some], NEIGHBOURS + 1)
    ones, places = np.nonzero(found.rows != some[:, np.newaxis])
    differences = rows[some[ones]].astype(np.float64) - rows[found.rows[ones, places]]
    covariance, _ = ledoit_wolf(differences, assume_centered=True)
    values, vectors = np.linalg.eigh(covariance)
    if values[0] <= np.finfo(np.float32).eps * values[-1] or not values[-1] > 0:
        return PLAIN
    return Metric(((vectors / np.sqrt(values / values[-1])) @ vectors.T).astype(np.float32))
