"""Threshold of a clustering without labels, from the similarities of the faces themselves."""

from __future__ import annotations

import numpy as np

from finetune.arrays import Doubles, Floats, Labels
from finetune.clustering.constraints import Constraints
from finetune.clustering.linkage import Known, average_linkage

MOST_ROWS = 2_000
"""Largest number of faces whose pairs are compared: two million pairs."""
ROUNDS = 4
UPPER = 0.1
"""Higher of the two quantiles that the first round takes."""


def estimate_threshold(embeddings: Floats, expanded: Floats, far: float) -> float:
    """Estimate the threshold at which a share `far` of the pairs of two people's faces is merged.

    Average linkage of the plain embeddings keeps to the rate if it stops at the similarity that a share `far` of the
    pairs of two people would exceed if their similarities were symmetric. Linkage of the expanded embeddings may merge
    as many pairs of faces as that one. It finds more true pairs, so that fewer false ones are among them.

    Args:
        embeddings: rows of unit length, [n, E], in an order that has nothing to do with their people.
        expanded: the same rows after `expand`, in any metric, [n, E].
        far: share of the pairs, 0 < far < 0.1.

    Returns:
        Mean similarity of expanded embeddings, -1 to 1; 1 if there are fewer than two faces.
    """
    some = slice(None, None, -(-len(embeddings) // MOST_ROWS) or 1)
    plain, rows = embeddings[some], expanded[some]
    n = len(plain)
    if n < 2:
        return 1.0
    sizes = np.bincount(_plain_clusters(plain, far))
    share = float((sizes * (sizes - 1)).sum()) / (n * (n - 1))
    as_many = Known(np.arange(n), share)
    return average_linkage(rows, 0.0, Constraints.none(n), as_many).threshold


def _plain_clusters(rows: Floats, far: float) -> Labels:
    """Return the clusters of plain embeddings at a threshold that their similarities give.

    Most pairs of faces show two people. Their similarities are taken to lie symmetrically about the median: the
    threshold is as far above it as the quantile `far` is below it, where no pair of one person is. Pairs in one cluster
    are then left out, and the threshold is estimated again. The first round has no clusters yet, and takes two low
    quantiles and a normal distribution.
    """
    n = len(rows)
    first, second = np.triu_indices(n, 1)
    similarities = (rows @ rows.T)[first, second].astype(np.float64)
    threshold = _normal(similarities, far)
    clusters = average_linkage(rows, threshold, Constraints.none(n)).labels
    for _ in range(ROUNDS):
        others = similarities[clusters[first] != clusters[second]]
        found = _mirrored(others, far) if len(others) else 1.0
        if found >= threshold:
            break
        threshold = found
        clusters = average_linkage(rows, threshold, Constraints.none(n)).labels
    return clusters


def _normal(similarities: Doubles, far: float) -> float:
    """Return the quantile 1 - far of the normal distribution through two low quantiles."""
    from scipy.stats import norm

    low, upper = np.quantile(similarities, [far, UPPER])
    deviation = (upper - low) / (norm.ppf(UPPER) - norm.ppf(far))
    return min(1.0, float(low - 2 * norm.ppf(far) * deviation))


def _mirrored(similarities: Doubles, far: float) -> float:
    low, middle = np.quantile(similarities, [far, 0.5])
    return min(1.0, float(2 * middle - low))
