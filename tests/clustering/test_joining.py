"""New faces join the people found before under all constraints, and it is said when all are clustered instead."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from finetune.clustering import (
    NOWHERE,
    SHARE,
    Corrections,
    Earlier,
    Faces,
    People,
    cluster_faces,
    enrolled_faces,
    join_faces,
    read_faces,
    why_anew,
    write_faces,
)
from tests.clustering.conftest import partition, planted
from tests.gallery.conftest import gallery, vectors

GIVEN = (0.6, "as given")


def faces_of(embeddings, photos=None, reasons=None) -> Faces:
    photos = range(len(embeddings)) if photos is None else photos
    seen: dict[int, int] = {}
    found = []
    for row, photo in enumerate(photos):
        seen[photo] = seen.get(photo, 0) + 1
        found.append((bytes.fromhex(f"{photo:064x}"), seen[photo], None, reasons[row] if reasons else ""))
    return Faces.of(found, np.asarray(embeddings, np.float32))


def first(faces: Faces, n: int, corrections: Corrections | None = None, **others) -> People:
    """Cluster the first n faces."""
    some = Faces(*(part[:n] for part in vars(faces).values()))
    return cluster_faces(some, corrections or Corrections(), far=0.01, threshold=GIVEN[0], **others)


def joined(faces: Faces, before: People, corrections: Corrections | None = None, **others) -> People:
    """Let the faces after those of before join."""
    numbers = np.zeros(len(faces), np.int64)
    numbers[: len(before.faces)] = before.faces.clusters
    faces = dataclasses.replace(faces, clusters=numbers)
    return join_faces(faces, before.left, corrections or Corrections(), threshold=GIVEN, **others)


def test_new_faces_find_their_people_and_the_others_keep_numbers():
    embeddings, labels = planted(people=8, each=9, spread=0.4)
    faces = faces_of(embeddings)
    before = first(faces, 60)
    after = joined(faces, before)
    assert after.faces.clusters[:60].tolist() == before.faces.clusters.tolist()
    assert partition(after.faces.clusters) == partition(labels)
    again = joined(faces, after)
    assert again.faces.clusters.tolist() == after.faces.clusters.tolist()
    assert (after.left.changed, again.left.changed) == (12, 12)


def test_a_face_joins_one_that_was_single_and_two_new_ones_join_each_other():
    embeddings = np.repeat(np.eye(8, dtype=np.float32), 3, axis=0)
    rows = [0, 1, 2, 3, 6, 7]  # three of the first person, one of the second, two of the third
    faces = faces_of(embeddings[[*rows, 4, 9, 10]])
    before = first(faces, 6)
    assert before.faces.clusters.tolist() == [1, 1, 1, 0, 2, 2]
    after = joined(faces, before)
    assert after.faces.clusters.tolist() == [1, 1, 1, 3, 2, 2, 3, 4, 4]
    assert set(after.apart) == {""}


def test_no_face_joins_another_of_its_photo_nor_of_the_photo_that_its_crop_was_cut_from():
    one = np.zeros([7, 8], np.float32)
    one[:, 0] = 1
    faces = faces_of(one, [0, 1, 2, 3, 3, 4, 5])
    before = first(faces, 3)
    after = joined(faces, before, originals={f"{photo:064x}": "day.jpg" for photo in (0, 4)})
    clusters = after.faces.clusters.tolist()
    assert clusters[:3] == [1, 1, 1]
    assert 1 in clusters[3:5]
    assert clusters[3] != clusters[4]  # of one photo
    assert clusters[5] != 1  # of the photo that the first face was cut from
    assert clusters[6] == 1


def test_a_face_that_joins_a_named_cluster_has_its_name_and_corrections_stay():
    embeddings, labels = planted(people=3, each=8, spread=0.3)
    faces = faces_of(embeddings)
    keys, where = faces.keys(), [np.flatnonzero(labels[:18] == person).tolist() for person in range(3)]
    said = Corrections().name([keys[where[0][0]]], "Ann").merge([keys[where[1][0]]], [keys[where[2][0]]])
    said = said.not_same([keys[where[0][1]]], [keys[row] for row in where[0] if row != where[0][1]])
    before = first(faces, 18, said)
    after = joined(faces, before, said)
    at = after.faces.clusters
    assert at[where[1][0]] == at[where[2][0]] > 0
    assert at[where[0][1]] not in at[[row for row in where[0] if row != where[0][1]]]
    [ann] = after.names
    assert at[where[0][0]] == ann
    new = [row for row in range(18, 24) if at[row] == ann]
    assert set(labels[new]) <= {0}


def test_people_of_a_gallery_name_new_faces():
    known = gallery(3, each=4)
    embeddings = vectors([0, 0, 1, 0, 0, 2])
    embeddings[3] *= -1
    faces = faces_of(embeddings)
    before = first(faces, 4, gallery=known)
    after = joined(faces, before, gallery=known)
    person = [after.names.get(number, "") for number in after.faces.clusters.tolist()]
    assert person[4] == person[0] != ""
    assert person[5] not in ("", person[0])
    assert after.apart[3] == "single"
    assert len(after.left.centres.of) == 6 + 12


def test_why_all_faces_are_clustered():
    faces = faces_of(np.eye(30, dtype=np.float32), reasons=[""] * 29 + ["poor: blurred"])
    earlier = dataclasses.replace(first(faces, 27).left, stamp="a")
    keys = faces.keys()
    assert why_anew(None, faces, (), "a") == "for the first time"
    assert why_anew(earlier, faces, (), "b").startswith("since the corrections")
    assert why_anew(earlier, faces, {keys[28]}, "a") == "since a correction or the gallery is about a new face"
    assert why_anew(earlier, faces, {keys[26]}, "a") == ""
    assert why_anew(dataclasses.replace(earlier, changed=int(SHARE * 30) - 2), faces, (), "a") == ""
    told = why_anew(dataclasses.replace(earlier, changed=int(SHARE * 30) - 1), faces, (), "a")
    assert told == "since more than 10% of the faces came or went since all were clustered"


def test_faces_that_went_are_counted_and_their_cluster_keeps_its_centre():
    embeddings, _ = planted(people=4, each=6, spread=0.3)
    faces = faces_of(embeddings, reasons=["poor: blurred", *[""] * 23])
    left = first(faces, 24).left
    there = np.arange(24) >= 3
    kept = left.keeping(there)
    assert (kept.faces, kept.changed) == (21, 2)  # the poor face does not count
    assert kept.centres.of.tolist() == left.centres.of[3:].tolist()
    assert kept.centres.means is left.centres.means


@pytest.mark.parametrize(
    "damage", [{"centre_of": np.zeros(1, np.int64)}, {"centre_of": np.full(12, 99)}, {"centre_means": 0}]
)
def test_what_is_left_is_read_as_it_was_written_or_not_at_all(tmp_path, damage):
    embeddings, _ = planted(people=3, each=4, spread=0.3)
    faces = faces_of(embeddings, reasons=["poor: blurred", *[""] * 11])
    left = dataclasses.replace(first(faces, 12).left, stamp="a", changed=3)
    write_faces(tmp_path / "a.npz", faces, {"ä.jpg": "ab" * 32, "b.jpg": ""}, left)
    _, photos, found = read_faces(tmp_path / "a.npz")
    assert photos == {"ä.jpg": "ab" * 32, "b.jpg": ""}
    assert (found.faces, found.changed, found.stamp) == (12, 3, "a")
    for one, other in zip(found.centres, left.centres, strict=True):
        np.testing.assert_array_equal(one, other)
    assert found.centres.of[0] == NOWHERE
    assert Earlier.from_arrays({}, 12, 32) is None
    arrays = left.to_arrays() | {name: np.array(value) for name, value in damage.items()}
    assert Earlier.from_arrays(arrays, 12, 32) is None


def test_faces_that_a_gallery_names_are_those_of_its_photos():
    known = gallery(2, each=3)
    assert enrolled_faces(known) == [f"{bytes(row).hex()}:1" for row in known.photos.hashes()]
