"""Which images of a batch this process takes, where several replicas train together."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Share:
    """The replicas of this process among all of them; by default, the only one.

    A batch is split over the replicas in runs of its order, as equal as can be; the first ones take
    one image more where it does not divide.

    Attributes:
        replicas: of all processes.
        local: of this process.
        first: the number of its first one, from 0.
    """

    replicas: int = 1
    local: int = 1
    first: int = 0

    def parts(self, n: int) -> list[Rows]:
        """The rows of a batch of `n` images that each replica of this process takes; some may take none."""
        return np.array_split(np.arange(n), self.replicas)[self.first : self.first + self.local]

    def rows(self, n: int) -> Rows:
        """The rows of a batch of `n` images that this process computes, its replicas' in a row.

        A replica without an image computes the batch's first one, which is not counted: of no image at all
        there are no means.
        """
        return np.concatenate([part if len(part) else np.zeros(1, np.int64) for part in self.parts(n)])

    def of(self, order: Rows, batch_size: int) -> tuple[Rows, int]:
        """Of an epoch's order, int64 [n], what this process computes, and how much of it is one batch."""
        starts = range(0, len(order), batch_size)
        batches = [order[start : start + batch_size] for start in starts]
        mine = [batch[self.rows(len(batch))] for batch in batches]
        return np.concatenate([order[:0], *mine]), len(self.rows(batch_size))


WHOLE = Share()
"""All of every batch."""
