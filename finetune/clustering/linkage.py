"""Average linkage of faces under constraints, over a graph of similar faces."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from finetune.arrays import Doubles, Floats, Labels, distinct
from finetune.clustering.constraints import NO_NAME, Constraints
from finetune.clustering.neighbours import MOST, Edges, similar_pairs

AT_ONCE = 2**12
"""Pairs whose similarity is computed at once: their embeddings are in memory twice."""
SLACK = 1e-4
"""Bound on the rounding of float32's similarities for embeddings of up to 800 values; exact ones decide."""


Pair = tuple[float, int, int, int, int]
"""Negative mean similarity of two clusters, the lower and the higher one, and the versions of both."""


class Known(NamedTuple):
    """Faces of people who are known to be different, by which the clustering decides where to stop.

    Attributes:
        people: person of each row, int64 [n]; -1 where unknown.
        far: share of the pairs of two known people's faces that may be merged, from 0 to 1.
    """

    people: Labels
    far: float


class Clustered(NamedTuple):
    """Clusters of rows.

    Attributes:
        labels: lowest row of each row's cluster, int64 [n].
        threshold: mean similarity above which two clusters were merged.
    """

    labels: Labels
    threshold: float


def average_linkage(
    embeddings: Floats, threshold: float, constraints: Constraints, known: Known | None = None, most: int = MOST
) -> Clustered:
    """Merge the two most similar clusters, again and again, until none may be merged.

    The similarity of two clusters is the mean over their pairs of faces, which is a product of sums of embeddings. It
    never exceeds that of the most similar pair. So the pairs above the threshold suffice, and where no face has more
    than `most` of them, the result is that of a full average linkage (Sokal and Michener 1958). Of equal similarities,
    the lower rows are merged first.

    Args:
        embeddings: rows of unit length, [n, E].
        threshold: mean similarity that merged clusters must exceed.
        constraints: constraints, which no merge breaks.
        known: faces of known people. The merging stops before too many of their pairs are merged, which raises the
            threshold.
        most: largest number of neighbours of a face that are considered.

    Raises:
        ValueError: the constraints contradict each other.
    """
    if constraints.contradiction():
        raise ValueError("constraints: they contradict each other")
    edges = similar_pairs(embeddings, threshold - SLACK, most)
    state = _Clusters(np.array(embeddings, np.float64), constraints, threshold, known)
    return Clustered(*state.merge_all(edges))


class _Clusters:
    """Clusters while they are merged. A cluster is known by its lowest row; single rows take no memory in tables."""

    def __init__(self, embeddings: Doubles, constraints: Constraints, threshold: float, known: Known | None) -> None:
        self._sums, self._threshold, self._known = embeddings, threshold, known
        self._labels = constraints.components()
        n = len(embeddings)
        self._counts = np.bincount(self._labels, minlength=n)
        linked = np.flatnonzero(self._labels != np.arange(n))
        np.add.at(self._sums, self._labels[linked], self._sums[linked])
        self._version = np.zeros(n, np.int64)
        self._graph = csr_array((n, n), dtype=np.bool_)
        self._near: dict[int, Labels] = {}
        """Labels of the neighbours of merged clusters, some of which may have been merged since."""
        self._merged, self._most = 0, 0.0
        self._take(constraints, linked)

    def _take(self, constraints: Constraints, linked: Labels) -> None:
        """Prepare what decides whether two clusters may be merged."""
        self._photo_of = constraints.photos
        self._members: dict[int, list[int]] = {}
        for row in linked.tolist():
            cluster = int(self._labels[row])
            self._members.setdefault(cluster, [cluster]).append(row)
        self._photos = {
            cluster: set(constraints.photos[members].tolist()) for cluster, members in self._members.items()
        }
        named = np.flatnonzero(constraints.names != NO_NAME)
        self._name = dict(zip(self._labels[named].tolist(), constraints.names[named].tolist(), strict=True))
        self._apart: dict[int, set[int]] = {}
        for groups in constraints.apart:
            first, second = ({int(self._labels[row]) for row in rows} for rows in groups)
            for clusters, others in ((first, second), (second, first)):
                for cluster in clusters:
                    self._apart.setdefault(cluster, set()).update(others)
        self._people: dict[int, dict[int, int]] = {}
        if self._known:
            people = self._known.people
            for row in np.flatnonzero(people >= 0).tolist():
                counts = self._people.setdefault(int(self._labels[row]), {})
                counts[int(people[row])] = counts.get(int(people[row]), 0) + 1
            each = np.bincount(people[people >= 0])
            self._most = self._known.far * float(each.sum() ** 2 - (each**2).sum()) / 2 + 1e-6

    def merge_all(self, edges: Edges) -> tuple[Labels, float]:
        """Merge until no pair is above the threshold; return the labels and the threshold."""
        first_pairs = self._beginning(edges)
        upcoming, heap = next(first_pairs, None), list[Pair]()
        last = 1.0
        while upcoming or heap:
            if upcoming and (not heap or upcoming < heap[0]):
                pair, upcoming = upcoming, next(first_pairs, None)
            else:
                pair = heapq.heappop(heap)
            similarity, one, other, first, second = pair
            if self._version[one] != first or self._version[other] != second or not self._may(one, other):
                continue
            if self._known and not self._affords(one, other):
                self._threshold = (last - similarity) / 2  # between two merges, where rounding decides nothing
                break
            last = -similarity
            self._merge(one, other)
            for pair in self._pairs_of(one):
                heapq.heappush(heap, pair)
        return self._labels, self._threshold

    def _beginning(self, edges: Edges) -> Iterator[Pair]:
        """Keep the pairs above the threshold as a graph, and yield them, the most similar first."""
        low, high = self._relabelled(edges)
        means = np.empty(len(low))
        for start in range(0, len(low), AT_ONCE):
            first, second = low[start : start + AT_ONCE], high[start : start + AT_ONCE]
            products = np.einsum("ij,ij->i", self._sums[first], self._sums[second])
            means[start : start + AT_ONCE] = products / (self._counts[first] * self._counts[second])
        order = np.flatnonzero(means > self._threshold)
        order = order[np.argsort(-means[order], kind="stable")]  # of equal ones, the lower rows first
        low, high, means = low[order], high[order], means[order]
        del order  # it is as large as the pairs
        graph = csr_array((np.ones(len(low), np.bool_), (low, high)), self._graph.shape)
        self._graph = graph + graph.T
        for start in range(0, len(low), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            for pair in zip((-means[part]).tolist(), low[part].tolist(), high[part].tolist(), strict=True):
                yield *pair, 0, 0

    def _relabelled(self, edges: Edges) -> Edges:
        """Return the pairs of clusters that have similar rows, each pair once."""
        if not self._members:
            return edges
        one, other = self._labels[edges.first], self._labels[edges.second]
        differ, n = one != other, len(self._labels)
        pairs = distinct(np.minimum(one, other)[differ] * n + np.maximum(one, other)[differ])
        return Edges((pairs // n).astype(np.int32), (pairs % n).astype(np.int32))

    def _may(self, one: int, other: int) -> bool:
        """Return whether no constraint keeps two clusters apart."""
        names = {self._name[cluster] for cluster in (one, other) if cluster in self._name}
        if len(names) > 1 or other in self._apart.get(one, ()):
            return False
        return self._photos_of(one).isdisjoint(self._photos_of(other))

    def _photos_of(self, cluster: int) -> set[int]:
        """Return the photos of a cluster's faces."""
        return self._photos.get(cluster) or {int(self._photo_of[cluster])}

    def _affords(self, one: int, other: int) -> bool:
        """Count the pairs of two known people that a merge would bring together; return whether they are few enough."""
        mine, theirs = self._people.get(one, {}), self._people.get(other, {})
        pairs = sum(mine.values()) * sum(theirs.values())
        self._merged += pairs - sum(count * theirs.get(person, 0) for person, count in mine.items())
        return self._merged <= self._most

    def _merge(self, one: int, other: int) -> None:
        """Add a cluster to the one with the lower row."""
        self._near[one] = np.concatenate([self._near_of(one), self._near_of(other)])
        self._near.pop(other, None)
        self._sums[one] += self._sums[other]
        self._counts[one] += self._counts[other]
        members = self._members.pop(other, [other])
        self._labels[members] = one
        self._members.setdefault(one, [one]).extend(members)
        self._version[one] += 1
        self._version[other] = -1
        self._photos[one] = self._photos_of(one) | self._photos_of(other)
        self._photos.pop(other, None)
        if other in self._name:
            self._name[one] = self._name.pop(other)
        for person, count in self._people.pop(other, {}).items():
            counts = self._people.setdefault(one, {})
            counts[person] = counts.get(person, 0) + count
        for third in self._apart.pop(other, ()):
            self._apart[third].discard(other)
            self._apart[third].add(one)
            self._apart.setdefault(one, set()).add(third)

    def _near_of(self, cluster: int) -> Labels:
        """Return the labels of a cluster's neighbours, as they were when it was merged last."""
        if cluster in self._near:
            return self._near[cluster]
        start, end = self._graph.indptr[cluster : cluster + 2]
        found: Labels = self._graph.indices[start:end]
        return found

    def _pairs_of(self, one: int) -> list[Pair]:
        """Return the pairs of a merged cluster that are still above the threshold; forget the others."""
        others = distinct(self._labels[self._near[one]])
        others = others[others != one]
        means = self._sums[others] @ self._sums[one] / (self._counts[others] * self._counts[one])
        others, means = others[means > self._threshold], means[means > self._threshold]
        self._near[one] = others
        versions, mine = self._version[others].tolist(), int(self._version[one])
        return [
            (-mean, one, other, mine, version) if one < other else (-mean, other, one, version, mine)
            for mean, other, version in zip(means.tolist(), others.tolist(), versions, strict=True)
        ]
