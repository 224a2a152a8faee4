"""BCubed precision and recall of a clustering of labelled faces."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from finetune.arrays import Labels


class BCubed(NamedTuple):
    """Agreement of clusters with people (Amigó et al. 2009, "A comparison of extrinsic clustering evaluation metrics").

    Attributes:
        precision: share of a face's cluster that shows the same person, itself included; the mean over faces, 0 to 1.
        recall: share of a person's faces that lie in the cluster of one of them; the mean over faces, 0 to 1.
        merged: share of the pairs of two people's faces that lie in one cluster, 0 to 1; 0 without such pairs.
    """

    precision: float
    recall: float
    merged: float

    @property
    def f(self) -> float:
        """Harmonic mean of precision and recall."""
        return 2 * self.precision * self.recall / (self.precision + self.recall)


def bcubed(people: Labels, clusters: Labels) -> BCubed:
    """Compare clusters with people.

    Args:
        people: label of each face's person, int64 [n], n from 1.
        clusters: label of each face's cluster, int64 [n]; a face apart is a cluster of its own.

    Raises:
        ValueError: there is no face, or the labels are of two lengths.
    """
    if not len(people) or people.shape != clusters.shape:
        raise ValueError(f"found {people.shape} people and {clusters.shape} clusters; give as many, from one")
    person, n_person = _counts(people)
    cluster, n_cluster = _counts(clusters)
    both, n_both = _counts(person * len(n_cluster) + cluster)
    shared = n_both[both]
    different = _pairs(np.array([len(people)])) - _pairs(n_person)
    merged = (_pairs(n_cluster) - _pairs(n_both)) / different if different else 0.0
    return BCubed(float((shared / n_cluster[cluster]).mean()), float((shared / n_person[person]).mean()), merged)


def _counts(labels: Labels) -> tuple[Labels, Labels]:
    """Return the labels as whole numbers from 0, and the number of faces of each."""
    _, places, counts = np.unique(labels, return_inverse=True, return_counts=True)
    return places.astype(np.int64), counts.astype(np.int64)


def _pairs(counts: Labels) -> int:
    return int((counts * (counts - 1) // 2).sum())
