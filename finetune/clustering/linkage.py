"""Average linkage of faces under constraints, over a graph of similar faces."""

from __future__ import annotations

import heapq
from typing import NamedTuple

import numpy as np

from finetune.arrays import Doubles, Floats, Labels
from finetune.clustering.constraints import NO_NAME, Constraints
from finetune.clustering.neighbours import MOST, Edges, similar_pairs

AT_ONCE = 2**12
"""Pairs whose similarity is computed at once: their embeddings are in memory twice."""
SLACK = 1e-4
"""Bound on the rounding of float32's similarities for embeddings of up to 800 values; exact ones decide."""


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
    """Clusters while they are merged. A cluster is known by its lowest row."""

    def __init__(self, embeddings: Doubles, constraints: Constraints, threshold: float, known: Known | None) -> None:
        self._sums, self._threshold, self._known = embeddings, threshold, known
        self._labels = constraints.components()
        n = len(embeddings)
        self._counts = np.bincount(self._labels, minlength=n)
        linked = np.flatnonzero(self._labels != np.arange(n))
        np.add.at(self._sums, self._labels[linked], self._sums[linked])
        self._members: dict[int, list[int]] = {}
        for row, cluster in enumerate(self._labels.tolist()):
            self._members.setdefault(cluster, []).append(row)
        self._near: dict[int, set[int]] = {cluster: set() for cluster in self._members}
        self._version = np.zeros(n, np.int64)
        self._merged, self._most = 0, 0.0
        self._people: dict[int, dict[int, int]] = {}
        self._take(constraints)

    def _take(self, constraints: Constraints) -> None:
        """Prepare what decides whether two clusters may be merged."""
        self._name: dict[int, int] = {}
        self._photos: dict[int, set[int]] = {cluster: set() for cluster in self._members}
        self._apart: dict[int, set[int]] = {cluster: set() for cluster in self._members}
        for row, cluster in enumerate(self._labels.tolist()):
            self._photos[cluster].add(int(constraints.photos[row]))
            if constraints.names[row] != NO_NAME:
                self._name[cluster] = int(constraints.names[row])
        for ones, others in constraints.apart:
            first, second = ({int(self._labels[row]) for row in rows} for rows in (ones, others))
            for cluster in first:
                self._apart[cluster] |= second
            for cluster in second:
                self._apart[cluster] |= first
        if self._known:
            people = self._known.people
            for row in np.flatnonzero(people >= 0).tolist():
                counts = self._people.setdefault(int(self._labels[row]), {})
                counts[int(people[row])] = counts.get(int(people[row]), 0) + 1
            each = np.bincount(people[people >= 0])
            self._most = self._known.far * float(each.sum() ** 2 - (each**2).sum()) / 2 + 1e-6

    def merge_all(self, edges: Edges) -> tuple[Labels, float]:
        """Merge until no pair is above the threshold; return the labels and the threshold."""
        heap = self._beginning(edges)
        heapq.heapify(heap)
        last = 1.0
        while heap:
            similarity, one, other, first, second = heapq.heappop(heap)
            if self._version[one] != first or self._version[other] != second or not self._may(one, other):
                continue
            if self._known and not self._affords(one, other):
                self._threshold = (last - similarity) / 2  # between two merges, where rounding decides nothing
                break
            last = -similarity
            self._merge(one, other)
            for entry in self._entries(one):
                heapq.heappush(heap, entry)
        return self._labels, self._threshold

    def _beginning(self, edges: Edges) -> list[tuple[float, int, int, int, int]]:
        one, other = self._labels[edges.first], self._labels[edges.second]
        differ = one != other
        low, high = np.minimum(one[differ], other[differ]), np.maximum(one[differ], other[differ])
        n = max(1, len(self._labels))
        pairs = np.unique(low * n + high)
        heap = []
        for start in range(0, len(pairs), AT_ONCE):
            first, second = pairs[start : start + AT_ONCE] // n, pairs[start : start + AT_ONCE] % n
            products = np.einsum("ij,ij->i", self._sums[first], self._sums[second])
            means = products / (self._counts[first] * self._counts[second])
            for a, b, mean in zip(first.tolist(), second.tolist(), means.tolist(), strict=True):
                if mean > self._threshold:
                    self._near[a].add(b)
                    self._near[b].add(a)
                    heap.append((-mean, a, b, 0, 0))
        return heap

    def _may(self, one: int, other: int) -> bool:
        """Return whether no constraint keeps two clusters apart; if one does, forget the pair."""
        names = {self._name[cluster] for cluster in (one, other) if cluster in self._name}
        if len(names) < 2 and other not in self._apart[one] and self._photos[one].isdisjoint(self._photos[other]):
            return True
        self._near[one].discard(other)
        self._near[other].discard(one)
        return False

    def _affords(self, one: int, other: int) -> bool:
        """Count the pairs of two known people that a merge would bring together; return whether they are few enough."""
        mine, theirs = self._people.get(one, {}), self._people.get(other, {})
        pairs = sum(mine.values()) * sum(theirs.values())
        self._merged += pairs - sum(count * theirs.get(person, 0) for person, count in mine.items())
        return self._merged <= self._most

    def _merge(self, one: int, other: int) -> None:
        """Add a cluster to the one with the lower row."""
        self._sums[one] += self._sums[other]
        self._counts[one] += self._counts[other]
        self._labels[self._members[other]] = one
        self._members[one] += self._members.pop(other)
        self._version[one] += 1
        self._version[other] = -1
        self._photos[one] |= self._photos.pop(other)
        if other in self._name:
            self._name[one] = self._name.pop(other)
        for person, count in self._people.pop(other, {}).items():
            counts = self._people.setdefault(one, {})
            counts[person] = counts.get(person, 0) + count
        for table in (self._near, self._apart):
            for third in table.pop(other):
                if third in table:
                    table[third].discard(other)
                    if third != one:
                        table[third].add(one)
                        table[one].add(third)
            table[one].discard(other)

    def _entries(self, one: int) -> list[tuple[float, int, int, int, int]]:
        """Return the pairs of a merged cluster that are still above the threshold; forget the others."""
        others = sorted(self._near[one])
        if not others:
            return []
        means = self._sums[others] @ self._sums[one] / (self._counts[others] * self._counts[one])
        found = []
        for other, mean in zip(others, means.tolist(), strict=True):
            if mean > self._threshold:
                low, high = min(one, other), max(one, other)
                found.append((-mean, low, high, int(self._version[low]), int(self._version[high])))
            else:
                self._near[one].discard(other)
                self._near[other].discard(one)
        return found
