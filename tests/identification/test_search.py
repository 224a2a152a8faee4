"""Search gives what an exhaustive search in float64 gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from finetune.identification import search
from finetune.identification.search import nearest
from tests.gallery.conftest import vectors


def exhaustive(gallery: np.ndarray, probes: np.ndarray, k: int):
    similarities = np.array([[sum(map(float, np.float64(row) * probe)) for row in gallery] for probe in probes])
    exact = np.array([[(np.float64(row) * np.float64(probe)).sum() for row in gallery] for probe in probes])
    np.testing.assert_allclose(exact, similarities, atol=1e-12)
    order = np.array([sorted(range(len(gallery)), key=lambda row: (-line[row], row))[:k] for line in exact])
    return order, np.take_along_axis(exact, order, 1)


@settings(max_examples=60)
@given(st.integers(1, 40), st.integers(1, 6), st.integers(1, 5), st.integers(1, 9), st.integers(0, 3), st.randoms())
def test_the_nearest_are_those_of_an_exhaustive_search(n, m, k, block, copies, random):
    gallery = vectors([random.randrange(6) for _ in range(n)], seed=n)
    for _ in range(copies):  # equal rows anywhere: the lower one comes first
        gallery[random.randrange(n)] = gallery[random.randrange(n)]
    probes = vectors([random.randrange(6) for _ in range(m)], seed=m)
    k = min(k, n)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "ROWS", block)
        patch.setattr(search, "PROBES", 2)
        found = nearest(gallery, probes, k)
    rows, similarities = exhaustive(gallery, probes, k)
    np.testing.assert_array_equal(found.rows, rows)
    np.testing.assert_array_equal(found.similarities, similarities)


def test_rows_that_float32_can_not_tell_apart_are_told_apart(monkeypatch):
    """Search similarities that differ by 1e-9, far below float32's steps, in any order of blocks."""
    monkeypatch.setattr(search, "ROWS", 64)
    probe = np.zeros([1, 512], np.float32)
    probe[0, 0] = 1
    gallery = np.zeros([300, 512], np.float32)
    gallery[:, 0] = np.float32(0.9)
    gallery[:, 1] = np.sqrt(1 - 0.9**2)
    probe[0, 2] = 2.0**-20
    order = np.random.default_rng(1).permutation(300)
    gallery[:, 2] = (order * 2.0**-12).astype(np.float32)
    found = nearest(gallery, probe, 5)
    exact = gallery.astype(np.float64) @ probe[0].astype(np.float64)
    assert len(np.unique(gallery @ probe[0])) < 300
    np.testing.assert_array_equal(found.rows[0], np.argsort(-exact, kind="stable")[:5])


def test_more_are_asked_for_than_a_block_holds(monkeypatch):
    monkeypatch.setattr(search, "ROWS", 4)
    gallery, probes = vectors(range(11)), vectors([3])
    rows, _ = exhaustive(gallery, probes, 11)
    np.testing.assert_array_equal(nearest(gallery, probes, 11).rows, rows)


def test_nobody_can_ask_for_more_than_there_are():
    with pytest.raises(ValueError, match="k: found 4; must be from 1 to the 3 rows"):
        nearest(vectors([0, 1, 2]), vectors([0]), 4)
