"""The graph of similar faces is that of the full product, whatever the blocks."""

from __future__ import annotations

import numpy as np
import pytest

from finetune.clustering import expand, neighbours, similar_pairs
from tests.clustering.conftest import planted


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (7, 5), (64, 1000)])
def test_blocks_find_what_the_full_product_finds(monkeypatch, rows, columns):
    monkeypatch.setattr(neighbours, "ROWS", rows)
    monkeypatch.setattr(neighbours, "COLUMNS", columns)
    faces, _ = planted(people=6, spread=1.5)
    full = np.triu(faces @ faces.T >= 0.3, 1)
    found = similar_pairs(faces, 0.3)
    assert 0 < len(found.first) < len(faces) * (len(faces) - 1) / 2
    assert np.array_equal([found.first, found.second], np.nonzero(full))


def test_a_face_brings_in_its_most_similar_ones_at_most():
    faces, _ = planted(people=3, each=20, spread=1.0)
    full = faces @ faces.T
    np.fill_diagonal(full, -2)
    best = {(min(i, j), max(i, j)) for i in range(len(faces)) for j in np.argsort(-full[i])[:4].tolist()}
    found = similar_pairs(faces, -1, most=4)
    assert {*zip(found.first.tolist(), found.second.tolist(), strict=True)} == best


def test_expansion_adds_the_nearest_by_the_cube_of_their_similarity():
    faces, _ = planted(people=4, each=5, spread=0.8)
    similarities = faces.astype(np.float64) @ faces.T
    for row, found in enumerate(expand(faces)):
        near = [j for j in np.argsort(-similarities[row]) if j != row][:8]
        whole = faces[row] + sum(max(0, similarities[row, j]) ** 3 * faces[j].astype(np.float64) for j in near)
        np.testing.assert_allclose(found, whole / np.linalg.norm(whole), atol=1e-5)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_few_faces_are_expanded_too(n):
    faces = np.eye(4, dtype=np.float32)[:n]
    assert np.array_equal(expand(faces), faces)
    assert len(similar_pairs(faces, 0.5).first) == 0
