from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finetune.dataset.scanning import Quarantined, scan
from finetune.errors import DataError


def face(path: Path, size: int = 8) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (size, size), "tan").save(path, "PNG")
    return path


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """Write two people: ann with two images, bob with one."""
    root = tmp_path / "faces"
    for name in ("bob/1.png", "ann/2.png", "ann/1.png"):
        face(root / name)
    return root


def reasons(root: Path, **options) -> dict[str, str]:
    return {entry.path.relative_to(root).as_posix(): entry.reason for entry in scan(root, **options).quarantined}


def test_people_and_their_images_are_sorted(faces):
    found = scan(faces)
    assert found.dataset.class_names == ("ann", "bob")
    assert found.dataset.paths == (faces / "ann/1.png", faces / "ann/2.png", faces / "bob/1.png")
    assert found.dataset.labels.tolist() == [0, 0, 1]
    assert found.dataset.labels.dtype == np.int64
    assert found.quarantined == ()
    assert found.left_out == ()


def test_what_systems_leave_in_folders_is_passed_over(faces):
    for name in (".DS_Store", "ann/.DS_Store", "ann/._1.png", "ann/Thumbs.db", "bob/desktop.ini", ".git/config"):
        (faces / name).parent.mkdir(exist_ok=True)
        (faces / name).write_text("not an image")
    assert scan(faces).quarantined == ()
    assert len(scan(faces).dataset) == 3


def test_bad_files_are_quarantined_with_reasons_and_the_rest_stays(faces):
    whole = face(faces / "ann/3.png", size=64).read_bytes()
    (faces / "ann/3.png").write_bytes(whole[:-40])
    (faces / "ann/empty.jpg").touch()
    (faces / "bob/notes.txt").write_text("likes cats")
    (faces / "bob/gone.png").symlink_to("nowhere.png")
    (faces / "bob/loop.png").symlink_to("loop.png")
    os.mkfifo(faces / "bob/pipe.png")
    face(faces / "bob/more/1.png")
    face(faces / "loose.png")
    found = reasons(faces)
    assert found.pop("ann/3.png").startswith("can't be read (")
    assert found.pop("bob/loop.png") == "can't be read (Too many levels of symbolic links)"
    assert found == {
        "ann/empty.jpg": "an empty file",
        "bob/gone.png": "no such file: a link to nowhere",
        "bob/more": "a folder inside a person's folder; move its images up",
        "bob/notes.txt": "not an image (BMP, GIF, JPEG, PNG, PPM, TIFF or WEBP)",
        "bob/pipe.png": "not a file",
        "loose.png": "not in a person's folder",
    }
    assert len(scan(faces).dataset) == 3


def test_names_that_would_break_a_line_are_quarantined_and_still_reported_in_one(faces):
    face(faces / "eve\nmallory/1.png")
    face(faces / os.fsdecode(b"ann/\xff.png"))
    face(faces / "ann/\u0645\u06cc\u200c.png")  # a non-joiner: part of how words are spelt
    found = scan(faces)
    lines = [str(entry) for entry in found.quarantined]
    assert lines == [
        rf"{faces}/eve\nmallory: a name that can't be printed; rename the folder",
        rf"{faces}/ann/\udcff.png: a name that can't be printed; rename the file",
    ]
    assert len(found.dataset) == 4


def test_images_smaller_than_the_crop_are_quarantined(faces):
    face(faces / "ann/3.png", size=7)
    assert reasons(faces, crop=8) == {"ann/3.png": "7x7 pixels, smaller than the crop of 8"}


def test_people_with_too_few_usable_images_are_left_out_and_named(faces):
    face(faces / "cleo/1.png")
    face(faces / "cleo/2.png")
    (faces / "bob/2.png").write_text("no image")
    (faces / "dan").mkdir()
    found = scan(faces, min_images_per_person=2)
    assert found.dataset.class_names == ("ann", "cleo")
    assert found.left_out == ("bob", "dan")
    assert found.dataset.labels.tolist() == [0, 0, 1, 1]


def test_links_to_people_and_to_images_are_followed(tmp_path, faces):
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "ann").symlink_to(faces / "ann")
    (linked / "bob").mkdir()
    (linked / "bob/1.png").symlink_to(faces / "bob/1.png")
    found = scan(linked)
    assert found.dataset.class_names == ("ann", "bob")
    assert len(found.dataset) == 3


def test_the_home_directory_is_understood(faces, monkeypatch):
    monkeypatch.setenv("HOME", str(faces.parent))
    assert len(scan("~/faces").dataset) == 3


def nothing(root: Path) -> None:
    root.mkdir()


def a_file(root: Path) -> None:
    root.write_text("")


def missing(root: Path) -> None:
    pass


def only_loose_images(root: Path) -> None:
    face(root / "1.png")
    face(root / "2.png")


def one_person(root: Path) -> None:
    face(root / "ann/1.png")


def one_usable_person(root: Path) -> None:
    one_person(root)
    (root / "bob").mkdir()
    (root / "bob/1.jpg").touch()


def no_images(root: Path) -> None:
    (root / "ann").mkdir(parents=True)
    (root / "ann/1.txt").write_text("words")
    (root / "bob").mkdir()


def a_level_too_high(root: Path) -> None:
    face(root / "train/ann/1.png")
    face(root / "train/bob/1.png")


def few_each(root: Path) -> None:
    for name in ("ann/1.png", "ann/2.png", "bob/1.png", "cleo/1.png"):
        face(root / name)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (missing, "no such file or folder; give the folder that holds one folder of images per person"),
        (a_file, "not a folder; give the folder that holds one folder of images per person"),
        (nothing, "no folders in it; put each person's images into a folder of their own"),
        (
            only_loose_images,
            "no folders in it; put each person's images into a folder of their own; "
            "the first of 2 not used is {root}/1.png: not in a person's folder",
        ),
        (one_person, "images of one person (ann), and a classifier needs two; add another person's folder"),
        (
            one_usable_person,
            "images of one person (ann), and a classifier needs two; add another person's folder; "
            "the first of 1 not used is {root}/bob/1.jpg: an empty file",
        ),
        (
            no_images,
            "no usable image in any of its folders; give one that holds one folder of images per person; "
            "the first of 1 not used is {root}/ann/1.txt: not an image (BMP, GIF, JPEG, PNG, PPM, TIFF or WEBP)",
        ),
        (
            a_level_too_high,
            "no usable image in any of its folders; give one that holds one folder of images per person; "
            "the first of 2 not used is {root}/train/ann: a folder inside a person's folder; move its images up",
        ),
        (
            few_each,
            "1 of 3 people with 2 images or more, and a classifier needs two; "
            "lower min_images_per_person or add images",
        ),
    ],
)
def test_a_folder_that_cannot_be_learnt_from_is_answered_in_one_line(tmp_path, make, message):
    root = tmp_path / "faces"
    make(root)
    with pytest.raises(DataError) as raised:
        scan(root, min_images_per_person=2 if make is few_each else 1)
    assert tuple(map(str, raised.value.problems)) == (f"{root}: {message.format(root=root)}",)


def test_a_quarantined_file_reads_as_one_line():
    assert str(Quarantined(Path("a/b.png"), "an empty file")) == "a/b.png: an empty file"


def test_one_name_in_two_unicode_forms_is_refused_and_another_case_is_not(faces):
    face(faces / "Jose\u0301/1.png")
    face(faces / "ANN/1.png")
    assert scan(faces).dataset.class_names == ("ANN", "Jose\u0301", "ann", "bob")
    face(faces / "Jos\u00e9/1.png")
    with pytest.raises(DataError) as refused:
        scan(faces)
    assert tuple(map(str, refused.value.problems)) == (
        f"{faces}: 'Jose\\u0301' and 'Jos\\xe9' are one name in two Unicode forms, and would be two people; "
        "put their images into one folder, or rename one",
    )
