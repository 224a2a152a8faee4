"""How much a run measures."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.data import Data


@dataclass(frozen=True)
class Settings:
    """What every suite is given.

    Attributes:
        data: faces and checkpoint.
        rounds: how often each case is timed.
        quick: fewer images, epochs and cases: to see that all of it runs, not to judge by.
    """

    data: Data
    rounds: int
    quick: bool

    def pick(self, full: int, quick: int) -> int:
        """A number of images, epochs or steps."""
        return quick if self.quick else full
