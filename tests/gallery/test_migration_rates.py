"""The rates of a migration are those of the definition, and no photo meets a map that was fitted on it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from finetune.gallery.mapping import fit_map, mapped
from tests.gallery.conftest import gallery, photos, vectors
from tests.gallery.test_migration import rate

pytestmark = pytest.mark.tf


def moved(size: int = 48):
    """Return a gallery of 12 people with three photos each, of which the new checkpoint has embedded two."""
    from finetune.gallery.moved_embeddings import MovedEmbeddings

    before = gallery(people=12, each=3, size=size, spread=1.5)
    there = np.flatnonzero(np.arange(36) % 3 < 2)
    turned = before.embeddings[there] @ np.linalg.qr(np.random.default_rng(2).standard_normal([size, size]))[0]
    fresh = dataclasses.replace(before.photos.take(there), embeddings=turned.astype(np.float32))
    return MovedEmbeddings(before, before.photos, there, fresh, np.flatnonzero(np.arange(36) % 3 == 2))


def test_each_probe_is_left_out_of_the_gallery_and_of_the_map():
    from finetune.gallery.migration_rates import rates_left_out
    from finetune.gallery.moved_embeddings import Fit

    work = moved()
    pairs, labels = work.pairs(), work.before.labels.tolist()
    fit = Fit(fit_map(pairs.old, pairs.new, pairs.people), pairs)
    found = rates_left_out(work, fit)

    def expected(of_probe) -> float:
        right = 0.0
        for probe, row, fold in zip(work.fresh.embeddings, work.there, fit.map.folds, strict=True):
            rows = work.before.embeddings.copy()
            rows[work.gone] = mapped(rows[work.gone], of_probe(fold))
            rows[work.there] = work.fresh.embeddings
            right += rate(rows, labels, [probe], [row])
        return right / len(work.there)

    seen = expected(lambda fold: fit.map.rotation)
    assert found.after.value == pytest.approx(expected(lambda fold: fit.map.without[fold]))
    assert found.after.value < seen  # the map of all images has seen the probes
    assert found.after.n == 24
    assert found.probes == "24 enrolled photos of 12 people, each left out in turn"


def test_labelled_probes_are_named_by_the_nearest_mean():
    from finetune.gallery.migration_images import Probes
    from finetune.gallery.migration_rates import rates_of_probes

    work, own = moved(), np.arange(12)
    old, new = vectors(own, 48, spread=1.5, seed=5), vectors(own, 48, spread=3, seed=6)
    found = rates_of_probes(work, None, Probes((), own, frozenset()), old, new)
    after = work.photos(None).embeddings
    for measured, rows, probes in (
        (found.before, work.before.embeddings, old),
        (found.unmigrated, work.before.embeddings, new),
        (found.after, after, new),
    ):
        means = np.array([rows[work.before.labels == label].mean(axis=0, dtype=np.float64) for label in own])
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        assert measured.value == np.mean((probes @ means.T).argmax(axis=1) == own)


@pytest.mark.parametrize(("people", "each"), [(1, 5), (4, 1)])
def test_one_person_or_single_photos_show_nothing(people, each):
    from finetune.gallery.migration_rates import rates_left_out
    from finetune.gallery.moved_embeddings import MovedEmbeddings

    before = gallery(people=people, each=each)
    there = np.arange(len(before))
    assert rates_left_out(MovedEmbeddings(before, before.photos, there, before.photos, there[:0]), None) is None


def test_images_are_thinned_evenly_over_people_and_joined_people_stay_apart():
    from finetune.gallery.migration_images import Pairs

    labels = np.repeat(np.arange(10), 20)
    rows = vectors(labels)
    pairs = Pairs(rows, rows, labels, np.arange(200)).thinned(50)
    assert np.bincount(pairs.people).tolist() == [5] * 10
    joined = pairs.joined(pairs)
    assert np.bincount(joined.people).tolist() == [5] * 20
    assert photos(rows).maps.tolist() == [0] * 200
