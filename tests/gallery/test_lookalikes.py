"""Photos that look like somebody else, found by their likeness and by the doctor's test."""

from __future__ import annotations

import numpy as np
import pytest

from finetune.doctor import identities
from finetune.gallery import lookalikes
from finetune.gallery.lookalikes import look_alike
from tests.gallery.conftest import gallery, photos, vectors


def test_a_photo_that_looks_like_somebody_else_is_told():
    found = gallery(people=5, each=4, size=64)
    mixed = found.add(["new", "new", "person 1"], photos(vectors([3, 3, 3], 64, seed=8), seed=8))
    told = look_alike(mixed, np.arange(20, 23))
    assert {(one.person, one.other, one.photos, one.enrolled) for one in told} == {
        ("new", "person 3", ("new/0.png", "new/1.png"), 2),
        ("person 1", "person 3", ("person 1/2.png",), 5),
    }
    assert str(told[0]).startswith(
        "new/0.png and 1 more: enrolled as new, of whose 2 photos 2 look more like person 3 (similarity 0."
    )
    assert str(told[1]).startswith(
        "person 1/2.png: enrolled as person 1, of whose 5 photos 1 looks more like person 3 (similarity 0."
    )
    right = found.add(["person 1", "stranger"], photos(vectors([1, 50], 64, seed=9), seed=9))
    assert look_alike(right, np.arange(20, 22)) == []


def mixed_up(people: int = 12, each: int = 6):
    """Return a gallery in which the fourth photo of person 7 shows another person, and that photo's row."""
    labels = np.repeat(np.arange(people), each)
    row = 7 * each + 3
    of = labels.copy()
    of[row] = 2
    rows = vectors(of, 64, spread=1.0, seed=3)
    return gallery(0, 0, 64).add([f"person {label}" for label in labels], photos(rows, seed=3)), row


def test_a_wrong_photo_among_a_new_persons_right_ones_is_told_as_the_doctor_tells_it():
    found, row = mixed_up()
    judged = identities.check_identities(identities.centred(found.embeddings), found.labels)
    assert judged.mislabelled.tolist() == [row]
    everybody = look_alike(found, np.arange(len(found)))
    assert [(one.photos, one.other) for one in everybody] == [((found.photo_name(row),), "person 2")]
    last = look_alike(found, np.flatnonzero(found.labels == 7))  # the person alone was new
    assert [(one.photos, one.other) for one in last] == [((found.photo_name(row),), "person 2")]


def test_a_wrong_photo_is_told_when_the_person_whom_it_shows_is_enrolled_and_not_again():
    found, row = mixed_up()
    told = look_alike(found, np.flatnonzero(found.labels == 2))
    assert [one.photos for one in told] == [(found.photo_name(row),)]
    assert look_alike(found, np.flatnonzero(found.labels == 4)) == []


def test_in_a_large_gallery_the_test_is_made_with_some_people(monkeypatch):
    found, row = mixed_up(people=40)
    monkeypatch.setattr("finetune.gallery.lookalikes.JUDGED", 60)  # every fourth person, and those in question
    judged, seen = identities.check_identities, []
    monkeypatch.setattr(
        lookalikes, "check_identities", lambda rows, labels: seen.append(len(rows)) or judged(rows, labels)
    )
    told = look_alike(found, np.flatnonzero(found.labels == 7))
    assert found.photo_name(row) in [photo for one in told for photo in one.photos]
    assert 60 <= seen[0] < len(found) // 2


@pytest.mark.real
def test_one_wrong_photo_among_a_new_persons_right_ones_is_mostly_found_on_real_faces(shared):
    """Add unseen people with five photos and more. 48 of 61 wrong photos are found, and 3 of 372 right ones."""
    with np.load(shared / "expected/embeddings.npz") as stored:
        names, rows = stored["names"], stored["plain"]
    owners = np.array([name.split("/")[0] for name in names])
    people, counts = np.unique(owners, return_counts=True)
    people = people[counts >= 5]
    kept = np.isin(owners, people)
    owners, rows = owners[kept], rows[kept]
    found = 0
    some = list(enumerate(people))[::8]
    for number, person in some:
        wrong = np.flatnonzero(owners == people[(number + 7) % len(people)])[-1]
        labelled = owners.copy()
        labelled[wrong] = person
        enrolled = gallery(0, 0, 512).add(labelled.tolist(), photos(rows))
        new = np.flatnonzero(enrolled.labels == enrolled.label(person))
        told = look_alike(enrolled, new)
        found += enrolled.photo_name(int(wrong)) in [photo for one in told for photo in one.photos]
    assert found >= 0.7 * len(some)
    right = gallery(0, 0, 512).add(owners.tolist(), photos(rows))
    assert sum(len(one.photos) for one in look_alike(right, np.arange(len(right)))) <= 0.02 * len(right)
