"""A migrated gallery is the one that its photos give anew; what is not there is mapped; a loss is refused."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

from finetune.errors import DataError, RunError
from finetune.gallery.mapping import LEAST_IMAGES
from finetune.gallery.storage import read_gallery, update, write_gallery
from tests.gallery.conftest import gallery, photos, vectors
from tests.gallery.test_storage import equal

pytestmark = pytest.mark.tf


@pytest.fixture(scope="module")
def old(drawn_checkpoint):
    from finetune.model import Model

    return Model.restore(drawn_checkpoint)


@pytest.fixture(scope="module")
def new(newer_checkpoint):
    from finetune.model import Model

    return Model.restore(newer_checkpoint)


@pytest.fixture
def people(faces, tmp_path):
    """Copy the drawn people, so that their files may be removed."""
    shutil.copytree(faces / "learn", tmp_path / "people")
    return tmp_path / "people"


def enrolled(path: Path, folder: Path, model, strangers: Path | None = None):
    from finetune.gallery.enrolment import enroll, enroll_strangers

    enroll(path, {person.name: person for person in sorted(folder.iterdir())}, model)
    if strangers:
        enroll_strangers(path, strangers, model)
    return read_gallery(path)


def plan(path: Path, model, old, **folders):
    from finetune.gallery.migration import plan_migration

    return plan_migration(path, read_gallery(path), model, lambda: old, **folders)


def rate(gallery_rows, labels, probes, rows) -> float:
    """Return the rank-1 rate by the definition: each photo left out of the mean of its person."""
    right = 0
    for probe, row in zip(probes, rows, strict=True):
        means = {}
        for label in set(labels):
            some = [other for other in range(len(labels)) if labels[other] == label and other != row]
            mean = gallery_rows[some].astype(np.float64).sum(axis=0)
            means[label] = mean / np.linalg.norm(mean) @ probe
        right += max(means, key=means.get) == labels[row]
    return right / len(rows)


def test_photos_that_are_there_give_the_gallery_that_enrolment_gives(faces, old, new, people, tmp_path):
    before = enrolled(tmp_path / "g.h5", people, old)
    expected = enrolled(tmp_path / "anew.h5", people, new)
    found = plan(tmp_path / "g.h5", new, old)
    assert (found.embedded, found.mapped, found.certificate) == (24, 0, None)
    assert equal(found.after, expected)
    assert not np.array_equal(before.embeddings, expected.embeddings)
    labels, rows = before.labels.tolist(), range(24)
    for measured, first, second in (
        (found.rates.before, before.embeddings, before.embeddings),
        (found.rates.unmigrated, before.embeddings, expected.embeddings),
        (found.rates.after, expected.embeddings, expected.embeddings),
    ):
        assert measured.value == pytest.approx(rate(first, labels, second, rows))


def test_crops_are_cut_again_from_their_photos(old, new, tmp_path):
    from PIL import Image

    from finetune.align import Alignment, aligned
    from finetune.gallery.enrolment import enroll
    from tests.align.conftest import scene

    (tmp_path / "photos").mkdir()
    for number in range(3):
        Image.fromarray(scene([(40, 30, 90)], 150, 180, seed=number)).save(tmp_path / f"photos/{number}.png")
    folder, coverage = aligned(tmp_path / "photos", Alignment(size=75), tmp_path / "crops")
    sources = {folder / outcome.photo: tmp_path / "photos" / outcome.photo for outcome in coverage.outcomes}
    for name, model in (("g", old), ("anew", new)):
        enroll(tmp_path / f"{name}.h5", {"Ann": list(sources)}, model, sources=sources)
    shutil.rmtree(folder)
    found = plan(tmp_path / "g.h5", new, old)
    assert found.embedded == 3
    assert equal(found.after, read_gallery(tmp_path / "anew.h5"))


def test_photos_that_are_gone_are_mapped_and_marked(faces, old, new, people, tmp_path):
    path = tmp_path / "g.h5"
    before = enrolled(path, people, old, faces / "strangers")
    expected = enrolled(tmp_path / "anew.h5", people, new, faces / "strangers")
    gone = [0, 7, 8, 20]
    for row in gone:
        Path(before.photos.paths[row].decode()).unlink()
    found = plan(path, new, old)
    kept = np.setdiff1d(np.arange(24), gone)
    assert (found.embedded, found.mapped) == (20, 4 + 24)  # the place of strangers' photos is not kept
    after = found.after
    np.testing.assert_array_equal(after.embeddings[kept], expected.embeddings[kept])
    assert np.flatnonzero(after.photos.maps).tolist() == gone
    assert after.strangers.maps.tolist() == [1] * 24
    assert np.abs(np.linalg.norm(after.embeddings, axis=1) - 1).max() < 1e-6
    certificate = found.certificate
    assert (certificate.images, certificate.people) == (20, 4)
    assert (certificate.old, certificate.new) == (before.contract.weights, expected.contract.weights)
    cosines = np.einsum("ij,ij->i", before.embeddings[kept], expected.embeddings[kept])
    assert certificate.unmapped == pytest.approx(cosines.mean(), abs=1e-6)
    assert certificate.worst <= certificate.mean <= 1
    assert certificate.rates == {name: one.value for name, one in found.rates.rows()}
    write_gallery(path, after)
    assert equal(read_gallery(path), after)
    assert read_gallery(path).certificates == after.certificates


def test_photos_that_have_moved_are_found_by_their_content(faces, old, new, people, tmp_path):
    enrolled(tmp_path / "g.h5", people, old, faces / "strangers")
    expected = enrolled(tmp_path / "anew.h5", people, new, faces / "strangers")
    (tmp_path / "all").mkdir()
    (tmp_path / "all/strangers").symlink_to(faces / "strangers")
    people.rename(tmp_path / "all/people")
    found = plan(tmp_path / "g.h5", new, old, photos=tmp_path / "all")
    assert (found.embedded, found.mapped) == (48, 0)
    np.testing.assert_array_equal(found.after.embeddings, expected.embeddings)
    np.testing.assert_array_equal(found.after.strangers.embeddings, expected.strangers.embeddings)
    assert all(Path(place.decode()).is_file() for place in found.after.photos.paths)
    assert not any(found.after.strangers.paths.tolist())


def test_the_map_is_fitted_on_a_folder_where_no_photo_is_there(faces, old, new, people, tmp_path):
    enrolled(tmp_path / "g.h5", people, old)
    people.rename(tmp_path / "lost")
    found = plan(tmp_path / "g.h5", new, old, photos=faces / "strangers")
    assert (found.embedded, found.mapped) == (0, 24)
    assert (found.certificate.images, found.certificate.people) == (24, 6)
    assert found.rates is None
    with pytest.raises(DataError, match=r"nothing to measure the loss on: .*; give --labelled FOLDER, or --force"):
        found.refuse_loss(tmp_path / "g.h5", 1)


def test_labelled_photos_are_measured_and_not_fitted_on(faces, old, new, people, tmp_path):
    probes, given = tmp_path / "probes", tmp_path / "given"
    for number in (1, 2):
        (probes / f"person_00{number}").mkdir(parents=True)
        shutil.move(people / f"person_00{number}/person_00{number}_0006.png", probes / f"person_00{number}/a.png")
    (probes / "nobody").mkdir()
    shutil.copy(faces / "strangers/person_011/person_011_0001.png", probes / "nobody/b.png")
    before = enrolled(tmp_path / "g.h5", people, old)
    people.rename(tmp_path / "lost")
    given.mkdir()
    (given / "strangers").symlink_to(faces / "strangers")
    (given / "probes").symlink_to(probes)
    found = plan(tmp_path / "g.h5", new, old, photos=given, labelled=probes)
    assert (found.embedded, found.mapped) == (0, len(before))
    assert found.certificate.images == 23  # the strangers, without the one among the probes
    assert found.rates.probes == "2 labelled photos of 2 people"
    means = [before.embeddings[before.labels == label].mean(axis=0) for label in range(4)]
    seen = [old.embed(probes / f"person_00{number}/a.png") for number in (1, 2)]
    right = [
        np.argmax([mean @ one.ravel() / np.linalg.norm(mean) for mean in means]) == label
        for label, one in enumerate(seen)
    ]
    assert found.rates.before.value == np.mean(right)


def test_too_few_images_for_a_map_are_refused(faces, old, new, people, tmp_path):
    before = enrolled(tmp_path / "g.h5", people, old)
    for row in range(LEAST_IMAGES - 1, 24):
        Path(before.photos.paths[row].decode()).unlink()
    with pytest.raises(DataError, match=r"15 photos not found, and 9 images to fit a map on, of 10 at least; give .*"):
        plan(tmp_path / "g.h5", new, old)


def test_a_second_map_adds_its_certificate_and_is_not_fitted_on_mapped_photos(faces, old, new, people, tmp_path):
    path = tmp_path / "g.h5"
    before = enrolled(path, people, old)
    places = [Path(place.decode()) for place in before.photos.paths]
    content = places[0].read_bytes()
    places[0].unlink()
    write_gallery(path, plan(path, new, old).after)
    places[0].write_bytes(content)
    places[1].unlink()
    found = plan(path, old, new)
    assert found.after.photos.maps.tolist() == [0, 1] + [0] * 22
    assert [one.images for one in found.after.certificates] == [23, 22]  # not on photo 0: its old embedding is mapped
    np.testing.assert_allclose(found.after.embeddings[0], before.embeddings[0], atol=1e-6)
    places[1].write_bytes(b"")
    shutil.copy(faces / "learn/person_001/person_001_0002.png", places[1])
    write_gallery(path, found.after)
    assert plan(path, new, old).after.certificates == ()


def test_a_loss_beyond_the_margin_is_refused(tmp_path):
    from finetune.gallery.migration import Migration
    from finetune.gallery.migration_rates import MigrationRates

    people = np.arange(100)
    hits = [np.arange(100) >= wrong for wrong in (2, 60, 5)]
    rates = MigrationRates.of("100 labelled photos of 100 people", *hits, people)
    assert rates.drop == pytest.approx(0.03)
    found = Migration(gallery(), gallery(), 20, 0, rates)
    found.refuse_loss(tmp_path / "g.h5", 0.03)
    with pytest.raises(DataError) as refused:
        found.refuse_loss(tmp_path / "g.h5", 0.02)
    assert str(refused.value) == (
        f"{tmp_path}/g.h5: would lose 0.0300 of its identification rate, 0.9800 before and 0.9500 after, on 100 "
        "labelled photos of 100 people; enrol the photos again, or allow more than --max-drop 0.02"
    )


def test_a_gallery_that_changed_meanwhile_is_not_replaced(tmp_path):
    from finetune.gallery.migration import Migration, write_migration

    path = tmp_path / "g.h5"
    write_gallery(path, gallery())
    found = Migration(gallery(), dataclasses.replace(gallery(), contract=gallery().contract), 20, 0, None)
    update(path, lambda now: now.add(["late"], photos(vectors([77]), seed=77)))
    before = path.read_bytes()
    with pytest.raises(DataError, match="has changed while it was migrated; migrate it again"):
        write_migration(path, found)
    path.unlink()
    with pytest.raises(DataError, match="has changed while it was migrated"):
        write_migration(path, found)
    assert not path.exists()
    assert before


def test_a_full_disk_leaves_the_old_gallery(tmp_path, monkeypatch):
    import errno
    import os

    from finetune.gallery.migration import Migration, write_migration

    path = tmp_path / "g.h5"
    write_gallery(path, gallery())
    before = path.read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    for output in (None, tmp_path / "new.h5"):
        with pytest.raises(RunError, match="No space left on device"):
            write_migration(path, Migration(gallery(), gallery(seed=2), 20, 0, None), output)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["g.h5"]


@pytest.mark.parametrize("gone", ["nothing", "the removed photo", "others too"])
def test_decisions_go_on_with_the_new_checkpoint(old, new, people, tmp_path, gone):
    """Compare with the new checkpoint's own embeddings: the same if the photo is there, near by a map, else none."""
    path = tmp_path / "g.h5"
    before = enrolled(path, people, old)
    whole = enrolled(tmp_path / "anew.h5", people, new)
    removed = update(path, lambda now: now.remove_photo(before.photo_name(0)))
    for row in {"nothing": [], "the removed photo": [0], "others too": [0, 7]}[gone]:
        Path(before.photos.paths[row].decode()).unlink()
    after = plan(path, new, old).after.decisions
    assert after.people == removed.decisions.people
    assert after.photos.hashes() == removed.decisions.photos.hashes()
    (row,) = after.photos.embeddings
    if gone == "nothing":
        np.testing.assert_allclose(row, whole.embeddings[0], atol=1e-6)
    elif gone == "the removed photo":
        assert not row.any()
    else:
        assert np.linalg.norm(row) == pytest.approx(1, abs=1e-6)
        assert after.photos.maps.tolist() == [1]
        assert row @ whole.embeddings[0] > removed.decisions.photos.embeddings[0] @ whole.embeddings[0]
    write_gallery(path, dataclasses.replace(plan(path, new, old).after))
    assert len(read_gallery(path).decisions) == 1
