"""The map between two checkpoints' embeddings is the planted one, and its certificate is what NumPy says."""

from __future__ import annotations

import numpy as np
import pytest

from finetune.gallery.mapping import FOLDS, fit_map, folds_of, mapped
from tests.gallery.conftest import vectors


def planted(size: int, seed: int = 0) -> np.ndarray:
    """Draw an orthogonal matrix by a QR decomposition."""
    return np.linalg.qr(np.random.default_rng(seed).standard_normal([size, size]))[0]


@pytest.mark.parametrize(("people", "each", "size"), [(60, 3, 16), (120, 4, 64), (1, 200, 32)])
def test_a_planted_rotation_is_recovered(people, each, size):
    labels = np.repeat(np.arange(people), each)
    old, rotation = vectors(labels, size, spread=1).astype(np.float64), planted(size)
    fit = fit_map(old, old @ rotation, labels)
    assert np.abs(fit.rotation - rotation).max() < 1e-6
    assert all(np.abs(one - rotation).max() < 1e-6 for one in fit.without)
    assert fit.cosines.min() > 1 - 1e-12
    assert np.abs(mapped(old.astype(np.float32), fit.rotation) - old @ rotation).max() < 1e-6


def test_every_map_is_orthogonal_even_where_the_images_leave_it_open():
    labels = np.repeat(np.arange(12), 2)
    old = vectors(labels, 64)
    fit = fit_map(old, vectors(labels, 64, seed=5), labels)
    for rotation in (fit.rotation, *fit.without):
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(64), atol=1e-9)


def test_checkpoints_that_agree_keep_the_embeddings_as_they_are():
    labels = np.repeat(np.arange(12), 2)
    old = vectors(labels, 64)
    fit = fit_map(old, old, labels)
    np.testing.assert_array_equal(fit.rotation, np.eye(64))
    assert fit.certificate("a", "b", 12).worst == pytest.approx(1)


def test_few_images_of_a_small_move_do_no_harm_to_others():
    """Fit on 24 images of 64 values: a bare Procrustes solution turns the directions that no image shows."""
    labels = np.repeat(np.arange(12), 2)
    small = np.linalg.qr(np.eye(64) + 0.05 * np.random.default_rng(1).standard_normal([64, 64]))[0]
    small *= np.sign(np.diag(small))  # near the identity
    old, others = vectors(labels, 64), vectors(np.arange(100, 160), 64)
    fit = fit_map(old, old @ small, labels)
    u, _, vt = np.linalg.svd(old.T.astype(np.float64) @ (old @ small))
    bare, ours = (np.einsum("ij,ij->i", others @ one, others @ small).mean() for one in (u @ vt, fit.rotation))
    assert ours >= np.einsum("ij,ij->i", others, others @ small).mean()
    assert ours > bare + 0.1


def test_the_certificate_is_of_people_that_the_fit_did_not_see():
    """Compare with a Procrustes solution by NumPy's SVD alone, one per fold of people."""
    labels = np.repeat(np.arange(40), 3)
    old = vectors(labels, 8, spread=1)
    noise = 0.1 * np.random.default_rng(3).standard_normal(old.shape)
    new = old @ planted(8) + noise
    new /= np.linalg.norm(new, axis=1, keepdims=True)
    expected = np.empty(len(old))
    for fold in range(FOLDS):
        out = labels % FOLDS == fold
        u, _, vt = np.linalg.svd(old[~out].T.astype(np.float64) @ new[~out])
        expected[out] = np.einsum("ij,ij->i", old[out] @ (u @ vt), new[out])
    found = fit_map(old, new, labels).certificate("old", "new", 40)
    assert (found.old, found.new, found.images, found.people) == ("old", "new", 120, 40)
    assert found.mean == pytest.approx(expected.mean(), abs=1e-3)  # a pull may be chosen, of little weight here
    assert found.worst == pytest.approx(expected.min(), abs=5e-3)
    assert found.unmapped == pytest.approx(np.einsum("ij,ij->i", old, new).mean(), abs=1e-6)
    assert found.mean < 1 - 1e-3


def test_no_person_is_in_two_folds():
    labels = np.array([7, 7, 3, 9, 3, 9, 11])
    folds = folds_of(labels)
    assert all(len(set(folds[labels == label])) == 1 for label in set(labels))
    assert len(set(folds.tolist())) == 4
