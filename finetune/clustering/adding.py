"""New faces beside people who were found before: one search per face, and no clustering of the others."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from finetune.arrays import Floats, Labels, class_means
from finetune.clustering.metric import PLAIN, Metric
from finetune.clustering.neighbours import MOST, NEIGHBOURS, expanded_by
from finetune.clustering.people import Clusters

NOWHERE = -1
"""Centre of a face that lies in no cluster, such as a poor one."""


class Centres(NamedTuple):
    """Mean of the expanded embeddings of each cluster, by which a new face finds the one that it joins.

    Attributes:
        of: row of each face's cluster in `means`, int64 [n], or `NOWHERE`.
        means: mean expanded embedding of each cluster, float32 [k, E].
        sizes: number of faces that each is the mean of, int64 [k].
    """

    of: Labels
    means: npt.NDArray[np.float32]
    sizes: Labels

    @classmethod
    def from_clusters(cls, clusters: Clusters) -> Centres:
        """Return the centres of clusters, a single face being one."""
        of = np.unique(clusters.labels, return_inverse=True)[1].astype(np.int64)
        sizes = np.bincount(of).astype(np.int64)
        return cls(of, class_means(clusters.expanded, of, len(sizes)).astype(np.float32), sizes)


class Library:
    """Faces with the people who were found among them, to which photos are added one by one.

    A photo is added in the time of one product of a matrix and a vector per face. The other faces stay where they are,
    where a new clustering could merge two of their clusters over the new face.

    Args:
        embeddings: rows of unit length, [n, E].
        clusters: people that `find_people` found among them.

    Attributes:
        labels: lowest row of each face's cluster, int64 [n], the added faces included.

    Example:
        >>> import numpy as np
        >>> from finetune.clustering import Library, find_people
        >>> faces = np.repeat(np.eye(4, dtype=np.float32), 3, axis=0)
        >>> library = Library(faces, find_people(faces, threshold=0.5))
        >>> library.add(np.eye(4, dtype=np.float32)[[1, 1]]).tolist()
        [3, 13]
    """

    def __init__(self, embeddings: Floats, clusters: Clusters) -> None:
        self._take([embeddings], Centres.from_clusters(clusters), clusters.threshold, clusters.metric)

    @classmethod
    def resumed(cls, parts: Sequence[Floats], centres: Centres, threshold: float, metric: Metric = PLAIN) -> Library:
        """Return a library from what an earlier one had.

        Args:
            parts: embeddings of all faces, rows of unit length, in one or more arrays, which are not copied.
            centres: centres of the faces in the same order. A face without one is never found.
            threshold: mean similarity above which a face joins a cluster.
            metric: metric in which the faces were compared.
        """
        library = cls.__new__(cls)
        library._take(parts, centres, threshold, metric)
        return library

    def _take(self, parts: Sequence[Floats], centres: Centres, threshold: float, metric: Metric) -> None:
        self._threshold, self._metric = threshold, metric
        self._parts = [np.asarray(part, np.float32) for part in parts]
        self._lengths = _with_room(np.concatenate([metric.lengths(part) for part in self._parts]))
        self._start = sum(map(len, self._parts))
        """Number of the faces that were there; the added ones stand in an array with room for more."""
        self._added = np.empty([0, *centres.means.shape[1:]], np.float32)
        self._n, self._k = len(centres.of), len(centres.sizes)
        self._of, self._means, self._sizes = (_with_room(part) for part in centres)
        self._first = _with_room(np.full(self._k, NOWHERE))
        inside = np.flatnonzero(centres.of != NOWHERE)
        self._first[centres.of[inside][::-1]] = inside[::-1]

    @property
    def labels(self) -> Labels:
        """Lowest row of each face's cluster, int64 [n]; `NOWHERE` if it lies in none."""
        of = self._of[: self._n]
        return np.where(of == NOWHERE, NOWHERE, self._first[of])

    @property
    def centres(self) -> Centres:
        """Centres of all faces, the added ones included."""
        return Centres(self._of[: self._n], self._means[: self._k], self._sizes[: self._k])

    def add(self, photo: Floats, barred: Collection[int] = ()) -> Labels:
        """Add the faces of one photo, and return the label of each, int64 [m].

        A face joins the cluster with the highest mean similarity of expanded embeddings, if that is above the
        threshold. Otherwise it begins a cluster of its own. No two faces of the photo join one cluster; the more
        similar one does.

        Args:
            photo: embeddings of its faces, rows of unit length, [m, E].
            barred: rows of faces whose clusters no face of the photo joins, such as other crops of the photo.
        """
        faces = np.asarray(photo, np.float32)
        mapped = self._metric.rows(faces)
        expanded = np.empty_like(faces)
        closed = {int(self._of[row]) for row in barred}
        joins = []
        for place, similarities in enumerate(self._similarities(faces)):
            near = _highest(similarities, MOST)
            neighbours = self._metric.rows(self._rows(near[:NEIGHBOURS]))
            expanded[place] = expanded_by(mapped[place], neighbours, similarities[near[:NEIGHBOURS]])
            clusters = np.unique(self._of[near])
            clusters = clusters[clusters != NOWHERE]
            means = self._means[clusters] @ expanded[place]
            joins += [
                (-mean, cluster, place)
                for mean, cluster in zip(means.tolist(), clusters.tolist(), strict=True)
                if mean > self._threshold and cluster not in closed
            ]
        found: dict[int, int] = {}
        for _, cluster, place in sorted(joins):
            if place not in found and cluster not in found.values():
                found[place] = cluster
        labels = [self._append(face, expanded[place], found.get(place)) for place, face in enumerate(faces)]
        return np.array(labels, np.int64)

    def _similarities(self, faces: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the similarity of each face to each row, [m, n]; -2 for rows in no cluster."""
        parts = [*self._parts, self._added[: self._n - self._start]]
        probes = self._metric.probes(faces)
        similarities = np.concatenate([probes @ part.T for part in parts], axis=1)
        similarities /= self._lengths[: self._n]
        similarities[:, self._of[: self._n] == NOWHERE] = -2
        return similarities

    def _rows(self, places: npt.NDArray[np.intp]) -> npt.NDArray[np.float32]:
        """Return the embeddings of some rows, [k, E]."""
        parts = [*self._parts, self._added]
        ends = np.cumsum([len(part) for part in self._parts])
        which = np.searchsorted(ends, places, side="right")
        starts = np.array([0, *ends.tolist()])
        rows = [parts[part][place - starts[part]] for part, place in zip(which.tolist(), places.tolist(), strict=True)]
        return np.array(rows, np.float32).reshape(len(places), self._added.shape[1])

    def _append(self, face: npt.NDArray[np.float32], expanded: npt.NDArray[np.float32], cluster: int | None) -> int:
        """Write a face behind the others, into a cluster or a new one, and return the label."""
        row, self._n = self._n, self._n + 1
        self._added = _with_place(self._added, row - self._start)
        self._of, self._lengths = _with_place(self._of, row), _with_place(self._lengths, row)
        if cluster is None:
            cluster, self._k = self._k, self._k + 1
            self._means, self._sizes, self._first = (
                _with_place(part, cluster) for part in (self._means, self._sizes, self._first)
            )
            self._means[cluster], self._sizes[cluster], self._first[cluster] = 0, 0, row
        size = int(self._sizes[cluster])
        self._added[row - self._start], self._of[row] = face, cluster
        self._lengths[row] = self._metric.lengths(face[np.newaxis])[0]
        self._means[cluster] = (self._means[cluster] * size + expanded) / (size + 1)
        self._sizes[cluster] = size + 1
        return int(self._first[cluster])


def _with_place(part: npt.NDArray[Any], row: int) -> npt.NDArray[Any]:
    """Return the array, or a copy with room for more, so that there is a place for a row."""
    return part if row < len(part) else _with_room(part)


def _with_room(part: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a copy with room for a quarter more rows, so that most additions copy nothing."""
    grown = np.empty([len(part) + len(part) // 4 + 64, *part.shape[1:]], part.dtype)
    grown[: len(part)] = part
    return grown


def _highest(values: npt.NDArray[np.float32], most: int) -> npt.NDArray[np.intp]:
    """Return the places of the highest values, highest first."""
    k = min(most, len(values))
    some = np.argpartition(-values, k - 1)[:k] if k else np.empty(0, np.intp)
    return some[np.argsort(-values[some], kind="stable")]
