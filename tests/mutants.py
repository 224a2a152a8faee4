"""A folder of damaged image files: every format that is read, mutated at random, and decompression bombs."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

FORMATS = {
    "jpg": {"quality": 85},
    "png": {},
    "gif": {"save_all": True, "duration": 50},
    "webp": {"quality": 80},
    "bmp": {},
    "tif": {"compression": "tiff_lzw"},
}
PEOPLE = 20


def write(folder: Path, faces: list[np.ndarray], count: int, seed: int = 0) -> int:
    """Write `count` mutants and the bombs as `person_NN/N.ext`, and return the number of files.

    Args:
        faces: images to mutate, uint8 [h, w, 3] each.
    """
    generator = random.Random(seed)
    sources = list(_sources(faces))
    files = [(*generator.choice(sources), True) for _ in range(count)] + [(*bomb, False) for bomb in _bombs()]
    for number, (suffix, content, mutate) in enumerate(files):
        path = folder / f"person_{number % PEOPLE:02d}/{number:04d}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(mutated(content, generator) if mutate else content)
    return len(files)


def _sources(faces: list[np.ndarray]) -> Iterator[tuple[str, bytes]]:
    for face in faces:
        image = Image.fromarray(face)
        for suffix, options in FORMATS.items():
            for mode in ("RGB", "L", "P", "CMYK", "RGBA", "I;16"):
                content = io.BytesIO()
                kind = Image.registered_extensions()[f".{suffix}"]
                frames = {"append_images": [image.convert("P")]} if suffix == "gif" else {}
                try:
                    changed = (
                        Image.fromarray(face[..., 0].astype(np.uint16) * 257) if mode == "I;16" else image.convert(mode)
                    )
                    changed.save(content, kind, **options, **frames)
                except (OSError, ValueError):  # a mode that the format does not have
                    continue
                yield suffix, content.getvalue()


def mutated(content: bytes, generator: random.Random) -> bytes:
    """Return content with one to twenty changed, missing or added pieces."""
    data = bytearray(content)
    for _ in range(generator.choice((1, 1, 2, 5, 20))):
        # The most important bytes stand at the front.
        place = generator.randrange(min(len(data), 100) if generator.random() < 0.5 else len(data))
        match generator.randrange(6):
            case 0:
                data[place] ^= 1 << generator.randrange(8)
            case 1:
                data[place] = generator.choice((0, 1, 127, 128, 255))
            case 2:
                del data[place : place + generator.randrange(1, 64)]
            case 3:
                data[place:place] = generator.randbytes(generator.randrange(1, 64))
            case 4:
                data[place : place + 4] = struct.pack(">I", generator.choice((0, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)))
            case 5:
                del data[place:]
        if not data:
            return b""
    return bytes(data)


def _bombs() -> Iterator[tuple[str, bytes]]:
    """Yield small files that claim an enormous size; some of them really unpack to it."""
    for width, height in ((60_000, 60_000), (30_000, 9_000), (1, 100_000_000), (2**31 - 1, 2**31 - 1)):
        yield "png", _png(width, height, rows=min(height, 9_000) if width < 2**20 else 0)
    for suffix, width in (("jpg", 8_000), ("gif", 20_000), ("tif", 20_000), ("bmp", 20_000), ("webp", 9_000)):
        content = io.BytesIO()
        Image.new("L", (width, 9_000)).save(content, Image.registered_extensions()[f".{suffix}"])
        yield suffix, content.getvalue()


def _png(width: int, height: int, rows: int) -> bytes:
    """Return a grey PNG of one bit per pixel that holds this many of its rows."""
    row = bytes(1 + (width + 7) // 8)
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(row) for _ in range(rows)) + packer.flush()
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)), (b"IDAT", packed), (b"IEND", b"")]
    body = (struct.pack(">I", len(c)) + name + c + struct.pack(">I", zlib.crc32(name + c)) for name, c in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)
