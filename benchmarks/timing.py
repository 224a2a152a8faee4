"""Cases timed in turn: A B A B, so that a machine that slows down slows them all."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence

from finetune.progress import track

Case = Callable[[], float]
"""Does its work once and gives the seconds of the part that counts; what it prepares itself is not in them."""


def alternate(cases: Mapping[str, Case], rounds: int, what: str) -> dict[str, list[float]]:
    """Runs every case once a round, in their order, round after round.

    Returns:
        Seconds by case, one a round.
    """
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    turns = list(cases.items()) * rounds
    for name, case in track(turns, len(turns), what):
        gc.collect()
        seconds[name].append(case())
    return seconds


def clock(action: Callable[[], object]) -> float:
    """Seconds that an action takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def timed(action: Callable[[], object]) -> Case:
    """The case all of whose work counts."""
    return lambda: clock(action)


def ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """The median over rounds of `above / below`: each round's two figures saw the same state of the machine."""
    return statistics.median(a / b for a, b in zip(above, below, strict=True))
