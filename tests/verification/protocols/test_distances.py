"""Distances are computed in blocks, with the same bits and a small part of the memory."""

from __future__ import annotations

import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from finetune.verification import ImagePairs
from finetune.verification.protocols import by_name, distances
from finetune.verification.protocols.distances import PairedRows, pair_distances

BYTES = 8 * 512
"""Bytes of one embedding in float64."""


def drawn(images: int, n: int, values: int) -> tuple[np.ndarray, ImagePairs]:
    generator = np.random.default_rng([images, n])
    index = generator.integers(images, size=(2, n))
    paths = tuple(Path(f"p{i}/p{i}_0001.png") for i in range(images))
    rows = generator.normal(size=(images, values)).astype(np.float32)
    return rows, ImagePairs(paths, index[0], index[1], np.arange(n) % 2 == 0, 10)


def at_once(first: np.ndarray, second: np.ndarray, distance: str, mean: np.ndarray | float) -> np.ndarray:
    """Compute the distances of all pairs at once, [n, E] in float64."""
    first, second = first.astype(np.float64) - mean, second.astype(np.float64) - mean
    if distance == "euclidean":
        return np.einsum("ne,ne->n", first - second, first - second)
    norms = np.sqrt(np.einsum("ne,ne->n", first, first)) * np.sqrt(np.einsum("ne,ne->n", second, second))
    return np.arccos(np.clip(np.einsum("ne,ne->n", first, second) / norms, -1, 1)) / np.pi


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(1, 60), values=st.sampled_from([2, 3, 128]), block=st.integers(1, 70), centred=st.booleans(),
    wide=st.booleans(), distance=st.sampled_from(["euclidean", "cosine"]),
)  # fmt: skip
def test_the_blocks_change_no_bit(n, values, block, centred, wide, distance):
    rows, pairs = drawn(20, n, values)
    pairs.index2[pairs.index1 == pairs.index2] -= 1
    mean = rows.mean(axis=0, dtype=np.float64) if centred and distance == "cosine" else None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distances, "BLOCK", block)
        patch.setattr(distances, "WIDEST", 2**20 if wide else 0)
        paired = PairedRows.of(rows, pairs).widened()
        assert (paired.first.dtype == np.float64) is wide
        found, total = pair_distances(paired, distance, mean), paired.sums()
    first, second = rows[pairs.index1], rows[pairs.index2]
    assert np.array_equal(found, at_once(first, second, distance, 0 if mean is None else mean))
    assert np.array_equal(total, first.astype(np.float64).sum(axis=0) + second.astype(np.float64).sum(axis=0))


@pytest.mark.parametrize(("protocol", "options"), [("k_fold", {"subtract_mean": True}), ("fixed_far", {})])
def test_memory_does_not_grow_with_the_pairs(protocol, options):
    rows, pairs = drawn(500, 40_000, 512)
    tracemalloc.start()
    by_name(protocol).evaluate(rows, pairs, distance="cosine", **{"subtract_mean": False} | options)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 0.5 * len(pairs.is_same) * BYTES


@pytest.mark.slow
def test_a_million_pairs_of_100_000_images_are_scored_within_a_minute():
    rows, pairs = drawn(100_000, 1_000_000, 512)
    start = time.process_time()
    by_name("k_fold").evaluate(rows, pairs, distance="cosine", subtract_mean=True)
    # Other work shares the machine, so the processor's time over two cores counts.
    assert time.process_time() - start < 120
