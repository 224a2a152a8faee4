"""Whether a stage's features are kept, and where."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

Where = Literal["off", "memory", "disk"]

BYTES_PER_MULTIPLY_ADD = 1 / 300
"""Reading a vector must cost well under computing it: half a gigabyte a second against 150 billion
multiply-adds."""


@dataclass(frozen=True)
class Choice:
    """Where a stage's features are kept, and why not where they are not.

    Attributes:
        needed: bytes of all its vectors.
    """

    where: Where
    reason: str
    needed: int


def choose(
    cache: Literal["auto", "off", "memory", "disk"],
    *,
    vectors: int,
    values: int,
    multiply_adds: int,
    augmented: bool,
    disk_room: int,
    memory_room: int | None = None,
) -> Choice:
    """Decides for one stage.

    Args:
        cache: what the recipe says.
        vectors: how many there are: one an image that the stage sees, one a view where it is augmented.
        values: float32 values of one of them.
        multiply_adds: what one image costs in the frozen units.
        augmented: whether an image is drawn anew in each epoch.
        disk_room: bytes that the cache may take.
        memory_room: bytes that may be taken in memory; a quarter of what is free where not given.
    """
    needed = 4 * values * vectors
    if cache == "off":
        return Choice("off", "switched off", needed)
    if augmented:
        return Choice("off", "augmentation draws each image anew in each epoch", needed)
    if not multiply_adds:
        return Choice("off", "nothing is frozen", needed)
    if cache == "auto" and 4 * values > multiply_adds * BYTES_PER_MULTIPLY_ADD:
        return Choice("off", "reading them would cost as much as computing them", needed)
    memory = _free_memory() // 4 if memory_room is None else memory_room
    if cache in ("auto", "disk") and needed <= disk_room:
        return Choice("disk", "", needed)
    if cache in ("auto", "memory") and needed <= memory:
        return Choice("memory", "", needed)
    return Choice("off", "no room for them", needed)


def _free_memory() -> int:
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return 0
