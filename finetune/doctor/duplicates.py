"""Evaluation of the pairs of copies: the image to keep, its copies, and the folders that are one person."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt

from finetune.arrays import Labels
from finetune.doctor.copies import SAME_PICTURE, Edge
from finetune.doctor.finding import Finding
from finetune.paths import in_one_line

SHARED = 0.5
"""Least share of the smaller folder's pictures that the other folder has too, if both are one person."""
LEAST_SHARED = 2
"""Least number of shared pictures, if two folders are one person."""
MOST_PEOPLE = 50
"""Largest number of people who share a picture that counts as evidence for one person. A placeholder image may be in
thousands of folders."""


class Duplicates:
    """Pictures that are in a dataset more than once.

    Likeness is not transitive: a may be like b, and b like c, but not a like c. Each image is therefore compared with
    the one that is kept before it is called its copy.

    Args:
        paths: paths of the images, [n].
        labels: label of each image's person, [n].
        sizes: width and height, [n, 2].
        edges: pairs of images that are the same picture.
        faults: unsuitability of each image for training, [n]. Of several copies, one with the lowest value is kept.
        compare: function from two rows to their likeness, for pairs that are not among the edges.

    Attributes:
        one_person: pairs of labels whose folders are one person, with the number of shared pictures.
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
        """Return a finding for each copy within a person, and for each image that is under other people too.

        Args:
            stays: function from rows of the same picture, each of a different person, to the row with the correct
                person; None if that is unknown.
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
                correctly = keeps is not None and self._labels[row] == self._labels[keeps]
                found.append(self._finding("across", row, other, moves=not one and not correctly))
        return found

    def _kept(self, group: list[int]) -> dict[int, int]:
        """Map each row to the row of its person that is kept for it: itself, or the one that it is a copy of."""
        kept: dict[int, int] = {}
        staying: dict[int, list[int]] = defaultdict(list)
        for row in sorted(group, key=self._rank):
            others = staying[int(self._labels[row])]
            kept[row] = next((other for other in others if self._linked(row, other) and self._same(row, other)), row)
            if kept[row] == row:
                others.append(row)
        return kept

    def _across(self, kept: dict[int, int]) -> dict[int, int]:
        """Map each kept row to a row of another person that is the same picture, if there is one."""
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
        """Return whether an edge links two rows, directly or through a third row."""
        a, b = self._content[row], self._content[other]
        near_a, near_b = self._near.get(a, {}), self._near.get(b, {})
        return a == b or b in near_a or not near_a.keys().isdisjoint(near_b.keys())

    def _same(self, row: int, other: int) -> bool:
        return self._likeness(row, other) >= SAME_PICTURE

    def _likeness(self, row: int, other: int) -> float:
        """Return the likeness of two rows; each pair of pictures is measured once."""
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
        """Return the sort key of a row, best first: fewest faults, file before link, most pixels, most bytes, name."""
        path = self._paths[row]
        try:
            size = os.path.getsize(path)
        except OSError:  # the file has gone since
            size = 0
        return int(self._faults[row]), path.is_symlink(), -int(self._sizes[row].prod()), -size, path.name

    def _one_person(self) -> dict[tuple[int, int], int]:
        """Return pairs of people whose folders share enough pictures to be one person, with the number of these."""
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
    """Return the connected component of each row, by the edges, [n]."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    pairs = np.array([edge[:2] for edge in edges], np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    return connected_components(graph, directed=False)[1].astype(np.int64)


def _groups(component: npt.NDArray[np.int64]) -> list[list[int]]:
    """Return the rows of each component with at least two rows, in order."""
    members: dict[int, list[int]] = defaultdict(list)
    for row, number in enumerate(component):
        members[int(number)].append(row)
    return [rows for rows in members.values() if len(rows) > 1]
