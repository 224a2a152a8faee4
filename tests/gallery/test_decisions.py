"""A face that was removed from a person never returns to that person, until its owner takes the decision back."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, strategies as st

from finetune.errors import DataError
from finetune.gallery.calibration import Threshold
from finetune.gallery.decisions import SAME_FACE
from finetune.gallery.gallery import Gallery
from finetune.gallery.identification import _decided
from finetune.gallery.photos import Photos
from finetune.gallery.prototypes import NearestPrototype
from finetune.gallery.storage import read_gallery, write_gallery
from finetune.names import spelling
from tests.gallery.conftest import CONTRACT, gallery, vectors

ROOT = Path(__file__).resolve().parents[2]
COPIES = 3
"""Copies of each face, whose contents differ."""


def face(number: int, copy: int = 0) -> Photos:
    """Return one photo of a face. Copies of it have a cosine similarity of 0.99 and more, other faces much less."""
    row = np.zeros([1, 32], np.float32)
    row[0, number], row[0, 20 + copy] = 1, 0.05 * (copy > 0)
    digest = bytes([number, copy]) * 16
    return Photos.of(row, [digest], [f"{number}-{copy}.png"])


def held(found: Gallery) -> list[tuple[str, str]]:
    return [(found.people[label], name) for label, name in zip(found.labels, found.photos.names(), strict=True)]


def test_a_removed_face_is_not_enrolled_again_nor_is_a_copy_of_it():
    found = Gallery.empty(CONTRACT, 32).add(["Ann", "Ann"], face(1).joined(face(2)))
    found = found.remove_photo("Ann/1-0.png")
    again = found.add(["Ann", "ann", "Bob"], face(1).joined(face(1, 1)).joined(face(1, 2)))
    assert held(again) == [("Ann", "2-0.png"), ("Bob", "1-2.png")]
    back = again.take_back("Ann/1-0.png").add(["Ann"], face(1))
    assert ("Ann", "1-0.png") in held(back)
    assert not len(back.decisions)


def test_the_bound_divides_copies_from_other_photos():
    found = Gallery.empty(CONTRACT, 32).add(["Ann", "Ann"], face(1).joined(face(2))).remove_photo("Ann/1-0.png")
    for cosine, taken in ((SAME_FACE + 0.001, False), (SAME_FACE - 0.001, True)):
        row = np.zeros([1, 32])
        row[0, 1], row[0, 9] = cosine, (1 - cosine**2) ** 0.5
        other = Photos.of(row, [b"o" * 32], ["other.png"])
        assert (("Ann", "other.png") in held(found.add(["Ann"], other))) == taken


def test_a_moved_photo_is_not_the_first_person_s_any_more():
    found = Gallery.empty(CONTRACT, 32).add(["Ann", "Ann", "Bob"], face(1).joined(face(2)).joined(face(3)))
    found = found.move_photo("Ann/1-0.png", "Bob")
    assert held(found.add(["Ann"], face(1, 1))) == held(found)
    with pytest.raises(DataError, match=r"Ann/1-0\.png: the same face was removed .*--take-back"):
        found.move_photo("Bob/1-0.png", "Ann")
    with pytest.raises(DataError, match="the same face was removed from this person"):
        found.merge("Bob", "Ann")
    back = found.take_back("Ann/1-0.png").move_photo("Bob/1-0.png", "Ann")
    assert ("Ann", "1-0.png") in held(back)


def test_removing_a_photo_whose_copy_stays_names_the_copy():
    found = Gallery.empty(CONTRACT, 32).add(["Ann", "Ann"], face(1).joined(face(1, 1))).remove_photo("Ann/1-0.png")
    assert [found.photo_name(row) for row in found.conflicts()] == ["Ann/1-1.png"]
    assert found.rename("Ann", "Anna").decisions.people == ("Anna",)


def test_removing_a_person_forgets_the_decisions_about_them_and_their_embeddings():
    found = Gallery.empty(CONTRACT, 32).add(["Ann", "Bob", "Bob"], face(1).joined(face(2)).joined(face(3)))
    found = found.move_photo("Bob/3-0.png", "Ann").remove_photo("Ann/1-0.png")
    left = found.remove("Ann")
    assert left.decisions.people == ("Bob",)
    assert not left.decisions.photos.embeddings.any()
    assert left.decisions.photos.hashes() == face(3).hashes()
    assert left.add(["Bob"], face(3)).people == left.people
    assert held(left.add(["Bob"], face(3)))[0] == ("Bob", "2-0.png")
    only = Gallery.empty(CONTRACT, 32).add(["Ann", "Bob"], face(1).joined(face(2))).remove_photo("Ann/1-0.png")
    assert not len(only.remove("Ann").decisions)


@pytest.mark.parametrize("photo", ["Ann/none.png", "Bob/1-0.png", "Ann", ""])
def test_a_decision_that_is_not_there_can_not_be_taken_back(photo):
    found = Gallery.empty(CONTRACT, 32).add(["Ann", "Bob"], face(1).joined(face(2))).remove_photo("Ann/1-0.png")
    with pytest.raises(DataError, match=r"no photo of that name was removed; decided are Ann/1-0\.png"):
        found.take_back(photo)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["add", "add", "remove_photo", "remove_photo", "move_photo", "merge", "rename"]),
        st.sampled_from(["Ann", "Bob", "Zoe", "ann"]),
        st.sampled_from(["Ann", "Bob", "Zoe", "BOB"]),
        st.integers(0, 3),
        st.integers(0, COPIES - 1),
    ),
    max_size=25,
)


@given(STEPS)
def test_whatever_is_done_a_removed_face_never_returns(steps):
    """Follow names through renames and merges in a plain set of (spelling, face), beside the gallery."""
    found, removed = Gallery.empty(CONTRACT, 32), set()
    for action, name, other, number, copy in steps:
        before = {(spelling(person), file.split("-")[0]) for person, file in held(found)}
        file = f"{number}-{copy}.png"
        try:
            if action == "add":
                found = found.add([name], face(number, copy))
            elif action in ("merge", "rename"):
                person = found.people[found.label(name)]
                found = getattr(found, action)(name, other)
                moved = {(who, one) for who, one in removed if who == spelling(person)}
                removed = (removed - moved) | {(spelling(other), one) for _, one in moved}
                before = {(spelling(other) if who == spelling(person) else who, one) for who, one in before}
            elif action == "remove_photo":
                person = found.people[found.label(name)]
                found = found.remove_photo(f"{name}/{file}")
                removed.add((spelling(person), str(number)))
            else:
                person = found.people[found.label(name)]
                found = found.move_photo(f"{name}/{file}", other)
                removed.add((spelling(person), str(number)))
        except DataError:
            continue
        after = {(spelling(person), file.split("-")[0]) for person, file in held(found)}
        assert not (after - before) & removed
        assert {
            (spelling(p), n.split("-")[0])
            for p, n in zip(found.decisions.people, found.decisions.photos.names(), strict=True)
        } == removed


def test_decisions_are_read_as_they_were_written(tmp_path):
    path = tmp_path / "g.h5"
    before = gallery(people=3)
    write_gallery(path, before)
    plain = path.read_bytes()
    with h5py.File(path) as file:
        assert not [name for name in file if name.startswith("denied")]
    decided = before.remove_photo("person 1/4.png").remove_photo("person 2/8.png")
    write_gallery(path, decided)
    read = read_gallery(path)
    assert read.decisions.people == ("person 1", "person 2")
    np.testing.assert_array_equal(read.decisions.photos.embeddings, before.embeddings[[4, 8]])
    assert read.decisions.photos.hashes() == [before.photos.hashes()[row] for row in (4, 8)]
    undone = read.take_back("person 1/4.png").take_back("person 2/8.png")
    write_gallery(path, undone)
    with h5py.File(path) as file:
        assert not [name for name in file if name.startswith("denied")]
    write_gallery(path, before)
    assert path.read_bytes() == plain


@pytest.mark.parametrize("part", ["people", "embeddings", "norms", "digests", "files", "paths", "originals"])
def test_one_bit_of_a_decision_is_noticed(tmp_path, part):
    path = tmp_path / "g.h5"
    write_gallery(path, gallery(people=3).remove_photo("person 1/4.png"))
    with h5py.File(path) as file:
        data = file[f"denied_{part}"]
        place = data.id.get_offset() + data.size * data.dtype.itemsize // 2
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"damaged: denied_{part} is not what was written"):
        read_gallery(path)


REMOVE = """
import sys
from finetune.gallery.storage import update
for number in range(10_000):
    update(sys.argv[1], lambda now: now.remove_photo(f"person 0/{number}.png"))
    print(number, flush=True)
"""


def test_a_killed_removal_is_done_or_not_done(tmp_path):
    path = tmp_path / "g.h5"
    write_gallery(path, gallery(people=1, each=400, spread=3.0))
    command = [sys.executable, "-c", REMOVE, str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
        told = [writer.stdout.readline() for _ in range(20)]
        writer.send_signal(signal.SIGKILL)
        told += writer.stdout.read().splitlines()
    found = read_gallery(path)
    done = 400 - len(found)
    assert len([line for line in told if line.strip()]) <= done <= len(told) + 1
    assert found.decisions.photos.names() == [f"{number}.png" for number in range(done)]


def test_a_face_goes_to_the_next_person_where_the_first_is_denied():
    found = gallery(people=3)
    prototypes = NearestPrototype().fit(found.embeddings, found.labels)
    rows = vectors([1, 2], seed=9)
    before = prototypes.best(rows)
    denied = np.zeros([2, 3], bool)
    denied[0, before.labels[0, 0]] = True
    after = _decided(before, prototypes, rows, denied)
    assert after.labels[0, 0] == before.labels[0, 1]
    assert after.scores[0, 0] == pytest.approx(before.scores[0, 1], abs=1e-6)
    np.testing.assert_array_equal(after.labels[1], before.labels[1])
    denied[0] = True
    np.testing.assert_array_equal(_decided(before, prototypes, rows, denied).labels, before.labels)


@pytest.mark.tf
def test_identify_does_not_name_a_removed_face_as_that_person(drawn_checkpoint, faces, tmp_path):
    from finetune.gallery.enrolment import enroll
    from finetune.gallery.identification import Face, identify
    from finetune.gallery.storage import update
    from finetune.model import Model

    model = Model.restore(drawn_checkpoint)
    folders = sorted((faces / "learn").iterdir())
    people = {folder.name: sorted(folder.iterdir()) for folder in folders}
    path = tmp_path / "g.h5"
    whole = enroll(path, people, model, cache="off").gallery
    classifier = NearestPrototype().fit(whole.embeddings, whole.labels)
    first = people[folders[0].name][0]
    ask = [Face(first, first.parent, first)]
    (plain,) = identify(ask, model, whole.people, classifier, Threshold(-1.0))
    decisions = whole.decisions.add(plain.name, whole.photos.take(np.array([0])))
    (answer,) = identify(ask, model, whole.people, classifier, Threshold(-1.0), None, decisions)
    assert (answer.name, answer.score) == (plain.runner_up, pytest.approx(plain.runner_up_score, abs=1e-6))
    for name in whole.people:
        decisions = decisions.add(name, whole.photos.take(np.array([0])))
    (answer,) = identify(ask, model, whole.people, classifier, Threshold(-1.0), None, decisions)
    assert (answer.name, answer.best) == ("unknown", plain.name)

    update(path, lambda now: now.remove_photo(f"{folders[0].name}/{first.name}"))
    again = enroll(path, people, model, cache="off")
    assert (first, folders[0].name) in again.denied
    assert first.name not in {file.decode() for file in again.gallery.photos.files.tolist()}
