"""Constraints on clusters: faces that belong together, and faces that must not."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np

from finetune.arrays import Labels
from finetune.brief import Brief

NO_NAME = -1


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Constraints(Brief):
    """Must-links and cannot-links between faces.

    Attributes:
        photos: number of each face's photo, int64 [n]. Faces of one photo are of different people.
        names: number of each face's name, int64 [n], or `NO_NAME`. Faces of one name belong together, and faces of two
            names do not.
        together: groups of rows that belong together.
        apart: pairs of groups; no row of the first lies with a row of the second.
    """

    photos: Labels
    names: Labels
    together: Sequence[Sequence[int]] = ()
    apart: Sequence[tuple[Sequence[int], Sequence[int]]] = ()

    @classmethod
    def none(cls, n: int) -> Constraints:
        """Return no constraints on n faces."""
        return cls(np.arange(n), np.full(n, NO_NAME))

    def components(self) -> Labels:
        """Return the lowest row that each row is linked with, int64 [n]."""
        low = list(range(len(self.photos)))

        def root(row: int) -> int:
            while low[row] != row:
                low[row] = low[low[row]]
                row = low[row]
            return row

        for group in self._groups():
            for row in group[1:]:
                one, other = root(group[0]), root(row)
                low[max(one, other)] = min(one, other)
        return np.array([root(row) for row in range(len(low))], np.int64)

    def contradiction(self) -> tuple[int, int] | None:
        """Return two rows that must lie together and must not; None if all constraints can be kept."""
        return self.broken_by(self.components())

    def broken_by(self, clusters: Labels) -> tuple[int, int] | None:
        """Return two rows of one cluster that must not lie together, or None.

        Args:
            clusters: cluster of each row, int64 [n].
        """
        named: dict[int, int] = {}
        shown: dict[tuple[int, int], int] = {}
        for row, (cluster, photo, name) in enumerate(
            zip(clusters.tolist(), self.photos.tolist(), self.names.tolist(), strict=True)
        ):
            if name != NO_NAME and self.names[named.setdefault(cluster, row)] != name:
                return named[cluster], row
            if shown.setdefault((cluster, photo), row) != row:
                return shown[cluster, photo], row
        for ones, others in self.apart:
            first = {int(clusters[row]): row for row in reversed(ones)}
            for row in others:
                if int(clusters[row]) in first:
                    return first[int(clusters[row])], row
        return None

    def _groups(self) -> Iterable[Sequence[int]]:
        yield from (group for group in self.together if group)
        named = np.flatnonzero(self.names != NO_NAME)
        named = named[np.argsort(self.names[named], kind="stable")]
        borders = np.flatnonzero(np.diff(self.names[named])) + 1
        yield from (part.tolist() for part in np.split(named, borders) if len(part))
