"""LevelDB's tables of keys and values, in which TensorFlow keeps the entries of a checkpoint.

A table is a row of blocks, each followed by its compression and its checksum. The footer holds the place of the index
block, whose values are the places of the others. In a block, a key repeats the beginning of the key before it.
"""

from __future__ import annotations

from collections.abc import Iterator

from finetune.checkpoint.formats.crc32c import masked_crc32c
from finetune.checkpoint.formats.wire import number

MAGIC = bytes.fromhex("57fb808b247547db")
FOOTER = 48
TRAILER = 5
"""Bytes after a block: one for its compression, and a masked CRC-32C of the block and that byte."""
MOST_KEYS = 2**26
"""Largest number of bytes in all keys together. Keys that repeat each other need far fewer bytes in the file."""


def table_entries(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the keys and values of a table, in the order of the keys. Every block's checksum is verified.

    Raises:
        ValueError: the bytes are not a table, or are damaged.
        IndexError: the bytes are cut.
    """
    footer = content[-FOOTER:]
    if len(content) < FOOTER or footer[-8:] != MAGIC:
        raise ValueError("no table of variables")
    place = 0
    for _ in range(2):  # skips the offset and the size of the metadata block
        _, place = number(footer, place)
    before, total = None, 0
    for _, handle in _block(content, footer[place:]):
        for key, value in _block(content, handle):
            total += len(key)
            if (before is not None and key <= before) or total > MOST_KEYS:
                raise ValueError("its keys are out of order, or too long")
            yield key, value
            before = key


def _block(content: bytes, handle: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the keys and values of the block with this handle, which encodes offset and size."""
    offset, place = number(handle, 0)
    size, _ = number(handle, place)
    block, trailer = content[offset : offset + size], content[offset + size : offset + size + TRAILER]
    if len(block) != size or len(trailer) != TRAILER or trailer[0]:
        raise ValueError("a block that is cut or compressed")
    if masked_crc32c(block, trailer[:1]) != int.from_bytes(trailer[1:], "little"):
        raise ValueError("a block does not have its checksum")
    end = size - 4 - 4 * int.from_bytes(block[-4:], "little")  # restart points and their number follow the entries
    key, place = b"", 0
    while place < end:
        shared, place = number(block, place)
        added, place = number(block, place)
        length, place = number(block, place)
        if shared > len(key) or place + added + length > end:
            raise ValueError("an entry that leaves its block")
        key = key[:shared] + block[place : place + added]
        yield key, block[place + added : place + added + length]
        place += added + length
