from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from finetune.align.faces import Faces, read_boxes, turns_of, write_boxes
from finetune.errors import DataError

LINE = "66.193 63.648 166.660 200.347 1.00000 1 99.46 147.16 129.39 95.93 151.15 114.81 113.23 133.40 156.64 155.15"


def faces(n: int, seed: int, count: int | None = None) -> Faces:
    generator = np.random.default_rng(seed)
    return Faces(
        generator.uniform(-20, 5000, (n, 4)),
        generator.uniform(0, 1, n).astype(np.float32),
        generator.uniform(-20, 5000, (n, 10)),
        n if count is None else count,
    )


NAMES = st.text(st.characters(exclude_characters="\0/", exclude_categories=["Cs"]) | st.just("\udcff"), min_size=1)


@given(st.dictionaries(NAMES, st.integers(0, 3), min_size=1))
def test_what_is_written_is_read(tmp_path_factory, photos):
    path = tmp_path_factory.mktemp("boxes") / "boxes.txt"
    written = {f"{name}/x.jpg": faces(n, seed=len(name)).rounded() for name, n in photos.items()}
    write_boxes(path, written)
    read = read_boxes(path)
    assert read.keys() == written.keys()
    for name in read:
        for field in ("boxes", "scores", "landmarks", "count"):
            np.testing.assert_array_equal(getattr(read[name], field), getattr(written[name], field))


@given(st.integers(1, 3), st.integers(0, 90), st.integers(0, 60), st.integers(1, 30), st.integers(1, 30))
def test_faces_found_in_a_turned_photo_lie_where_they_are_in_the_photo(turns, left, top, width, height):
    photo = np.zeros((140, 190), int)
    photo[top : top + height, left : left + width] = 1
    rows, columns = np.nonzero(np.rot90(photo, turns))
    box = np.array([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]], float)
    found = Faces(box, np.ones(1), box[:, [0, 2, 0, 0, 2, 1, 1, 3, 3, 3]], 1).turned_back(turns, *photo.shape)
    assert found.boxes.tolist() == [[left, top, left + width, top + height]]
    # Eyes along the upper side of what was found, the mouth along the lower: upright after as many turns.
    assert turns_of(found.landmarks[0]) == turns
    assert turns_of(box[0, [0, 2, 0, 0, 2, 1, 1, 3, 3, 3]]) == 0


def test_a_line_is_written_as_facenets_boxes_are_kept(tmp_path):
    (tmp_path / "a.txt").write_text(f"AJ%20Lamas/AJ_0001.jpg {LINE}\nAnn/Ann_0001.jpg NONE\n")
    read = read_boxes(tmp_path / "a.txt")
    assert list(read) == ["AJ Lamas/AJ_0001.jpg", "Ann/Ann_0001.jpg"]
    assert read["AJ Lamas/AJ_0001.jpg"].boxes.tolist() == [[66.193, 63.648, 166.66, 200.347]]
    write_boxes(tmp_path / "b.txt", read)
    fields = [line.split() for line in (tmp_path / "b.txt").read_text().splitlines()]
    assert [fields[0][0], *map(float, fields[0][1:])] == ["AJ%20Lamas/AJ_0001.jpg", *map(float, LINE.split())]
    assert fields[1] == ["Ann/Ann_0001.jpg", "NONE"]


def test_every_malformed_line_is_named(tmp_path):
    path = tmp_path / "boxes.txt"
    path.write_text(f"a.jpg {LINE}\nb.jpg 1 2 3\n\nc.jpg none\nd.jpg {LINE.replace('1 ', 'nan ', 1)}\n")
    with pytest.raises(DataError) as raised:
        read_boxes(path)
    wanted = "write NAME left top right bottom score faces x1 … x5 y1 … y5, or NAME NONE"
    assert tuple(map(str, raised.value.problems[:2])) == (
        f"{path}:2: found '1 2 3'; {wanted}",
        f"{path}:4: found 'none'; {wanted}",
    )
    assert str(raised.value.problems[2]).startswith(f"{path}:5: found '66.193 63.648")
    assert len(raised.value.problems) == 3


def test_a_photo_has_faces_or_none(tmp_path):
    path = tmp_path / "boxes.txt"
    path.write_text(f"a NONE\na NONE\nb {LINE}\nb {LINE}\nb NONE\nc {LINE.replace(' 1 ', ' -3 ')}\n")
    with pytest.raises(DataError) as raised:
        read_boxes(path)
    again = "again, with NONE; write it once, or a line for each face"
    assert tuple(map(str, raised.value.problems[:2])) == (
        f"{path}:2: found 'a' {again}",
        f"{path}:5: found 'b' {again}",
    )
    assert str(raised.value.problems[2]).startswith(f"{path}:6: found '66.193")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "can't be read (No such file or directory); give a file that align --boxes wrote"),
        (b"\xff\xfe\x00", "not a text file; give a file that align --boxes wrote"),
        (b"\n", "no boxes in it; give a file that align --boxes wrote"),
    ],
)
def test_what_is_no_file_of_boxes_says_so(tmp_path, content, message):
    path = tmp_path / "boxes.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError) as raised:
        read_boxes(path)
    assert tuple(map(str, raised.value.problems)) == (f"{path}: {message}",)
