"""PNG files as aligned faces are saved, decoded by libspng in less than half of Pillow's time, one at a time."""

from __future__ import annotations

import struct
import zlib
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

SIGNATURE = b"\x89PNG\r\n\x1a\n"
HEADER = struct.Struct(">IIBBBBB")
"""Width, height, bit depth, color type, and the methods of compression, filtering and interlacing."""
FIRST = 16 + HEADER.size
"""Bytes of the signature and the header."""
EIGHT_BIT_RGB = (8, 2, 0, 0, 0)
"""Bit depth, color type and methods of images that are decoded here, which are not interlaced."""
HARMLESS = frozenset({b"IDAT", b"pHYs", b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"tIME"})
"""Chunks beside the first and the last that change no pixel here. Others, such as EXIF's, may turn the image."""


def decode_plain_png(file: BinaryIO, max_pixels: int) -> npt.NDArray[np.uint8] | None:
    """Decode a PNG file if it is a plain one: whole, eight-bit RGB, not interlaced, without transparency or EXIF data.

    Only its header is read if that shows something else. Other threads of Python wait meanwhile.

    Args:
        file: file of any kind, at its beginning. Its position afterwards is undefined.
        max_pixels: width times height above which an image is not decoded here.

    Returns:
        RGB pixels, uint8 [height, width, 3]; None if another decoder has to read the file, or to say what is wrong.
    """
    beginning = file.read(FIRST)
    pixels_in_all = _pixels(beginning)
    if not 0 < pixels_in_all <= max_pixels:
        return None
    most = 4 * pixels_in_all + 2**20
    content = beginning + file.read(most)
    if len(content) > most or not _is_whole(content):
        return None
    import pyspng

    try:
        pixels: npt.NDArray[np.uint8] = pyspng.load(content, format="RGB")
    except RuntimeError:  # libspng's errors
        return None
    return pixels


def _pixels(beginning: bytes) -> int:
    """Return width times height by the header of a plain PNG file; 0 for other bytes."""
    if len(beginning) < FIRST or beginning[:16] != SIGNATURE + b"\0\0\0\x0dIHDR":
        return 0
    width, height, *kind = HEADER.unpack_from(beginning, 16)
    return int(width * height) if tuple(kind) == EIGHT_BIT_RGB else 0


def _is_whole(content: bytes) -> bool:
    """Return whether a PNG file has all its chunks, harmless ones alone, with the right checksums."""
    view, place = memoryview(content), len(SIGNATURE)
    while place + 12 <= len(content):
        length, name = struct.unpack_from(">I4s", content, place)
        end = place + 8 + length
        if end + 4 > len(content) or zlib.crc32(view[place + 4 : end]) != int.from_bytes(view[end : end + 4], "big"):
            return False
        if name == b"IEND":
            return True
        if name not in HARMLESS and place > len(SIGNATURE):
            return False
        place = end + 4
    return False
