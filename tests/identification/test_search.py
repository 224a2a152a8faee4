"""Search gives what an exhaustive search in float64 gives."""

from __future__ import annotations

import h5py
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
        patch.setattr(search, "CANDIDATES", 3)
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


@pytest.mark.parametrize("dtype", ["float16", "float32", ">f4", "float64"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_mapped_file_gives_the_answers_of_its_values(tmp_path, monkeypatch, dtype, order):
    monkeypatch.setattr(search, "ROWS", 7)
    monkeypatch.setattr(search, "PROBES", 2)
    stored = vectors([number % 6 for number in range(40)], seed=1).astype(dtype)
    np.save(tmp_path / "gallery.npy", np.asarray(stored, order=order))
    probes = vectors(range(5), seed=2)
    found = nearest(np.load(tmp_path / "gallery.npy", mmap_mode="r"), probes, 3)
    rows, similarities = exhaustive(stored.astype(np.float32), probes, 3)
    np.testing.assert_array_equal(found.rows, rows)
    np.testing.assert_array_equal(found.similarities, similarities)


def test_an_hdf5_dataset_is_searched_without_reading_it_as_a_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(search, "ROWS", 8)
    monkeypatch.setattr(search, "PROBES", 2)
    embeddings, probes = vectors(range(50), seed=3), vectors(range(9), seed=4)
    with h5py.File(tmp_path / "some.h5", "w") as file:
        file["embeddings"] = embeddings
        read = Watched(file["embeddings"])
        found = nearest(read, probes, 4)
    assert read.blocks == [(start, start + 8) for start in range(0, 50, 8)]  # once, for all five blocks of probes
    np.testing.assert_array_equal(found.rows, exhaustive(embeddings, probes, 4)[0])


class Watched:
    """Rows that remember which blocks were asked for."""

    def __init__(self, rows) -> None:
        self._rows, self.blocks = rows, []

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, rows: slice):
        self.blocks.append((rows.start, rows.stop))
        return self._rows[rows]


def test_embeddings_with_their_mirror_images_are_told_apart_too(monkeypatch):
    """Two unit halves make a length of √2, so that the rounding error is up to twice as large."""
    monkeypatch.setattr(search, "ROWS", 16)
    halves = vectors(range(200), size=256, seed=5), vectors(range(200), size=256, seed=6)
    embeddings = np.concatenate(halves, axis=1)
    rows, _ = exhaustive(embeddings, embeddings[:4], 6)
    np.testing.assert_array_equal(nearest(embeddings, embeddings[:4], 6).rows, rows)
    assert np.linalg.norm(embeddings, axis=1).max() < search.MOST_LENGTH


def test_no_probe_has_no_answer():
    found = nearest(vectors(range(5)), np.empty([0, 16], np.float32), 2)
    assert (found.rows.shape, found.rows.dtype, found.similarities.shape) == ((0, 2), np.dtype(np.int64), (0, 2))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_row_that_is_not_finite_is_refused_where_it_would_hide_others(monkeypatch, value):
    monkeypatch.setattr(search, "ROWS", 4)
    gallery = vectors(range(11))
    gallery[6, 3] = value
    with pytest.raises(ValueError, match="rows 4 to 7: one of them holds NaN or infinity"):
        nearest(gallery, np.stack([-gallery[0], gallery[0]]), 1)
    with pytest.raises(ValueError, match="a probe holds NaN or infinity"):
        nearest(vectors(range(11)), gallery, 1)


def test_a_long_search_shows_its_progress(monkeypatch, capsys):
    monkeypatch.setattr(search, "ROWS", 4)
    monkeypatch.setattr("finetune.progress.SECONDS_BETWEEN_LINES", 0.0)
    nearest(vectors(range(11)), vectors([0]), 1, what="searching")
    assert capsys.readouterr().err.startswith("searching: 4 of 11")
    nearest(vectors(range(11)), vectors([0]), 1)
    assert capsys.readouterr().err == ""
