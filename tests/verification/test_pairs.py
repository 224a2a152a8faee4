"""Pairs files as people have them, and the images they name."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from finetune.errors import DataError
from finetune.verification import Pair, PairsFile, read_pairs, resolve
from finetune.verification.formats.registry import FORMS

BODY = "Ann_Lee\t1\t12\nAnn_Lee\t2\tBo Ek\t1\n"
PAIRS = (
    Pair("Ann_Lee/Ann_Lee_0001", "Ann_Lee/Ann_Lee_0012", True),
    Pair("Ann_Lee/Ann_Lee_0002", "Bo Ek/Bo Ek_0001", False),
)


def read(folder: Path, content: str | bytes) -> PairsFile:
    path = folder / "pairs.txt"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_pairs(path)


def images(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


@pytest.mark.parametrize(
    ("content", "n_folds"),
    [
        ("2\t1\n" + BODY, 2),
        ("1\n" + BODY, 10),
        ("1 1\n" + BODY, 10),
        (BODY, 10),
        ("\ufeff5 1\r\n" + BODY.replace("\n", "\r\n"), 5),
        ("\n 7\t1 \n\n" + BODY.replace("\n", " \n\n"), 7),
        (BODY.replace("Ann_Lee\t1\t12", "Ann_Lee  0001   0012").removesuffix("\n"), 10),
    ],
    ids=["header", "count alone", "one fold", "no header", "BOM and CRLF", "blank lines", "spaces"],
)
def test_every_form_of_the_file_gives_the_same_pairs(tmp_path, content, n_folds):
    pairs_file = read(tmp_path, content)
    assert pairs_file.pairs == PAIRS
    assert pairs_file.n_folds == n_folds


def test_a_header_that_promises_other_pairs_is_noted(tmp_path):
    assert read(tmp_path, "1\n" + BODY).notes == ()
    notes = read(tmp_path, "10\t300\n" + BODY).notes
    assert notes == ("the header of pairs.txt promises 6000 pairs, it holds 2",)


def test_a_first_pair_whose_person_is_a_number_is_no_header(tmp_path):
    pairs_file = read(tmp_path, "1204\t1\t2\n" + BODY)
    assert len(pairs_file.pairs) == 1 + len(PAIRS)
    assert pairs_file.pairs[1:] == PAIRS
    assert pairs_file.notes == ()


def test_every_malformed_line_is_named_with_its_number(tmp_path):
    lines = ["10\t1", "Ann 1 2", "Ann 1", "Ann one 2", "", "Ann 1 Ann 2", "Ann -1 2", "A\tB\tC\tD\tE", "x" * 80]
    with pytest.raises(DataError) as raised:
        read(tmp_path, "\n".join(lines))
    where = tmp_path / "pairs.txt"
    write = "write NAME n1 n2 for one person, NAME1 n1 NAME2 n2 for two"
    assert list(map(str, raised.value.problems)) == [
        f"{where}:3: found 'Ann 1'; {write}",
        f"{where}:4: found 'Ann one 2'; {write}",
        f"{where}:6: names 'Ann' twice; write Ann 1 2 for a pair of one person",
        f"{where}:7: found 'Ann -1 2'; {write}",
        f"{where}:8: found 'A\\tB\\tC\\tD\\tE'; {write}",
        f"{where}:9: found '{'x' * 60}…'; {write}",
    ]


def test_names_with_spaces_are_said_to_need_tabs(tmp_path):
    with pytest.raises(DataError) as raised:
        read(tmp_path, "Ann Lee 1 2\nAnn Lee 1 Bo 2\nAnn Lee\t1\n")
    assert [
        problem.endswith("; separate them by tabs where a name holds spaces")
        for problem in map(str, raised.value.problems)
    ] == [
        True,
        True,
        False,
    ]


def test_a_file_stands_in_place_of_a_number(tmp_path):
    root = images(
        tmp_path / "people", "Ann Li/IMG 1.jpg", "Ann Li/Ann Li_0002.png", "Bo/me.JPG", "Bo/me.png", "Bo/1.webp"
    )
    found = resolve(read(tmp_path, "2\t1\nAnn Li\tIMG 1.jpg\t2\nBo\tme.JPG\tAnn Li\t2\nBo\t1.webp\tme.png"), root)
    pairs = [(found.paths[i], found.paths[j]) for i, j in zip(found.index1, found.index2, strict=True)]
    assert [tuple(path.relative_to(root).as_posix() for path in pair) for pair in pairs] == [
        ("Ann Li/IMG 1.jpg", "Ann Li/Ann Li_0002.png"),
        ("Bo/me.JPG", "Ann Li/Ann Li_0002.png"),
        ("Bo/1.webp", "Bo/me.png"),
    ]
    assert found.is_same.tolist() == [True, False, True]


def test_files_of_one_name_under_two_people_have_pairs_of_their_own_digest(tmp_path):
    root = images(tmp_path / "people", "Ann/1.png", "Ann/2.png", "Bo/1.png", "Bo/2.png")
    digests = {resolve(read(tmp_path, f"{name}\t1.png\t2.png\n"), root).sha256 for name in ("Ann", "Bo")}
    assert len(digests) == 2


def test_people_are_found_in_other_spellings_where_no_two_have_them(tmp_path):
    root = images(
        tmp_path / "people", "Jose\u0301/Jose\u0301_0001.jpg", "ann_li/ann_li_0001.jpg", "ANN_LI/ANN_LI_0001.jpg"
    )
    found = resolve(read(tmp_path, "Jos\u00e9\t1\tann_li\t1\n"), root)
    assert [path.parent.name for path in found.paths] == ["Jose\u0301", "ann_li"]
    with pytest.raises(DataError, match="missing 1 of the 2 images in the pairs: Ann Li/Ann Li_0001;"):
        resolve(read(tmp_path, "Jos\u00e9\t1\tAnn Li\t1\n"), root)


def test_one_name_is_not_taken_for_two_people(tmp_path):
    with pytest.raises(DataError, match="names 'Jos\u00e9' twice"):
        read(tmp_path, "Jos\u00e9\t1\tJose\u0301\t2\n")
    noted = read(tmp_path, "1\nAnn\t1\t2\nAnn\t1\tann\t2\n").notes
    assert noted == ("pairs.txt names 'ann' and 'Ann', which are one name, as two people",)


def test_a_file_of_something_else_is_not_recited_line_by_line(tmp_path):
    with pytest.raises(DataError) as raised:
        read(tmp_path, "Ann_Lee 0001.jpg 1 2 3 4\n" * 500)
    assert len(raised.value.problems) == 21
    assert str(raised.value.problems[-1]) == f"{tmp_path / 'pairs.txt'}: 480 more lines like these; is it a pairs file?"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", f"found no pairs; give {FORMS}"),
        ("10\t300\n", "found no pairs; give a pairs file in LFW's form"),
        (b"\xff\xd8\xff\xe0 JFIF", f"not a text file; give {FORMS}"),
        ("Ann\t1\t2\n\0\0", f"not a text file; give {FORMS}"),
    ],
    ids=["empty", "header alone", "image", "NUL"],
)
def test_what_is_no_pairs_file_is_said_in_one_line(tmp_path, content, problem):
    with pytest.raises(DataError) as raised:
        read(tmp_path, content)
    assert str(raised.value) == f"{tmp_path / 'pairs.txt'}: {problem}"


def test_a_file_that_cannot_be_opened_is_said_in_one_line(tmp_path):
    with pytest.raises(DataError) as raised:
        read_pairs(tmp_path / "none.txt")
    assert str(raised.value) == f"{tmp_path / 'none.txt'}: can't be read (No such file or directory); give {FORMS}"
    with pytest.raises(DataError) as raised:
        read_pairs(tmp_path)
    fold = "CFP's folder Protocol/Split/FP or FF"
    assert str(raised.value) == f"{tmp_path}: a folder, and not one of CFP's folds; give {fold}, or a pairs file"


def test_no_folds_at_all_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"pairs\.txt:1: the header asks for 0 folds; write 10"):
        read(tmp_path, "0\t300\n" + BODY)


NAMES = st.text("abcXYZ_-.é ", min_size=1, max_size=12).map(str.strip).filter(bool)


@given(pairs=st.lists(st.tuples(NAMES, st.integers(0, 99999), NAMES, st.integers(0, 99999)), min_size=1, max_size=8))
def test_written_pairs_are_read_back(tmp_path_factory, pairs):
    lines = [f"{a}\t{i}\t{j}" if a == b else f"{a}\t{i}\t{b}\t{j}" for a, i, b, j in pairs]
    folder = tmp_path_factory.mktemp("pairs")
    assert read(folder, "\n".join(["10\t300", *lines])).pairs == tuple(
        Pair(f"{a}/{a}_{i:04d}", f"{b}/{b}_{j:04d}", a == b) for a, i, b, j in pairs
    )


def test_images_are_found_with_any_suffix_and_listed_once(tmp_path):
    root = images(tmp_path, "Ann/Ann_0001.jpg", "Ann/Ann_0002.PNG", "Bo/Bo_0001.JPEG", "Bo/Bo_0002.png")
    pairs = (
        Pair("Ann/Ann_0001", "Ann/Ann_0002", True),
        Pair("Bo/Bo_0001", "Ann/Ann_0001", False),
        Pair("Ann/Ann_0002", "Bo/Bo_0001", False),
    )
    found = resolve(PairsFile(pairs, 3), root)
    assert found.paths == (root / "Ann/Ann_0001.jpg", root / "Ann/Ann_0002.PNG", root / "Bo/Bo_0001.JPEG")
    assert found.index1.tolist() == [0, 2, 1]
    assert found.index2.tolist() == [1, 0, 2]
    assert found.is_same.tolist() == [True, False, False]
    assert (found.n_folds, found.missing, found.n_skipped, found.notes) == (3, (), 0, ())


def test_a_jpg_goes_before_a_png_of_the_same_name(tmp_path):
    root = images(tmp_path, "Ann/Ann_0001.png", "Ann/Ann_0001.jpg", "Ann/Ann_0002.png")
    found = resolve(PairsFile((Pair("Ann/Ann_0001", "Ann/Ann_0002", True),), 10), root)
    assert [path.name for path in found.paths] == ["Ann_0001.jpg", "Ann_0002.png"]


def test_links_to_people_and_images_are_followed(tmp_path):
    store = images(tmp_path / "store", "a/Ann_0001.png", "two.png")
    root = tmp_path / "lfw"
    root.mkdir()
    (root / "Ann").symlink_to(store / "a")
    (store / "a/Ann_0002.png").symlink_to(store / "two.png")
    found = resolve(PairsFile((Pair("Ann/Ann_0001", "Ann/Ann_0002", True),), 10), root)
    assert [path.name for path in found.paths] == ["Ann_0001.png", "Ann_0002.png"]


ONE_GONE = PairsFile((Pair("Ann/Ann_0001", "Ann/Ann_0002", True), Pair("Ann/Ann_0001", "Cy/Cy_0001", False)), 10)


def test_missing_images_are_counted_and_named(tmp_path):
    root = images(tmp_path, "Ann/Ann_0001.png", "Ann/Ann_0002.png")
    with pytest.raises(DataError) as raised:
        resolve(ONE_GONE, root)
    assert str(raised.value) == (
        f"{root}: missing 1 of the 3 images in the pairs: Cy/Cy_0001; add them, or skip their pairs with missing: skip"
    )


def test_pairs_of_missing_images_are_skipped_where_asked_and_said_so(tmp_path):
    root = images(tmp_path, "Ann/Ann_0001.png", "Ann/Ann_0002.png", "Dee/Dee_0001.png")
    found = resolve(PairsFile((*ONE_GONE.pairs, Pair("Dee/Dee_0001", "Cy/Cy_0001", False)), 10), root, missing="skip")
    assert [path.name for path in found.paths] == ["Ann_0001.png", "Ann_0002.png"]  # Dee is in no pair that is left
    assert found.is_same.tolist() == [True]
    assert (found.missing, found.n_skipped) == (("Cy/Cy_0001",), 2)
    assert found.notes == ("2 of 3 pairs were skipped; missing images: 1",)


@pytest.mark.parametrize("missing", ["error", "skip"])
def test_a_folder_with_none_of_the_images_is_refused_either_way(tmp_path, missing):
    people = tuple(Pair(f"P{i}/P{i}_0001", f"P{i}/P{i}_0002", True) for i in range(3))
    with pytest.raises(DataError) as raised:
        resolve(PairsFile(people, 10), images(tmp_path, "P0_0001.png"), missing=missing)
    assert str(raised.value) == (
        f"{tmp_path}: missing 6 of the 6 images in the pairs: P0/P0_0001, P0/P0_0002, P1/P1_0001, …; "
        "is it the folder of aligned faces?"
    )


def test_a_folder_that_is_not_there_is_said_so(tmp_path):
    with pytest.raises(DataError, match="lfw: found no folder; give the one that holds LFW's aligned faces"):
        resolve(ONE_GONE, tmp_path / "lfw")


def test_the_digest_follows_the_pairs_and_not_the_folder(tmp_path):
    files = ("Ann/Ann_0001.png", "Ann/Ann_0002.png", "Cy/Cy_0001.png")
    here, there = images(tmp_path / "a", *files), images(tmp_path / "b", *files)
    other = PairsFile(ONE_GONE.pairs[::-1], 10)
    assert resolve(ONE_GONE, here).sha256 == resolve(ONE_GONE, there).sha256 != resolve(other, here).sha256


@pytest.mark.parametrize(("n", "more"), [(3, ""), (4, ", …")])
def test_three_missing_images_are_named_and_more_are_hinted_at(tmp_path, n, more):
    images(tmp_path, "A/A_0001.png")
    pairs = tuple(Pair("A/A_0001", f"A/A_{number:04d}", True) for number in range(1, n + 2))
    shown = f"A/A_0002, A/A_0003, A/A_0004{more};"
    with pytest.raises(DataError, match=rf"missing {n} of the {n + 1} images in the pairs: {shown}"):
        resolve(PairsFile(pairs, 10), tmp_path)
