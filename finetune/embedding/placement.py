"""The decision whether and where a stage's features are kept."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

Where = Literal["off", "memory", "disk"]

BYTES_PER_MULTIPLY_ADD = 1 / 300
"""Largest size of a vector per multiply-add, so that reading it costs well under computing it.

Reading is assumed to take half a gigabyte per second, computing 150 billion multiply-adds per second.
"""


@dataclass(frozen=True)
class Choice:
    """The place of a stage's features.

    Attributes:
        where: place of the features.
        reason: reason for `off`, else empty.
        needed: bytes of all vectors.
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
    """Decide where to keep the features of one stage.

    Args:
        cache: value of the recipe key `cache`.
        vectors: number of vectors: one per image, or one per view of an augmented image.
        values: number of float32 values in a vector.
        multiply_adds: cost of one image in the frozen units.
        augmented: whether each epoch draws new augmentations.
        disk_room: bytes that the cache may take on disk.
        memory_room: bytes that the cache may take in memory; by default a quarter of the free memory.
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
