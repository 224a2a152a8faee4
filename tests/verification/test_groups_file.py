"""The file of groups, against the people of the pairs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from finetune.errors import DataError
from finetune.verification.groups_file import read_groups
from finetune.verification.pairs import ImagePairs

PAIRS = ImagePairs(
    paths=tuple(Path(f"lfw/{name}") for name in ("Ann_Lee/1.jpg", "Ann_Lee/2.jpg", "Bob/1.jpg", "José/1.jpg")),
    index1=np.array([0, 0, 2]),
    index2=np.array([1, 2, 3]),
    is_same=np.array([True, False, False]),
    n_folds=2,
)
RIGHT = "identity,skin,age\nann lee,dark,20-29\nBob,light,\nJosé,light,30-39\nEve,light,30-39\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "groups.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_each_person_of_the_pairs_gets_a_group_per_column(tmp_path):
    found = read_groups(written(tmp_path, RIGHT), PAIRS)
    assert found.first.tolist() == [0, 0, 1]
    assert found.second.tolist() == [0, 1, 2]
    skin, age = found.columns
    assert (skin.name, skin.groups, skin.of.tolist()) == ("skin", ("dark", "light"), [0, 1, 1])
    assert (age.name, age.groups, age.of.tolist()) == ("age", ("20-29", "30-39"), [0, -1, 1])


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + RIGHT.replace("\n", "\r\n"),
        RIGHT.replace("identity", "Identity") + "\n,,\nANN_LEE,dark,20-29\n",
        'skin , "identity", age\ndark,"Ann Lee",20-29\nlight,Bob,\nlight,José,30-39\n',
    ],
)
def test_order_spelling_and_repetition_do_not_matter(text, tmp_path):
    found, expected = (read_groups(written(tmp_path, one), PAIRS) for one in (text, RIGHT))
    assert found.to_json() == expected.to_json()


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", ["names nobody; give a CSV file with the header identity,GROUP"]),
        ("identity,skin\n", ["names nobody; give a CSV file with the header identity,GROUP"]),
        ("name,skin\nBob,dark\n", ["1: found the header 'name,skin'; write identity,GROUP"]),
        ("identity\nBob\n", ["1: found the header 'identity'; write identity,GROUP"]),
        (
            "identity,skin,Skin,,\nBob,a,b,c,d\n",
            ["1: two columns are named skin; rename one", "1: a column has no name; name it, or remove it"],
        ),
        (
            "identity,skin\nAnn Lee,dark\nAnn_Lee,light\nBob\n--,dark\n",
            [
                "3: Ann_Lee is dark in line 2 and light here; keep one of them",
                "4: found 'Bob', 1 fields where 2 belong",
                "5: found '--' for an identity; write its name",
                "lacks 2 of the 3 identities in the pairs: Bob, José; add them, with an empty field where a group is "
                "not known",
            ],
        ),
        ('identity,skin\n"Bob,dark\n', ["2: unexpected end of data; quote what holds a comma"]),
        ("identity,skin\nAnn Lee,\nBob,\nJosé,\n", ["found no group in skin; give somebody of the pairs one"]),
    ],
)
def test_what_can_not_be_used_is_named_line_by_line(text, lines, tmp_path):
    path = written(tmp_path, text)
    with pytest.raises(DataError) as caught:
        read_groups(path, PAIRS)
    found = str(caught.value).splitlines()
    assert len(found) == len(lines)
    for said, line in zip(found, lines, strict=True):
        assert said.startswith(f"{path}:{line}" if line[0].isdigit() else f"{path}: {line}"), said


def test_a_column_of_ages_in_years_is_refused(tmp_path):
    people = [f"P{number}" for number in range(41)]
    images = tuple(Path(f"lfw/{name}/1.jpg") for name in people)
    index = np.arange(40)
    pairs = ImagePairs(images, index, index + 1, np.zeros(40, bool), 2)
    text = "identity,age\n" + "".join(f"{name},{number}\n" for number, name in enumerate(people))
    with pytest.raises(DataError, match="found 41 groups in age; make at most 40, such as 20-29"):
        read_groups(written(tmp_path, text), pairs)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none.csv: can't be read .*; give a CSV file with the header identity,GROUP"):
        read_groups(tmp_path / "none.csv", PAIRS)


def test_people_without_a_name_are_in_no_group(tmp_path):
    pairs = ImagePairs(
        (Path("Bob/1.jpg"), Path("1.jpg"), Path("2.jpg")), *np.array([[0, 1], [1, 2]]), np.zeros(2, bool), 2
    )
    found = read_groups(written(tmp_path, "identity,skin\nBob,dark\n"), pairs)
    assert (found.first.tolist(), found.second.tolist()) == ([0, 1], [1, 2])
    assert found.columns[0].of.tolist() == [0, -1, -1]
