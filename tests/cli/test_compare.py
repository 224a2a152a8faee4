"""The command compares photos, and says whether they show one person."""

from __future__ import annotations

import csv

import numpy as np
import pytest

pytestmark = pytest.mark.tf


def test_several_photos_are_compared_as_a_matrix(enrolled, finetune):
    photos = [f"faces/learn/person_00{person}/person_00{person}_000{n}.png" for person in (1, 2) for n in (1, 2)]
    ended = finetune("compare", *photos, "--gallery", "people.h5", "--far", "0.4", "--csv", "out.csv")
    assert ended.status == 0
    with (enrolled / "out.csv").open() as file:
        header, *rows = csv.reader(file)
    assert header == ["photo", *photos]
    assert [row[0] for row in rows] == photos
    matrix = np.array([row[1:] for row in rows], float)
    np.testing.assert_array_equal(matrix, matrix.T)
    np.testing.assert_allclose(np.diag(matrix), 1, atol=1e-5)
    threshold = float(ended.out[-1].removeprefix("* one person: above ").split(",")[0])
    assert ended.out[-1].endswith("from 4 people)")
    for number, (photo, row) in enumerate(zip(photos, matrix, strict=True), 1):
        (line,) = [line for line in ended.out if line.split()[:2] == [str(number), photo]]
        marked = [value > threshold and column != number - 1 for column, value in enumerate(row)]
        assert line.split()[2:] == [f"{v:.4f}{'*' if mark else ''}" for v, mark in zip(row, marked, strict=True)]
    pair = finetune("compare", photos[0], photos[2], "--checkpoint", "model", "--csv", "two.csv")
    assert pair.out[0].startswith(f"cosine similarity {matrix[0, 2]:.4f}; ")
    assert (enrolled / "two.csv").read_text().splitlines()[1].startswith(f"{photos[0]},1.0000")
    without = finetune("compare", *photos[:3], "--checkpoint", "model")
    assert without.out[-1] == "no answer without --gallery, whose people say how alike two people are"
    assert "*" not in "".join(without.out)


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("compare a.png b.png faces/learn --checkpoint model", "faces/learn: a folder; give a photo"),
        (
            "compare faces/learn/person_001/person_001_0001.png b.png c.png --checkpoint model --csv out.txt",
            "out.txt: give a file name that ends in .csv",
        ),
        (
            "compare a.csv b.png c.png --checkpoint model --csv a.csv",
            "a.csv: an input of this command; give another ...",
        ),
    ],
)
def test_photos_that_can_not_be_compared_are_refused(command, line, refused):
    refused(command, line)


@pytest.mark.slow
def test_two_photos_are_compared(enrolled, finetune):
    a, b = (f"faces/learn/person_001/person_001_000{number}.png" for number in (1, 2))
    same = finetune("compare", a, a, "--checkpoint", "model")
    assert same.out[0] == "cosine similarity 1.0000; squared Euclidean distance 0.0000, angle 0.0 degrees"
    assert same.out[1] == "no answer without --gallery, whose people say how alike two people are"
    ended = finetune("compare", a, b, "--gallery", "people.h5", "--far", "0.4")
    similarity = float(ended.out[0].split()[2].rstrip(";"))
    answer, _, rest = ended.out[1].partition(": ")
    threshold = float(rest.removeprefix("not ").split()[1].rstrip(","))
    assert answer == ("one person" if similarity > threshold else "two people")
    assert ended.out[1].endswith("from 4 people)")
    ended = finetune("compare", a, b, "--gallery", "people.h5")
    assert (ended.status, ended.out[0].startswith(f"cosine similarity {similarity:.4f}; squared")) == (0, True)
    assert ended.out[1] == (
        "no answer: a false accept rate of 0.01 takes 198 people, enrolled and strangers, where 4 can be compared; add "
        "194 strangers (finetune enroll GALLERY FOLDER --strangers), or give --far 0.334 or more"
    )
