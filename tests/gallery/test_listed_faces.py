"""Lists of faces are read with all their problems at once, and cut as the boxes say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st
from PIL import Image

from finetune.cells import csv_text
from finetune.errors import DataError
from finetune.gallery.listed_crops import cut_listed
from finetune.gallery.listed_faces import is_list, read_faces
from finetune.images import read_image

HEADER = "photo,left,top,right,bottom,name"


@pytest.fixture
def photos(tmp_path) -> Path:
    generator = np.random.default_rng(5)
    for name in ("a.png", "b b.png", "sub/c,c.png", "=d.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(generator.integers(0, 255, [120, 100, 3], np.uint8)).save(tmp_path / name)
    return tmp_path


def listed(folder: Path, *lines: str, header: str = HEADER) -> Path:
    (folder / "faces.csv").write_text("\n".join([header, *lines]) + "\n")
    return folder / "faces.csv"


def problems(place: Path) -> list[str]:
    with pytest.raises(DataError) as refused:
        read_faces(place)
    return [str(problem) for problem in refused.value.problems]


def test_boxes_and_names_are_read_in_any_order_of_columns(photos):
    file = listed(photos, "a.png,10,20,50,70,Zoë", "b b.png,,,,,Ann", '"sub/c,c.png",1.5,2,3,4,Ann')
    faces = read_faces(file)
    assert [(face.photo, face.name, face.box) for face in faces] == [
        (photos / "a.png", "Zoë", (10, 20, 50, 70)),
        (photos / "b b.png", "Ann", None),
        (photos / "sub/c,c.png", "Ann", (1.5, 2, 3, 4)),
    ]
    assert faces[2].where == f"{file}:4"
    other = listed(photos, "Ann,1,b b.png", header="Name,number,PHOTO")
    assert [(face.photo.name, face.name, face.box) for face in read_faces(other)] == [("b b.png", "Ann", None)]


def test_guarded_cells_are_the_text_that_was_guarded(photos):
    (photos / "faces.csv").write_text(csv_text([("photo", "name"), ("=d.png", "=Ann")]))
    assert "'=Ann" in (photos / "faces.csv").read_text()
    (face,) = read_faces(photos / "faces.csv")
    assert (face.photo.name, face.name) == ("=d.png", "=Ann")


def test_all_problems_are_told_with_their_lines(photos):
    (photos.parent / "outside.png").write_bytes(b"x")
    file = listed(
        photos,
        "none.png,,,,,Ann",
        "../outside.png,,,,,Ann",
        "sub/../../outside.png,,,,,Ann",
        "a.png,10,20,50,,Ann",
        "a.png,50,20,10,70,Ann",
        "a.png,1,2,nan,4,Ann",
        "a.png,,,,,a/b",
        "a.png,,,,,unknown",
        "a.png,,,,,",
        ",,,,,Ann",
        "a.png,,",
        "b b.png,,,,,Ann",
        "b b.png,,,,,Bob",
    )
    told = problems(file)
    lines = [int(line.removeprefix(f"{file}:").split(":")[0]) for line in told]
    assert sorted(set(lines)) == [*range(2, 13), 14]
    for part in (
        "'none.png', no such file",
        f"'../outside.png', outside of {photos}; write an absolute path if that is meant",
        "'10,20,50,', not four numbers",
        "'50,20,10,70', an empty box",
        "'1,2,nan,4', not four numbers",
        "it reads as a path",
        "it is the answer for strangers",
        "it is empty",
        "no photo; write its path",
        "3 fields where the header has 6",
        f"the face is 'Ann' in {file}:13, and 'Bob' here",
    ):
        assert any(part in line for line in told), part
    assert all(line.isprintable() for line in told)


def test_an_absolute_path_is_meant(photos):
    (photos / "lists").mkdir()
    file = listed(photos / "lists", f"{photos / 'a.png'},,,,,Ann")
    assert read_faces(file)[0].photo == photos / "a.png"


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ("a.png,Ann", "it lacks photo, name"),
        ("photo,left,name", "it lacks top, right, bottom"),
        ("photo,name,name", "name stands in it twice"),
    ],
)
def test_a_header_without_the_columns_is_refused(photos, header, problem):
    (line,) = problems(listed(photos, header=header))
    assert problem in line


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"photo,name\n", b'photo,name\n"a.png,Ann\n', b"\0"])
def test_what_is_no_list_is_one_line(tmp_path, content):
    (tmp_path / "faces.csv").write_bytes(content)
    assert len(problems(tmp_path / "faces.csv")) == 1


def test_hundreds_of_problems_are_counted(photos):
    told = problems(listed(photos, *(f"none{number}.png,,,,,Ann" for number in range(300))))
    assert len(told) == 21
    assert "280 more lines like these" in told[-1]


def clusters(folder: Path, *rows: tuple, about: object = None) -> Path:
    out = folder / "out"
    out.mkdir(exist_ok=True)
    header = ("photo", "face", "left", "top", "right", "bottom", "cluster", "name", "apart")
    (out / "clusters.csv").write_text(csv_text([header, *rows]))
    (out / "cluster.json").write_text(json.dumps({"photos": str(folder)} if about is None else about))
    return out


def test_named_clusters_are_read_without_those_apart(photos):
    out = clusters(
        photos,
        ("a.png", 1, 1, 2, 30, 40, 1, "Ann", ""),
        ("b b.png", 1, 1, 2, 30, 40, 1, "Ann", "far"),
        ("sub/c,c.png", 1, 1, 2, 30, 40, 2, "", ""),
        ("=d.png", 2, 1, 2, 30, 40, 3, "Bob", ""),
    )
    assert is_list(out)
    assert [(face.photo.name, face.name) for face in read_faces(out)] == [("a.png", "Ann"), ("=d.png", "Bob")]


def test_people_without_a_name_are_to_be_named_by_a_command_that_keeps_the_name(photos):
    out = clusters(photos, ("a.png", 1, 1, 2, 30, 40, 1, "", ""))
    found = "no face with a name in it; name a person: finetune cluster"
    assert problems(out) == [f"{out / 'clusters.csv'}: {found} {out} --name 0001 Ann"]


def test_the_table_alone_of_a_cluster_is_refused_in_one_line(photos):
    out = clusters(photos, *((name, 1, 1, 2, 30, 40, 1, "Ann", "") for name in ("a.png", "b b.png")))
    table = out / "clusters.csv"
    assert is_list(table)
    assert problems(table) == [f"{table}: the table in a folder that finetune cluster wrote; give the folder, {out}"]
    (out / "cluster.json").unlink()
    assert len(problems(table)) == 2  # a table by itself: its paths start at its folder


@pytest.mark.parametrize("about", [{}, [], {"photos": 3}, {"photos": "none"}, {"photos": ""}, "x"])
def test_a_folder_that_does_not_name_its_photos_is_refused(photos, about):
    (line,) = problems(clusters(photos, ("a.png", 1, 1, 2, 3, 4, 1, "Ann", ""), about=about))
    assert "photos" in line


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_with_its_place(tmp_path_factory, text):
    file = tmp_path_factory.mktemp("lists") / "faces.csv"
    file.write_text(text, errors="replace")
    with pytest.raises(DataError) as refused:
        read_faces(file)
    assert all(str(problem).startswith(str(file)) and str(problem).isprintable() for problem in refused.value.problems)


def test_faces_are_cut_by_their_boxes_with_the_margin_of_alignment(photos, tmp_path):
    file = listed(photos, "a.png,30,40,60,80,Ann", "a.png,500,500,600,600,Bob", "b b.png,,,,,Ann")
    found = cut_listed(read_faces(file), 64, tmp_path / "crops", detect=False, min_face_size=20)
    first, second = found.people["Ann"]
    expected = Image.fromarray(read_image(photos / "a.png")[40 - 16 : 80 + 16, 30 - 16 : 60 + 16])
    expected = expected.resize((64, 64), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(read_image(first), np.asarray(expected))
    assert second == photos / "b b.png"
    assert (found.sources, found.boxed) == ({first: photos / "a.png"}, {first})
    (left_out,) = found.left_out
    assert left_out.reason == f"a face outside the photo of 100x120 pixels ({file}:3)"


@pytest.mark.tf
def test_a_photo_without_a_box_must_show_one_face(tmp_path):
    from tests.align.conftest import scene

    Image.fromarray(scene([(40, 30, 90)], 150, 180)).save(tmp_path / "one.png")
    Image.fromarray(scene([(20, 30, 80), (150, 30, 80)], 150, 260)).save(tmp_path / "two.png")
    Image.fromarray(np.full([90, 90, 3], 90, np.uint8)).save(tmp_path / "none.png")
    file = listed(tmp_path, "one.png,Ann", "two.png,Ann", "none.png,Ann", header="photo,name")
    found = cut_listed(read_faces(file), 75, tmp_path / "crops", detect=True, min_face_size=20)
    (crop,) = found.people["Ann"]
    assert (found.sources, found.boxed) == ({crop: tmp_path / "one.png"}, frozenset())
    assert [entry.reason for entry in found.left_out] == [
        f"2 faces in it; give the box of one ({file}:3)",
        f"no face found ({file}:4)",
    ]
