"""New faces beside people who were found before: one search per face, and no clustering of the others."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from finetune.arrays import Floats, Labels
from finetune.brief import Brief
from finetune.clustering.neighbours import MOST, expanded_by
from finetune.clustering.people import Clusters


class Library(Brief):
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
        self._n, self._threshold = len(embeddings), clusters.threshold
        self._rows = _with_room(np.asarray(embeddings, np.float32))
        self._expanded = _with_room(clusters.expanded)
        self._labels = _with_room(clusters.labels)
        self._members: dict[int, list[int]] = {}
        for row, label in enumerate(clusters.labels.tolist()):
            self._members.setdefault(label, []).append(row)

    @property
    def labels(self) -> Labels:
        """Lowest row of each face's cluster, int64 [n]."""
        return self._labels[: self._n]

    def add(self, photo: Floats) -> Labels:
        """Add the faces of one photo, and return the label of each, int64 [m].

        A face joins the cluster with the highest mean similarity of expanded embeddings, if that is above the
        threshold. Otherwise it begins a cluster of its own. No two faces of the photo join one cluster; the more
        similar one does.

        Args:
            photo: embeddings of its faces, rows of unit length, [m, E].
        """
        faces = np.asarray(photo, np.float32)
        expanded = np.empty_like(faces)
        joins = []
        for place, face in enumerate(faces):
            similarities = self._rows[: self._n] @ face
            near = _highest(similarities, MOST)
            expanded[place] = expanded_by(face, self._rows[near], similarities[near])
            for cluster in np.unique(self._labels[near]).tolist():
                mean = float((self._expanded[self._members[cluster]] @ expanded[place]).mean())
                if mean > self._threshold:
                    joins.append((-mean, cluster, place))
        found: dict[int, int] = {}
        for _, cluster, place in sorted(joins):
            if place not in found and cluster not in found.values():
                found[place] = cluster
        first = self._n
        labels = np.array([found.get(place, first + place) for place in range(len(faces))], np.int64)
        self._append(faces, expanded, labels)
        return labels

    def _append(self, faces: npt.NDArray[np.float32], expanded: npt.NDArray[np.float32], labels: Labels) -> None:
        """Write new faces behind the others."""
        start, self._n = self._n, self._n + len(faces)
        while self._n > len(self._rows):
            self._rows, self._expanded, self._labels = map(_with_room, (self._rows, self._expanded, self._labels))
        self._rows[start : self._n], self._expanded[start : self._n] = faces, expanded
        self._labels[start : self._n] = labels
        for row, label in enumerate(labels.tolist(), start):
            self._members.setdefault(label, []).append(row)


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
