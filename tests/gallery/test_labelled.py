"""Rates of `identify --labelled`, counted per photo, as the labelled folders mean it."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("tensorflow")
from finetune.gallery.identification import Face, Identification
from finetune.gallery.labelled import POLICIES, label_photos

pytestmark = pytest.mark.tf
PEOPLE = ("Ann", "Bob", "Zoë")


def count_named(answers, people, policy="each"):
    return label_photos(answers, people, policy).lines()


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


def boxed(name: str, *faces: tuple[str, str, tuple[float, float, float, float]], ranks=()) -> list[Identification]:
    """Return the answers of one photo: the name, the nearest person and the box of each face."""
    path = Path(name)
    return [
        Identification(Face(path, path.parent, path, number, box), said, 0.9 - number / 10, best, own_rank=rank)
        for number, ((said, best, box), rank) in enumerate(zip(faces, [*ranks, *[None] * len(faces)], strict=False), 1)
    ]


@pytest.fixture
def party(tmp_path) -> list[Identification]:
    """Return the answers to a photo with Bob at the edge, whose face is the largest, and Ann in the centre."""
    path = tmp_path / "Ann/party.png"
    path.parent.mkdir()
    Image.new("RGB", (400, 300)).save(path)
    bob, ann, passer = (0.0, 0.0, 110.0, 110.0), (150.0, 100.0, 250.0, 200.0), (300.0, 100.0, 320.0, 120.0)
    return boxed(str(path), ("Bob", "Bob", bob), ("Ann", "Ann", ann), ("unknown", "Bob", passer), ranks=[2, 1, 3])


@pytest.mark.parametrize(
    ("policy", "lines"),
    [
        (
            "centred",
            [
                "1.0000 named correctly",
                "2 further faces in these photos: not counted; 1 named, 0 as the folder's person",
            ],
        ),
        (
            "largest",
            [
                "0.0000 named correctly",
                "2 further faces in these photos: not counted; 1 named, 1 as the folder's person",
            ],
        ),
        ("each", ["1.0000 named correctly"]),
        ("one", ["1 photo with several faces: not counted"]),
    ],
)
def test_the_policy_says_which_face_of_a_photo_counts(policy, lines, party):
    told = count_named(party, PEOPLE, policy)
    assert len(told) == len(lines)
    assert all(line in found for line, found in zip(lines, told, strict=True))
    photos = label_photos(party, PEOPLE, policy).own
    assert [photo.rank for photo in photos] == {"largest": [2], "one": []}.get(policy, [1])


def test_a_photo_of_one_face_counts_alike_under_every_policy():
    answers = [*photo("Ann/1.jpg", ("Ann", "Ann")), *photo("Eve/1.jpg", ("Bob", "Bob"))]
    told = {policy: count_named(answers, PEOPLE, policy) for policy in POLICIES}
    assert all(lines == told["each"] for lines in told.values())


def test_the_main_face_of_a_turned_photo_is_that_of_the_upright_one(tmp_path):
    path = tmp_path / "Ann/turned.jpg"
    path.parent.mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees: 300 x 400 when upright
    Image.new("RGB", (400, 300)).save(path, exif=exif)
    answers = boxed(
        str(path), ("Bob", "Bob", (165.0, 100.0, 235.0, 170.0)), ("Ann", "Ann", (115.0, 165.0, 185.0, 235.0))
    )
    (found,) = label_photos(answers, PEOPLE).own
    assert found.names == ["Ann"]
