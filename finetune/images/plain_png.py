"""PNG files as aligned faces are saved, decoded by libspng in less than half of Pillow's time."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import numpy.typing as npt

SIGNATURE = b"\x89PNG\r\n\x1a\n"
HEADER = struct.Struct(">IIBBBBB")
"""Width, height, bit depth, color type, and the methods of compression, filtering and interlacing."""
PLAIN = (8, 2, 0, 0, 0)
"""Eight-bit RGB without interlacing."""
HARMLESS = frozenset({b"IDAT", b"pHYs", b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"tIME"})
"""Chunks beside the first and the last that change no pixel here. Others, such as EXIF's, may turn the image."""


def decode_plain_png(content: bytes, max_pixels: int) -> npt.NDArray[np.uint8] | None:
    """Decode a PNG file if it is a plain one: whole, eight-bit RGB, not interlaced, without transparency or EXIF data.

    Args:
        content: bytes of a file of any kind.
        max_pixels: width times height above which an image is not decoded here.

    Returns:
        RGB pixels, uint8 [height, width, 3]; None if another decoder has to read the file, or to say what is wrong.
    """
    size = _plain_size(content)
    if size is None or not 0 < size[0] * size[1] <= max_pixels:
        return None
    import pyspng

    try:
        pixels: npt.NDArray[np.uint8] = pyspng.load(content, format="RGB")
    except RuntimeError:  # libspng's errors
        return None
    return pixels


def _plain_size(content: bytes) -> tuple[int, int] | None:
    """Return width and height of a plain PNG file whose checksums are right, and None for all other bytes."""
    if content[:16] != SIGNATURE + b"\0\0\0\x0dIHDR" or len(content) < 45:
        return None
    width, height, *kind = HEADER.unpack_from(content, 16)
    if tuple(kind) != PLAIN:
        return None
    view, place = memoryview(content), len(SIGNATURE)
    while place + 12 <= len(content):
        length, name = struct.unpack_from(">I4s", content, place)
        end = place + 8 + length
        if end + 4 > len(content) or zlib.crc32(view[place + 4 : end]) != int.from_bytes(view[end : end + 4], "big"):
            return None
        if name == b"IEND":
            return width, height
        if name not in HARMLESS and place > len(SIGNATURE):
            return None
        place = end + 4
    return None
