"""The split of each batch over the replicas that train together."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Share:
    """The replicas of this process among all replicas; by default, one replica in all.

    A batch is split over the replicas into consecutive parts of equal size. If it does not divide evenly, the first
    replicas take one image more.

    Attributes:
        replicas: number of replicas in all processes.
        local: number of replicas in this process.
        first: index of this process's first replica, from 0.
    """

    replicas: int = 1
    local: int = 1
    first: int = 0

    def parts(self, n: int) -> list[Rows]:
        """Return, for each replica of this process, its rows of a batch of `n` images; some may have none."""
        return np.array_split(np.arange(n), self.replicas)[self.first : self.first + self.local]

    def rows(self, n: int) -> Rows:
        """Return the rows of a batch of `n` images that this process computes, replica after replica.

        A replica without an image computes the batch's first image, because an empty batch has no means. That image is
        not counted.
        """
        return np.concatenate([part if len(part) else np.zeros(1, np.int64) for part in self.parts(n)])

    def of(self, order: Rows, batch_size: int) -> tuple[Rows, int]:
        """Return this process's part of an epoch's order, int64 [n], and its number of rows per batch."""
        starts = range(0, len(order), batch_size)
        batches = [order[start : start + batch_size] for start in starts]
        mine = [batch[self.rows(len(batch))] for batch in batches]
        return np.concatenate([order[:0], *mine]), len(self.rows(batch_size))


WHOLE = Share()
"""The share of a single process with one replica: every batch as a whole."""
