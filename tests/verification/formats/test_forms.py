"""Every form of pairs files gives the same pairs, and says what is wrong with a file in one line per mistake."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

from finetune.errors import DataError
from finetune.recipe import LFW
from finetune.verification import Pair, measure, open_pairs, read_pairs, resolve
from finetune.verification.formats.registry import FORMS
from finetune.verification.formats.table import text_of

PEOPLE = [f"Person_{letter}" for letter in "ABCDEFGHIJKLMNOPQRSTUVWX"]
SAME = [(f"{name}_0001", f"{name}_0002", True) for name in PEOPLE]
DIFFERENT = [(f"{one}_0001", f"{two}_0002", False) for one, two in zip(PEOPLE, PEOPLE[1:] + PEOPLE[:1], strict=True)]


def image_of(name: str) -> str:
    return f"{name.rpartition('_')[0]}/{name}.png"


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    for name in PEOPLE:
        for number in (1, 2):
            for place in (tmp_path / "faces" / name, tmp_path / "flat"):
                place.mkdir(parents=True, exist_ok=True)
                (place / f"{name}_{number:04d}.png").touch()
    return tmp_path


def write(folder: Path, name: str, content: str) -> Path:
    (folder / name).write_text(content, encoding="utf-8")
    return folder / name


def refused(path: Path) -> list[str]:
    with pytest.raises(DataError) as raised:
        read_pairs(path)
    return list(map(str, raised.value.problems))


def embed(paths, *, flip):
    rows = []
    for path in paths:
        person = np.random.default_rng(PEOPLE.index(path.stem.rpartition("_")[0])).normal(size=16)
        rows.append(person + np.random.default_rng(sum(path.stem.encode())).normal(0, 0.9, size=16))
    return (np.array(rows) / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def forms(folder: Path) -> dict[str, tuple[Path, Path]]:
    """Write one set of pairs, those of one person first, in every form of text: {form: images and pairs}."""
    pairs = SAME + DIFFERENT
    lines = [(image_of(a), image_of(b), int(same)) for a, b, same in pairs]
    lfw = [f"{a[:-5]}\t1\t2" if same else f"{a[:-5]}\t1\t{b[:-5]}\t2" for a, b, same in pairs]
    calfw = [f"{name}.jpg {(1 + row // 3) * same}" for row, (a, b, same) in enumerate(pairs) for name in (a, b)]
    nested, flat = folder / "faces", folder / "flat"
    return {
        "lfw": (nested, write(folder, "lfw.txt", "\n".join(["24", *lfw]))),
        "calfw": (flat, write(folder, "calfw.txt", "\n".join(calfw))),
        "cplfw": (
            flat,
            write(folder, "cplfw.txt", "\n".join(f"{n}.jpg\t{int(s)}" for a, b, s in pairs for n in (a, b))),
        ),
        "csv": (nested, write(folder, "a.csv", "\n".join("{},{},{}".format(*line) for line in lines))),
        "header": (nested, write(folder, "b.csv", "\n".join(["a,b,issame", *("{},{},{}".format(*p) for p in lines)]))),
        "tabs": (nested, write(folder, "c.tsv", "\n".join("{}\t{}\t{}".format(*line) for line in lines))),
        "spaces": (nested, write(folder, "d.txt", "\n".join("{}  {} {}".format(*line) for line in lines))),
        "semicolons": (nested, write(folder, "e.csv", "\ufeff" + "\r\n".join("{};{};{}".format(*p) for p in lines))),
        "flat": (flat, write(folder, "f.csv", "\n".join(f"{a}.png,{b}.png,{s}" for a, b, s in pairs))),
    }


def test_one_set_in_any_form_has_one_figure(faces):
    found = {}
    for form, (images, pairs) in forms(faces).items():
        opened = open_pairs(LFW(dir=images, pairs=pairs))
        found[form] = measure(embed, opened)
        assert opened.n_folds == 10, form
        assert [opened.identities[i] for i in opened.index1] == [a[:-5] for a, _, _ in SAME + DIFFERENT], form
    first = found["lfw"]
    assert 0.6 < first.accuracy < 1
    for form, result in found.items():
        for figure in ("accuracy", "accuracy_std", "val", "far", "auc", "eer", "threshold", "fold_accuracy"):
            assert getattr(result, figure) == getattr(first, figure), (form, figure)
        assert (result.distances == first.distances).all()
    assert {found[form].pairs_sha256 for form in ("lfw", "csv", "header", "tabs", "spaces", "semicolons")} == {
        first.pairs_sha256
    }


def test_the_folds_of_a_table_are_kept_whatever_their_order(faces):
    names = ["b", "a", "10", "9"]
    rows = [(image_of(a), image_of(b), int(s), names[row % 4]) for row, (a, b, s) in enumerate(SAME + DIFFERENT)]
    file = write(faces, "folds.csv", "\n".join("{},{},{},{}".format(*row) for row in rows))
    pairs = resolve(read_pairs(file), faces / "faces")
    assert pairs.n_folds == 4
    order = ["9", "10", "a", "b"]
    assert [order[fold] for fold in pairs.folds] == [row[3] for row in rows]
    result = measure(embed, pairs)
    assert result.folds.tolist() == pairs.folds.tolist()
    # Each fold by hand: the threshold is the best one on the other folds.
    grid = np.arange(0, 4, 0.01)
    for fold in range(4):
        own = pairs.folds == fold
        right = [((result.distances[~own] < t) == result.is_same[~own]).mean() for t in grid]
        decided = result.distances[own] < grid[int(np.argmax(right))]
        assert result.fold_accuracy[fold] == (decided == result.is_same[own]).mean()


def test_a_fold_of_one_kind_is_refused(faces):
    rows = [(image_of(a), image_of(b), int(s), 1 + (not s)) for a, b, s in SAME + DIFFERENT]
    file = write(faces, "folds.csv", "\n".join("{},{},{},{}".format(*row) for row in rows))
    with pytest.raises(DataError) as raised:
        open_pairs(LFW(dir=faces / "faces", pairs=file))
    assert str(raised.value).splitlines() == [
        f"{file}: found 24 pairs of one person and 0 of two in fold 1; give both in each fold",
        f"{file}: found 0 pairs of one person and 24 of two in fold 2; give both in each fold",
    ]


def test_every_malformed_line_of_a_table_is_named(tmp_path):
    lines = ["first,second,same", "a/1.jpg,a/2.jpg,1", "a/1.jpg,b/1.jpg,2", "a/1.jpg,b/1.jpg", 'a/"1.jpg,b/1.jpg,0,0,0']
    path = write(tmp_path, "pairs.csv", "\n".join([*lines, "a/1.jpg,./a/1.jpg,1", "a/3.jpg,b/1.jpg,0"]))
    form = "write two images and 0 or 1, as in ann/a.jpg,bob/b.jpg,0"
    assert refused(path) == [
        f"{path}:3: found 'a/1.jpg,b/1.jpg,2'; {form}",
        f"{path}:4: found 'a/1.jpg,b/1.jpg'; {form}",
        f"{path}:5: found 'a/\"1.jpg,b/1.jpg,0,0,0'; {form}",
        f"{path}:6: pairs a/1.jpg with itself; name two images",
    ]
    path = write(tmp_path, "spaces.txt", "a/1.jpg a/2.jpg 1\na/1 2.jpg b/1.jpg 0\n")
    quotes = f"{form}; put a path that holds spaces in double quotes"
    assert refused(path) == [f"{path}:2: found 'a/1 2.jpg b/1.jpg 0'; {quotes}"]
    path = write(tmp_path, "folds.csv", "a/1.jpg,a/2.jpg,1,1\na/1.jpg,b/1.jpg,0\n")
    assert refused(path) == [f"{path}: 1 of 2 lines have no fold; write a fold in each line, or in none"]
    path = write(tmp_path, "fold.csv", "a/1.jpg,a/2.jpg,1,1\na/1.jpg,b/1.jpg,0,1\n")
    assert refused(path) == [f"{path}: found only the fold 1; write two or more, or none"]


def test_every_malformed_line_of_a_list_of_two_lines_is_named(tmp_path):
    path = write(tmp_path, "pairs.txt", "A_0001.jpg 1\nA_0002.jpg 1\nA_0001.jpg one\nB_0001.jpg 0\n")
    assert refused(path) == [f"{path}:3: found 'A_0001.jpg one'; write a file and its pair's label, as in x_0001.jpg 1"]
    path = write(tmp_path, "odd.txt", "A_0001.jpg 1\nA_0002.jpg 1\nA_0001.jpg 0\n")
    assert refused(path) == [f"{path}:3: found one line for a pair; write two lines for each"]
    path = write(tmp_path, "labels.txt", "A_0001.jpg 1\nA_0002.jpg 0\nA_0001.jpg 1\n\nA_0001.jpg 1\n")
    assert refused(path) == [
        f"{path}:1: found the labels 1 and 0 for one pair; write the same label in both lines",
        f"{path}:3: pairs A_0001.jpg with itself; name two images",
    ]


@pytest.mark.parametrize(
    "content", ["name,age\nann,3\n", "<!DOCTYPE html>\n<html></html>", '{"pairs": []}', "ann bob\n"]
)
def test_a_file_in_no_form_is_answered_with_the_forms(tmp_path, content):
    path = write(tmp_path, "pairs.csv", content)
    first = content.splitlines()[0]
    assert refused(path) == [f"{path}: found {first!r} in line 1, and no line of a pairs file; give {FORMS}"]


PART = (
    st.text("ab Zé日,;\"'\t=+-.#🙂", min_size=1, max_size=8).map(str.strip).filter(lambda t: t not in ("", ".", ".."))
)
IMAGE = st.tuples(PART, PART).map(lambda two: f"{two[0]}/{two[1]}.jpg")


@given(
    pairs=st.lists(st.tuples(IMAGE, IMAGE, st.booleans()).filter(lambda p: p[0] != p[1]), min_size=1, max_size=8),
    separator=st.sampled_from(",\t; "),
    n_folds=st.integers(1, 3),
)
def test_a_written_table_is_read_back(tmp_path_factory, pairs, separator, n_folds):
    folds = [[Pair(*pair) for pair in pairs]] * n_folds
    path = write(tmp_path_factory.mktemp("table"), "pairs.csv", text_of(folds, separator))
    found = read_pairs(path)
    assert list(found.pairs) == [pair for fold in folds for pair in fold]
    assert found.folds == (None if n_folds == 1 else tuple(n for n in range(n_folds) for _ in pairs))


def test_paths_of_windows_are_read(tmp_path):
    path = write(tmp_path, "pairs.csv", "ann\\a.jpg;bob\\b.jpg;0\n.\\ann\\a.jpg;ann/c\\d.jpg;TRUE\n")
    assert read_pairs(path).pairs == (
        Pair("ann/a.jpg", "bob/b.jpg", False),
        Pair("ann/a.jpg", "ann/c\\d.jpg", True),
    )


def test_names_of_two_people_that_contradict_the_labels_are_not_believed(tmp_path):
    path = write(tmp_path, "pairs.csv", "IMG_1.jpg,IMG_2.jpg,0\nIMG_1.jpg,IMG_3.jpg,1\n")
    assert set(read_pairs(path).people.values()) == {""}


def cfp(root: Path, folds: int = 2) -> Path:
    """Write CFP's folder of images and protocol for four people, as its authors lay it out."""
    lists = {"F": [], "P": []}
    for person in ("001", "002", "003", "004"):
        for pose, letter in (("frontal", "F"), ("profile", "P")):
            for image in ("01.jpg", "02.jpg"):
                place = root / "Data/Images" / person / pose / image
                place.parent.mkdir(parents=True, exist_ok=True)
                place.touch()
                lists[letter].append(f"../Data/Images/{person}/{pose}/{image}")
    protocol = root / "Protocol"
    protocol.mkdir()
    for letter, images in lists.items():
        text = "\n".join(f"{number} {image}" for number, image in enumerate(images, 1))
        write(protocol, f"Pair_list_{letter}.txt", text)
    for fold in range(folds):
        for kind in ("FF", "FP"):
            place = protocol / "Split" / kind / f"{fold + 1:02d}"
            place.mkdir(parents=True)
            same = ("1,2", "3,4") if kind == "FF" else ("1,1", "4,3")
            write(place, "same.txt", f"{same[fold]}\n")
            write(place, "diff.txt", ("1,5\n", "3,8\n")[fold])
    return protocol / "Split"


def test_cfp_is_read_as_published(tmp_path):
    split = cfp(tmp_path)
    pairs = resolve(read_pairs(split / "FP"), tmp_path / "Data/Images")
    named = [path.relative_to(tmp_path / "Data/Images").as_posix() for path in pairs.paths]
    assert [(named[i], named[j]) for i, j in zip(pairs.index1, pairs.index2, strict=True)] == [
        ("001/frontal/01.jpg", "001/profile/01.jpg"),
        ("001/frontal/01.jpg", "003/profile/01.jpg"),
        ("002/frontal/02.jpg", "002/profile/01.jpg"),
        ("002/frontal/01.jpg", "004/profile/02.jpg"),
    ]
    assert pairs.is_same.tolist() == [True, False, True, False]
    assert (pairs.n_folds, pairs.folds.tolist()) == (2, [0, 0, 1, 1])
    assert [pairs.identities[i] for i in pairs.index2] == ["001", "003", "002", "004"]
    frontal = read_pairs(split / "FF").pairs
    assert frontal[1] == Pair("001/frontal/01.jpg", "003/frontal/01.jpg", False)


def test_all_that_is_wrong_with_a_folder_of_cfp_is_said_at_once(tmp_path):
    split = cfp(tmp_path)
    write(split / "FP/01", "same.txt", "1;1\n1,99\n")
    (split / "FP/02/diff.txt").unlink()
    assert refused(split / "FP") == [
        f"{split}/FP/01/same.txt:1: found '1;1'; write two numbers of images, as in 12,7",
        f"{split}/FP/01/same.txt:2: found '1,99'; write numbers that are in the lists of images",
        f"{split}/FP/02/diff.txt: can't be read (No such file or directory); give CFP's folder Protocol/Split/FP or FF",
    ]
    write(split.parent, "Pair_list_P.txt", "1 ../Data/Images/001/profile/01.jpg\nnone\n")
    list_problem = "found 'none'; write a number and a path, as in 1 ../Data/Images/001/frontal/01.jpg"
    assert refused(split / "FP")[0] == f"{split.parent}/Pair_list_P.txt:2: {list_problem}"
