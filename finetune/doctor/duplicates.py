"""What pairs of one picture say: which of them stays, which are copies, and which folders are one person."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from finetune.arrays import Labels
from finetune.doctor.copies import SAME_PICTURE, Edge
from finetune.doctor.finding import Finding
from finetune.paths import in_one_line

SHARED = 0.5
"""Of the smaller folder's pictures, the share that the other holds too, from which two folders are one person."""
LEAST_SHARED = 2
MOST_PEOPLE = 50
"""Under whom one picture may lie and still say that two of them are one person: a placeholder lies under thousands."""


class Duplicates:
    """Pictures that are in a dataset more than once.

    Pictures that hang together by pairs need not all be one: a is like b and b like c, but not a like c.
    So each is held against the one that stays before it is called a copy of it.

    Args:
        paths: of the images, [n].
        labels: whose they are, [n].
        sizes: width and height, [n, 2].
        edges: pairs of one picture.
        faults: how ill each suits training, [n]; of copies one of the least stays.
        compare: how far the pictures of two rows are one, for pairs that are not among the edges.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        labels: Labels,
        sizes: npt.NDArray[np.int64],
        edges: Sequence[Edge],
        faults: npt.NDArray[np.int64],
        compare: Callable[[int, int], float],
    ) -> None:
        self._paths, self._labels, self._sizes = paths, labels, sizes
        self._faults, self._compare = faults, compare
        self._content = _components(len(paths), [edge for edge in edges if edge.equal]).tolist()
        self._near: dict[int, dict[int, float]] = defaultdict(dict)
        for edge in edges:
            if not edge.equal:
                first, second = self._content[edge.first], self._content[edge.second]
                self._near[first][second] = self._near[second][first] = edge.likeness
        self._groups = _groups(_components(len(paths), edges))
        self._measured: dict[tuple[int, int], float] = {}
        self.one_person = self._one_person()

    def findings(self, stays: Callable[[Sequence[int]], int | None]) -> list[Finding]:
        """A finding for each copy that is to go, and for each person under whom a picture lies with others.

        Args:
            stays: which of the rows of one picture, each of another person, is rightly there; None
                where nobody can say.
        """
        return [finding for group in self._groups for finding in self._of(group, stays)]

    def _of(self, group: list[int], stays: Callable[[Sequence[int]], int | None]) -> list[Finding]:
        kept = self._kept(group)
        found = [self._finding("within", row, other, moves=True) for row, other in kept.items() if other != row]
        across = self._across(kept)
        best: dict[int, int] = {}
        for row in across:
            best.setdefault(int(self._labels[row]), row)
        if best:
            one = all(pair in self.one_person for pair in combinations(sorted(best), 2))
            keeps = None if one else stays(list(best.values()))
            for row, other in across.items():
                rightly = keeps is not None and self._labels[row] == self._labels[keeps]
                found.append(self._finding("across", row, other, moves=not one and not rightly))
        return found

    def _kept(self, group: list[int]) -> dict[int, int]:
        """For each row, the best first, the row of its person that stays for it: itself, or what it is a copy of."""
        kept: dict[int, int] = {}
        staying: dict[int, list[int]] = defaultdict(list)
        for row in sorted(group, key=self._rank):
            others = staying[int(self._labels[row])]
            kept[row] = next((other for other in others if self._linked(row, other) and self._same(row, other)), row)
            if kept[row] == row:
                others.append(row)
        return kept

    def _across(self, kept: dict[int, int]) -> dict[int, int]:
        """For each row that stays of its person, one of another person that is the same picture, if there is one."""
        contents: dict[int, list[int]] = defaultdict(list)
        holders: dict[int, dict[int, int]] = defaultdict(dict)
        for row, stays in kept.items():
            contents[stays].append(self._content[row])
            holders[self._content[row]][int(self._labels[row])] = stays

        def others(row: int) -> Iterator[int]:
            near = (content for own in contents[row] for content in self._near.get(own, ()))
            for content in dict.fromkeys([*contents[row], *near]):
                yield from (other for label, other in holders[content].items() if label != self._labels[row])

        matched = ((row, next((other for other in others(row) if self._same(row, other)), None)) for row in contents)
        return {row: other for row, other in matched if other is not None}

    def _linked(self, row: int, other: int) -> bool:
        """Whether two rows are one picture by the edges, or both are one with a third."""
        a, b = self._content[row], self._content[other]
        near_a, near_b = self._near.get(a, {}), self._near.get(b, {})
        return a == b or b in near_a or not near_a.keys().isdisjoint(near_b.keys())

    def _same(self, row: int, other: int) -> bool:
        return self._likeness(row, other) >= SAME_PICTURE

    def _likeness(self, row: int, other: int) -> float:
        """Measured, each pair of pictures once."""
        a, b = self._content[row], self._content[other]
        if a == b:
            return 1.0
        if (a, b) not in self._measured:
            near = self._near.get(a, {}).get(b)
            likeness = self._compare(min(row, other), max(row, other)) if near is None else near
            self._measured[a, b] = self._measured[b, a] = likeness
        return self._measured[a, b]

    def _finding(self, where: str, row: int, other: int, *, moves: bool) -> Finding:
        equal, likeness = self._content[other] == self._content[row], self._likeness(row, other)
        name = in_one_line(f"{self._paths[other].parent.name}/{self._paths[other].name}")
        said = f"the same pixels as {name}" if equal else f"the same picture as {name}, alike to {likeness:.3f}"
        kind = f"copy-{where}" if equal else f"near-copy-{where}"
        return Finding(kind, self._paths[row], said, self._paths[other], likeness, moves)

    def _rank(self, row: int) -> tuple[int, bool, int, int, str]:
        """The best comes first: by what suits training, a file before a link, then the largest, the first by name."""
        path = self._paths[row]
        try:
            size = os.path.getsize(path)
        except OSError:  # it has gone since
            size = 0
        return int(self._faults[row]), path.is_symlink(), -int(self._sizes[row].prod()), -size, path.name

    def _one_person(self) -> dict[tuple[int, int], int]:
        """Pairs of people whose folders hold the same pictures, with the number of them."""
        shared: dict[tuple[int, int], int] = defaultdict(int)
        for group in self._groups:
            people = sorted({int(self._labels[row]) for row in group})
            for pair in combinations(people, 2) if len(people) <= MOST_PEOPLE else ():
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
