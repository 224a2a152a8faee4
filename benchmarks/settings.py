"""Settings that decide how much a run measures."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.data import Data


@dataclass(frozen=True)
class Settings:
    """Settings of all suites.

    Attributes:
        data: faces and checkpoint.
        rounds: number of timings per case.
        quick: True for fewer images, epochs and cases. A quick run tests that all of it works; its figures mean little.
    """

    data: Data
    rounds: int
    quick: bool

    def pick(self, full: int, quick: int) -> int:
        """Return the number of images, epochs or steps for a full or a quick run."""
        return quick if self.quick else full
