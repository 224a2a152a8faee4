"""Rates of `identify --labelled`, counted per photo, as the labelled folders mean it."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

pytest.importorskip("tensorflow")
from finetune.gallery.identification import Face, Identification
from finetune.gallery.labelled import count_named

pytestmark = pytest.mark.tf
PEOPLE = ("Ann", "Bob", "Zoë")


def photo(name: str, *faces: tuple[str, str]) -> list[Identification]:
    """Return the answers of one photo: the name and the nearest person of each face."""
    path = Path(name)
    return [
        Identification(Face(path, path.parent, path, number), said, 0.5, best)
        for number, (said, best) in enumerate(faces, 1)
    ]


def test_a_photo_is_right_where_one_of_its_faces_has_the_folders_name():
    answers = [
        *photo("Ann/1.jpg", ("Ann", "Ann"), ("unknown", "Bob"), ("Bob", "Bob")),  # with friends
        *photo("Ann/2.jpg", ("unknown", "Ann")),
        *photo("Bob/1.jpg", ("Ann", "Ann"), ("unknown", "Bob")),
        *photo("Bob/2.jpg", ("Bob", "Bob")),
    ]
    assert count_named(answers, PEOPLE) == [
        "4 photos of enrolled people: 0.5000 named correctly (detection and identification rate), 0.2500 unknown, "
        "0.2500 as somebody else; rank 1 1.0000; of their 7 faces 2 are named as the folder's person"
    ]


def test_every_photo_right_is_a_rate_of_one_however_many_others_are_in_them():
    answers = [
        answer
        for number in range(105)
        for answer in photo(f"Ann/{number}.jpg", ("Ann", "Ann"), *[("unknown", "Bob")] * (number % 3))
    ]
    (line,) = count_named(answers, PEOPLE)
    assert line.startswith("105 photos of enrolled people: 1.0000 named correctly")
    assert line.endswith("; of their 210 faces 105 are named as the folder's person")


def test_a_strangers_photo_is_accepted_once_however_many_faces_are_named():
    answers = [*photo("Eve/1.jpg", ("Ann", "Ann"), ("Bob", "Bob")), *photo("Eve/2.jpg", ("unknown", "Ann"))]
    assert count_named(answers, PEOPLE) == [
        "2 photos of strangers: 0.5000 named as somebody (false accept rate); of their 3 faces 2 are named"
    ]


def test_photos_without_a_face_are_not_counted_and_said():
    path = Path("Ann/0.jpg")
    nobody = Identification(Face(path, path.parent, None, problem="no face found"))
    lines = count_named([nobody, *photo("Ann/1.jpg", ("Ann", "Ann"))], PEOPLE)
    assert lines[0].startswith("1 photo of enrolled people: 1.0000 named correctly")
    assert lines[0].endswith("rank 1 1.0000")  # one face per photo: nothing to say of faces
    assert lines[1] == "1 photo without a face that can be used: not counted"


@pytest.mark.parametrize("folder", ["Zoë", unicodedata.normalize("NFD", "Zoë"), "ZOË"])
def test_the_folders_name_counts_in_any_spelling(folder):
    (line,) = count_named(photo(f"{folder}/1.jpg", ("Zoë", "Zoë")), PEOPLE)
    assert line.startswith("1 photo of enrolled people: 1.0000 named correctly")


def test_a_person_whose_name_another_one_has_in_another_case_is_somebody_else():
    (line,) = count_named(photo("ann/1.jpg", ("Ann", "Ann")), ("Ann", "ann"))
    assert line.startswith("1 photo of enrolled people: 0.0000 named correctly")
