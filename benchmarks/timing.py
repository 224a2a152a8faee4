"""Timing of cases in turn, A B A B, so that a machine that slows down slows all of them."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence

from finetune.progress import track

Case = Callable[[], float]
"""Function that does its work once and returns the seconds that it took, without its preparation."""


def alternate(cases: Mapping[str, Case], rounds: int, what: str) -> dict[str, list[float]]:
    """Run all cases in their order, once per round.

    Returns:
        Seconds by case, one value per round.
    """
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    turns = list(cases.items()) * rounds
    for name, case in track(turns, len(turns), what):
        gc.collect()
        seconds[name].append(case())
    return seconds


def clock(action: Callable[[], object]) -> float:
    """Return the seconds that an action takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def timed(action: Callable[[], object]) -> Case:
    """Return a case that times the whole action."""
    return lambda: clock(action)


def ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """Return the median of `above / below` over rounds. Both figures of a round saw the machine in the same state."""
    return statistics.median(a / b for a, b in zip(above, below, strict=True))
