"""What pairs of one picture say: which of them stays, which are copies, and which folders are one person."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from finetune.doctor.copies import SAME_PICTURE, Edge
from finetune.doctor.finding import Finding
from finetune.folders import in_one_line

Labels = npt.NDArray[np.int64]

SHARED = 0.5
"""Of the smaller folder's pictures, the share that the other holds too, from which two folders are one person."""
LEAST_SHARED = 2


class Duplicates:
    """Pictures that are in a dataset more than once.

    Args:
        paths: of the images, [n].
        labels: whose they are, [n].
        sizes: width and height, [n, 2].
        edges: pairs of one picture.
    """

    def __init__(
        self, paths: Sequence[Path], labels: Labels, sizes: npt.NDArray[np.int64], edges: Sequence[Edge]
    ) -> None:
        self._paths, self._labels, self._sizes = paths, labels, sizes
        self._edges: dict[int, dict[int, Edge]] = defaultdict(dict)
        for edge in edges:
            self._edges[edge.first][edge.second] = self._edges[edge.second][edge.first] = edge
        self._content = _components(len(paths), [edge for edge in edges if edge.equal])
        self._groups = _groups(_components(len(paths), edges))
        self.one_person = self._one_person()

    def findings(self, stays: Callable[[Sequence[int]], int | None]) -> list[Finding]:
        """A finding for each copy that is to go, and for each person under whom a picture lies with others.

        Args:
            stays: which of the rows of one picture, each of another person, is rightly there; None
                where nobody can say.
        """
        return [finding for group in self._groups for finding in self._of(group, stays)]

    def _of(self, group: list[int], stays: Callable[[Sequence[int]], int | None]) -> list[Finding]:
        ranked = sorted(group, key=self._rank)
        people: dict[int, list[int]] = defaultdict(list)
        found: list[Finding] = []
        for row in ranked:
            before = people[int(self._labels[row])]
            if before:
                found.append(self._finding("within", row, before, True))
            before.append(row)
        best = [rows[0] for rows in people.values()]
        if len(best) > 1:
            one = all(pair in self.one_person for pair in combinations(sorted(people), 2))
            keeps = None if one else stays(best)
            for row in best:
                others = [other for other in ranked if self._labels[other] != self._labels[row]]
                found.append(self._finding("across", row, others, not one and row != keeps))
        return found

    def _finding(self, where: str, row: int, others: Sequence[int], moves: bool) -> Finding:
        """A copy, and which of the others it is a copy of: one of the same pixels, or one that was compared with it."""
        same = (other for other in others if self._content[other] == self._content[row])
        compared = (other for other in others if other in self._edges[row])
        other = next(same, next(compared, others[0]))
        equal = self._content[other] == self._content[row]
        edge = self._edges[row].get(other)
        likeness = 1.0 if equal else edge.likeness if edge else SAME_PICTURE
        name = in_one_line(f"{self._paths[other].parent.name}/{self._paths[other].name}")
        said = f"the same pixels as {name}" if equal else f"the same picture as {name}, alike to {likeness:.3f}"
        kind = f"copy-{where}" if equal else f"near-copy-{where}"
        return Finding(kind, self._paths[row], said, self._paths[other], likeness, moves)

    def _rank(self, row: int) -> tuple[bool, int, int, str]:
        """The best comes first: a file before a link, then the largest, then the first by name."""
        path = self._paths[row]
        try:
            size = os.path.getsize(path)
        except OSError:  # it has gone since
            size = 0
        return path.is_symlink(), -int(self._sizes[row].prod()), -size, path.name

    def _one_person(self) -> dict[tuple[int, int], int]:
        """Pairs of people whose folders hold the same pictures, with the number of them."""
        shared: dict[tuple[int, int], int] = defaultdict(int)
        for group in self._groups:
            for pair in combinations(sorted({int(self._labels[row]) for row in group}), 2):
                shared[pair] += 1
        images = np.bincount(self._labels) if len(self._labels) else np.zeros(0, int)
        return {
            pair: number
            for pair, number in shared.items()
            if number >= max(LEAST_SHARED, SHARED * min(images[list(pair)]))
        }


def _components(n: int, edges: Sequence[Edge]) -> npt.NDArray[np.int64]:
    """A number for each row, the same for rows that hang together by edges, [n]."""
    pairs = np.array([edge[:2] for edge in edges], np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    return connected_components(graph, directed=False)[1].astype(np.int64)


def _groups(component: npt.NDArray[np.int64]) -> list[list[int]]:
    """The rows of each component that has two and more, in their order."""
    members: dict[int, list[int]] = defaultdict(list)
    for row, number in enumerate(component):
        members[int(number)].append(row)
    return [rows for rows in members.values() if len(rows) > 1]
