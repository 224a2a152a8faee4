"""Clusterings by other methods, for comparison: DBSCAN, HDBSCAN and Chinese whispers over pairs of similar faces."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix
from sklearn.cluster import DBSCAN, HDBSCAN

from finetune.clustering import similar_pairs

Labels = npt.NDArray[np.int64]
Rows = npt.NDArray[np.float32]
EPS = 1.0
"""Distance of FaceNet's `contributed/cluster.py`, with at least one face per cluster."""
WHISPERED = 0.55
"""Similarity of FaceNet's `contributed/clustering.py`."""
ITERATIONS = 20


def graph(rows: Rows, least: float) -> csr_matrix:
    """Return the similarities of all pairs above a limit, as a symmetric sparse matrix [n, n]."""
    pairs = similar_pairs(rows, least, len(rows))
    parts = [slice(start, start + 2**16) for start in range(0, len(pairs.first), 2**16)]
    found = [np.einsum("ij,ij->i", rows[pairs.first[part]], rows[pairs.second[part]]) for part in parts]
    weights = np.concatenate(found or [np.empty(0, np.float32)]).astype(np.float64)
    half = csr_matrix((weights, (pairs.first, pairs.second)), shape=(len(rows), len(rows)))
    return half + half.T


def dbscan(similar: csr_matrix, eps: float, least: int = 1) -> Labels:
    """Return scikit-learn's DBSCAN by Euclidean distance. A face apart is a cluster of its own."""
    distances = similar.copy()
    distances.data = np.sqrt(np.maximum(2 - 2 * distances.data, 1e-12))
    found = DBSCAN(eps=eps, min_samples=least, metric="precomputed").fit_predict(distances)
    return alone(found)


def hdbscan(rows: Rows, least: int = 5) -> Labels:
    """Return scikit-learn's HDBSCAN by Euclidean distance; its own smallest cluster has five faces."""
    return alone(HDBSCAN(min_cluster_size=least, copy=True).fit_predict(rows))


def whispers(similar: csr_matrix, threshold: float, seed: int = 0) -> Labels:
    """Return the Chinese whispers of faces above a threshold (Biemann 2006), with the weights of their similarities.

    As in FaceNet's script, each face in turn takes the label with the largest sum of similarities, 20 times in another
    order. Two things differ from it. A face without a neighbour keeps a label of its own; the script puts all of them
    into one label 0 and drops them. The script's similarities are those of the embeddings, as here.
    """
    draw, labels = np.random.default_rng(seed), np.arange(similar.shape[0])
    kept = similar.multiply(similar > threshold).tocsr()
    kept.eliminate_zeros()
    starts, others, weights = kept.indptr, kept.indices, kept.data
    for _ in range(ITERATIONS):
        for row in draw.permutation(len(labels)):
            own = slice(starts[row], starts[row + 1])
            if own.start < own.stop:
                near, place = np.unique(labels[others[own]], return_inverse=True)
                labels[row] = near[np.bincount(place, weights[own]).argmax()]
    return labels


def alone(labels: npt.NDArray[np.integer]) -> Labels:
    """Return the labels with one of its own for each face that lies apart."""
    apart = labels < 0
    return np.where(apart, labels.max() + 1 + np.cumsum(apart), labels).astype(np.int64)
