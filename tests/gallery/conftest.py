"""Made-up people: unit vectors around one direction per person."""

from __future__ import annotations

import struct
import zlib

import numpy as np

from finetune.gallery.contract import Contract
from finetune.gallery.gallery import Gallery
from finetune.gallery.photos import Photos

CONTRACT = Contract("models/a/model-a.ckpt-1", "ab" * 32, 160, "fixed")


def vectors(labels, size: int = 16, spread: float = 0.3, seed: int = 0) -> np.ndarray:
    """Draw unit vectors, float32 [n, size]. Photos of one label lie together, independently of other labels."""
    generator = np.random.default_rng(seed)
    rows = [
        np.random.default_rng([7, label]).standard_normal(size) / size**0.5
        + spread * generator.standard_normal(size) / size**0.5
        for label in labels
    ]
    rows = np.reshape(rows, [-1, size])
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def photos(embeddings: np.ndarray, seed: int = 0) -> Photos:
    generator = np.random.default_rng(seed)
    digests = [generator.bytes(32) for _ in embeddings]
    return Photos.of(embeddings, digests, [f"{number}.png" for number in range(len(embeddings))])


def gallery(people: int = 5, each: int = 4, size: int = 16, seed: int = 0, **changed) -> Gallery:
    labels = np.repeat(np.arange(people), each)
    names = [f"person {label}" for label in labels]
    return Gallery.empty(CONTRACT, size).add(names, photos(vectors(labels, size, seed=seed, **changed), seed))


def bomb() -> bytes:
    """Return a PNG of 60,000 by 60,000 pixels in a few bytes."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )
