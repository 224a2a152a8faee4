from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from finetune.cells import csv_text
from finetune.dataset.importers.table import read_csv
from finetune.errors import DataError


def read(tmp_path: Path, text: str, **options):
    (tmp_path / "list.csv").write_bytes(text.encode())
    listing = read_csv(tmp_path / "list.csv", **options)
    return [(str(photo.path), photo.identity) for photo in listing.photos], listing.problems


@pytest.mark.parametrize(
    "text",
    [
        "a.jpg,Ann Lee\nb/c.PNG,bob\n",
        "path,name\na.jpg,Ann Lee\nb/c.PNG,bob\n",
        "\ufeffname, path\r\nAnn Lee, a.jpg\r\nbob, b/c.PNG\r\n",
        'id,Label,Filename\n1,"Ann Lee","a.jpg"\n\n2,bob,b/c.PNG\n',
        "foo,bar\na.jpg,Ann Lee\nb/c.PNG,bob",
    ],
    ids=["no header", "a header", "the other way round", "quoted, among others", "a header of unknown words"],
)
def test_paths_and_names_are_found_with_a_header_or_without(text, tmp_path):
    found, problems = read(tmp_path, text)
    assert found == [(f"{tmp_path}/a.jpg", "Ann Lee"), (f"{tmp_path}/b/c.PNG", "bob")]
    assert problems == []


def test_relative_paths_begin_at_the_root_and_absolute_ones_do_not(tmp_path):
    found, _ = read(tmp_path, "a.jpg,ann\n/data/b.jpg,bob\n", root=Path("/photos"))
    assert found == [("/photos/a.jpg", "ann"), ("/data/b.jpg", "bob")]


def test_a_root_elsewhere_is_for_photos_alone_and_one_that_holds_the_table_is_not(tmp_path):
    table = tmp_path / "home/list.csv"
    table.parent.mkdir()
    table.write_text("a.jpg,ann\n", encoding="utf-8")
    assert read_csv(table, tmp_path / "photos").photos_folder == tmp_path / "photos"
    assert read_csv(table, tmp_path).photos_folder is None
    assert read_csv(table).photos_folder is None


def test_what_our_own_files_guard_against_spreadsheets_is_read_as_it_was(tmp_path):
    found, _ = read(tmp_path, csv_text([("path", "name"), ("=a.jpg", "@SUM(1)"), ("b.jpg", "'=1"), ("c.jpg", "'tis")]))
    assert found == [
        (f"{tmp_path}/=a.jpg", "@SUM(1)"),
        (f"{tmp_path}/b.jpg", "'=1"),
        (f"{tmp_path}/c.jpg", "'tis"),
    ]


@given(st.lists(st.tuples(st.text("ab ,\"'é", min_size=1), st.text("ab ,\"'é\n", min_size=1)), min_size=1))
def test_what_pythons_csv_writes_is_read_back(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("csv") / "list.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([(f"x{photo}.jpg", name) for photo, name in rows])
    listing = read_csv(path, Path("/"))
    assert listing.problems == []
    assert [(str(p.path), p.identity) for p in listing.photos] == [(f"/x{a}.jpg", b.strip()) for a, b in rows]


def test_malformed_lines_are_told_by_their_numbers(tmp_path):
    found, problems = read(tmp_path, 'a.jpg,ann\nb.jpg\nc.jpg,bob,3\n"d.jpg,cid\n')
    assert found == [(f"{tmp_path}/a.jpg", "ann")]
    assert [*map(str, problems)] == [
        f"{tmp_path}/list.csv:2: found 'b.jpg', 1 fields where 2 belong",
        f"{tmp_path}/list.csv:3: found 'c.jpg,bob,3', 3 fields where 2 belong",
        f"{tmp_path}/list.csv:4: unexpected end of data; quote what holds a comma, and double the quotes in it",
    ]


@pytest.mark.parametrize("header", ["id,photo number,who", "000001 2880"])
def test_a_header_that_names_no_path_and_name_says_what_to_write(header, tmp_path):
    with pytest.raises(DataError, match=rf"list\.csv:1: found '{header}'; write PATH,NAME, or a header that calls"):
        read(tmp_path, f"{header}\n1,2,3\n")


def test_what_is_no_text_is_one_line(tmp_path):
    (tmp_path / "list.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"list\.csv: not a text file; give a CSV file of paths and names"):
        read_csv(tmp_path / "list.csv")
