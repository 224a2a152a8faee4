"""The wire format of protocol buffers: the fields of a message, without a description of the message."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

Value: TypeAlias = int | memoryview
"""Value of a field: a number, or the bytes of a text, a message, an array, or a number of fixed size."""

_FIXED = {1: 8, 5: 4}
"""Bytes of a value by its wire type."""


def fields(message: memoryview) -> Iterator[tuple[int, Value]]:
    """Yield the number and the value of each field of a message, in order.

    Raises:
        ValueError: the bytes are not a message, or are cut.
        IndexError: the bytes are cut.
    """
    place = 0
    while place < len(message):
        key, place = number(message, place)
        kind = key & 7
        if kind == 0:
            found, place = number(message, place)
            yield key >> 3, found
            continue
        size = _FIXED.get(kind)
        if kind == 2:
            size, place = number(message, place)
        if size is None or key >> 3 == 0 or place + size > len(message):
            raise ValueError("not a message, or a cut one")
        yield key >> 3, message[place : place + size]
        place += size


def numbers(value: Value) -> Iterator[int]:
    """Yield the numbers of a field, which holds one or packs many."""
    if isinstance(value, int):
        yield value
        return
    place = 0
    while place < len(value):
        found, place = number(value, place)
        yield found


def number(data: bytes | memoryview, place: int) -> tuple[int, int]:
    """Read a number with seven bits per byte, and return it with the position after it.

    Raises:
        ValueError: the number has more than 64 bits.
        IndexError: the bytes end within it.
    """
    found = shift = 0
    while True:
        byte = data[place]
        found |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return found, place
        if shift > 63:
            raise ValueError("a number without end")
