"""Makers of LevelDB tables, byte by byte, with checksums that fit."""

from __future__ import annotations

import functools
import struct

from finetune.checkpoint.formats import wire


@functools.cache
def crc_table() -> tuple[int, ...]:
    """Return the table of CRC-32C, one entry per byte."""
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return tuple(table)


def crc_of(data: bytes) -> int:
    """Return the CRC-32C of bytes, one after another."""
    crc, table = 0xFFFFFFFF, crc_table()
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def masked_crc(data: bytes) -> int:
    crc = crc_of(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def number(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def block(entries: list[tuple[bytes, bytes]]) -> bytes:
    """Return a block whose keys share nothing, with its trailer."""
    data = b"".join(number(0) + number(len(key)) + number(len(value)) + key + value for key, value in entries)
    data += struct.pack("<II", 0, 1)
    return data + b"\0" + struct.pack("<I", masked_crc(data + b"\0"))


def table(entries: list[tuple[bytes, bytes]]) -> bytes:
    """Return a table of these entries, in the format of LevelDB's tables."""
    data, meta = block(entries), block([])
    handles = [number(start) + number(len(part) - 5) for start, part in ((0, data), (len(data), meta))]
    index = block([(entries[-1][0] + b"\xff", handles[0])])
    footer = handles[1] + number(len(data) + len(meta)) + number(len(index) - 5)
    return data + meta + index + footer.ljust(40, b"\0") + bytes.fromhex("57fb808b247547db")


def resealed(content: bytes) -> bytes:
    """Return the table with checksums that fit its data block and its index, at the places that its footer gives."""
    place, numbers = len(content) - 48, []
    for _ in range(4):
        value, place = wire.number(content, place)
        numbers.append(value)
    sealed = bytearray(content)
    for start, size in ((0, numbers[0] - 5), (numbers[2], numbers[3])):
        if size > 0 and start + size + 5 <= len(content):
            sealed[start + size + 1 : start + size + 5] = struct.pack(
                "<I", masked_crc(content[start : start + size + 1])
            )
    return bytes(sealed)
