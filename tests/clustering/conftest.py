"""Made-up faces: unit vectors around one direction per person."""

from __future__ import annotations

import numpy as np


def planted(people: int = 5, each: int = 6, size: int = 32, spread: float = 0.4, seed: int = 0):
    """Return unit vectors, float32 [n, size], in a random order, and their people, int64 [n]."""
    generator = np.random.default_rng(seed)
    labels = generator.permutation(np.repeat(np.arange(people), each))
    centres = np.linalg.qr(generator.standard_normal([size, size]))[0][:people]
    rows = centres[labels] + spread * generator.standard_normal([len(labels), size]) / size**0.5
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), labels


def partition(labels) -> set[frozenset[int]]:
    """Return the clusters as sets of rows."""
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in np.unique(labels)}
