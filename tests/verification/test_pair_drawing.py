from __future__ import annotations

import re
from collections import Counter
from itertools import combinations, pairwise
from pathlib import Path

import pytest
from hypothesis import assume, given, settings, strategies as st

from finetune.errors import DataError
from finetune.images.reading import SUFFIXES
from finetune.verification import Pair, read_pairs, resolve
from finetune.verification.pair_drawing import draw_pairs, write_pairs

people = st.lists(st.integers(1, 7), min_size=4, max_size=30).map(
    lambda sizes: {f"Ann {i}": list(range(1, 2 * size, 2)) for i, size in enumerate(sizes)}
)
seeds = st.integers(0, 2**40)


def person(image: str) -> str:
    return image.split("/")[0]


def most(images: dict[str, list[int]], folds: int, seed: int) -> int:
    """Return the largest number of pairs that can be drawn, which the error gives."""
    try:
        draw_pairs(images, folds=folds, pairs_per_fold=10**6, seed=seed)
    except DataError as error:
        found = re.search(r"ask for (\d+) pairs", str(error))
        return int(found[1]) if found else 0
    raise AssertionError


def folder(root: Path, images: dict[str, list[int]], suffix: str = ".jpg") -> Path:
    for name, numbers in images.items():
        (root / name).mkdir(parents=True)
        for number in numbers:
            (root / name / f"{name}_{number:04d}{suffix}").touch()
    return root


@settings(max_examples=60)
@given(people, st.integers(2, 4), st.integers(1, 25), seeds)
def test_folds_share_nobody_no_pair_comes_twice_and_the_counts_are_exact(images, folds, wanted, seed):
    n = min(wanted, most(images, folds, seed))
    assume(n)
    drawn = draw_pairs(images, folds=folds, pairs_per_fold=n, seed=seed)
    assert [Counter(pair.is_same for pair in fold) for fold in drawn] == [{True: n, False: n}] * folds
    seen = [{person(image) for pair in fold for image in pair[:2]} for fold in drawn]
    assert all(not one & other for one, other in combinations(seen, 2))
    every = [frozenset(pair[:2]) for fold in drawn for pair in fold]
    assert len(set(every)) == len(every)
    for pair in (pair for fold in drawn for pair in fold):
        assert pair.is_same == (person(pair.first) == person(pair.second))
        assert pair.first != pair.second
        for image in pair[:2]:
            assert int(image[-4:]) in images[person(image)]


@given(people, st.integers(2, 4), seeds)
def test_as_many_as_the_error_says_can_be_drawn_and_no_more(images, folds, seed):
    n = most(images, folds, seed)
    assume(n)
    draw_pairs(images, folds=folds, pairs_per_fold=n, seed=seed)
    with pytest.raises(DataError, match=f"ask for {n} pairs or fewer"):
        draw_pairs(images, folds=folds, pairs_per_fold=n + 1, seed=seed)


def test_all_the_pairs_there_are_can_be_drawn():
    images = {name: [1, 2, 3] for name in "abcd"}
    for fold in draw_pairs(images, folds=2, pairs_per_fold=6, seed=0):
        one, other = sorted({person(pair.first) for pair in fold})
        of_one = {frozenset(pair[:2]) for pair in fold if pair.is_same}
        assert of_one == {
            frozenset(f"{n}/{n}_000{i}" for i in two) for n in (one, other) for two in ((1, 2), (1, 3), (2, 3))
        }
        assert len(fold) == 12


@given(people, seeds)
def test_people_give_alike_unless_they_have_no_more(images, seed):
    n = min(20, most(images, 2, seed))
    assume(n)
    for fold in draw_pairs(images, folds=2, pairs_per_fold=n, seed=seed):
        given_by = Counter(person(pair.first) for pair in fold if pair.is_same)
        highest = max(given_by.values())
        in_fold = {person(image) for pair in fold for image in pair[:2]}
        for name in in_fold:
            room = len(images[name]) * (len(images[name]) - 1) // 2
            assert given_by[name] >= min(room, highest - 1)


def test_each_fold_has_its_share_of_those_who_can_give_pairs():
    images = (
        {f"one {i}": [1] for i in range(100)} | {f"two {i}": [1, 2] for i in range(10)} | {"many": [*range(1, 500)]}
    )
    drawn = draw_pairs(images, folds=10, pairs_per_fold=1, seed=4)
    assert all(any(pair.is_same for pair in fold) for fold in drawn)


def test_the_seed_decides_the_pairs():
    images = {f"p{i}": [1, 2, 3, 4] for i in range(8)}
    drawn = [draw_pairs(images, folds=2, pairs_per_fold=5, seed=seed) for seed in (1, 1, 2)]
    assert [a == b for a, b in pairwise(drawn)] == [True, False]


def test_a_hundred_thousand_people_are_drawn_from_without_listing_their_pairs():
    images = {f"p{i}": range(1, 2 + i % 40) for i in range(100_000)}
    drawn = draw_pairs(images, folds=10, pairs_per_fold=300, seed=0)
    assert sum(map(len, drawn)) == 6000


def test_what_is_written_is_read_back_as_lfws(tmp_path):
    images = {f"Ann {i}": [1, 2, 3, 12345] for i in range(6)}
    drawn = write_pairs(tmp_path / "pairs.txt", folder(tmp_path / "faces", images), folds=2, pairs_per_fold=4, seed=1)
    assert (drawn.people, drawn.images, drawn.left_out) == (6, 24, ())
    header, *lines = (tmp_path / "pairs.txt").read_text().splitlines()
    assert header == "2\t4"
    assert [line.count("\t") for line in lines] == [2, 2, 2, 2, 3, 3, 3, 3] * 2
    read = read_pairs(tmp_path / "pairs.txt")
    assert (read.n_folds, read.notes) == (2, ())
    assert list(read.pairs) == [pair for fold in draw_pairs(images, folds=2, pairs_per_fold=4, seed=1) for pair in fold]
    assert isinstance(read.pairs[0], Pair)
    assert resolve(read, tmp_path / "faces").n_skipped == 0


def test_images_of_any_name_are_drawn_and_what_no_pairs_file_can_hold_is_left_out(tmp_path):
    faces = folder(tmp_path / "faces", {name: [1, 2] for name in ("ann", "bob", "cid", "dan", "eve ")})
    for name in ("ann/ann_3.png", "ann/bob_0003.png", "bob/0001.png", "bob/bob_0003.bmp", "cid/cid_00004.png"):
        (faces / name).touch()
    (faces / "dan-").mkdir()
    for name in ("cid/notes.txt", "bob/ 7.png", "dan-/1.png"):
        (faces / name).touch()
    drawn = write_pairs(tmp_path / "pairs.txt", faces, folds=2, seed=1)
    space = "a name that begins or ends with a space, which no pairs file holds"
    assert {entry.path.relative_to(faces).as_posix(): entry.reason for entry in drawn.left_out} == {
        "cid/notes.txt": f"not named as an image ({', '.join(SUFFIXES)})",
        "bob/ 7.png": space,
        "eve /eve _0001.jpg": space,
        "eve /eve _0002.jpg": space,
        "dan-/1.png": "of 'dan' by name, so that nobody can say if they are two people; rename one",
    }
    assert (drawn.people, drawn.images, drawn.files) == (4, 13, 5)
    read = read_pairs(tmp_path / "pairs.txt")
    found = resolve(read, faces)
    assert found.n_skipped == 0
    named = {image for pair in read.pairs for image in pair[:2]}
    assert named >= {"ann/ann_3.png", "bob/bob_0003.bmp", "dan/dan_0001"}
    for i, j, is_same in zip(found.index1, found.index2, found.is_same, strict=True):
        assert is_same == (found.paths[i].parent == found.paths[j].parent)


def test_an_image_in_two_formats_is_one(tmp_path):
    faces = folder(tmp_path / "faces", {name: [1, 2] for name in "abcd"})
    (faces / "a/a_0001.png").touch()
    assert write_pairs(tmp_path / "pairs.txt", faces, folds=2, pairs_per_fold=1, seed=1).images == 8


@pytest.mark.parametrize(
    ("images", "folds", "pairs", "line"),
    [
        (
            {name: [1, 2, 3] for name in "abcd"},
            2,
            7,
            "4 people, 4 with two images or more; each of 2 folds can have 6 pairs of one person and 9 of two; "
            "ask for 6 pairs or fewer, or for fewer folds",
        ),
        (
            {name: [1, 2] for name in "abcdef"},
            10,
            1,
            "6 people, 6 with two images or more; each of 10 folds needs two people of its own, one of them with two "
            "images; ask for 3 folds or fewer",
        ),
        (
            {name: [1] for name in "abcdef"},
            2,
            1,
            "6 people, 0 with two images or more; each of 2 folds needs two people of its own, one of them with two "
            "images; add people or images",
        ),
        ({}, 2, 1, "no image in a person's folder; give one folder of images per person"),
    ],
)
def test_too_few_images_are_an_error_that_says_how_many_pairs_they_make(images, folds, pairs, line, tmp_path):
    (tmp_path / "faces").mkdir()
    faces = folder(tmp_path / "faces", images)
    with pytest.raises(DataError, match=re.escape(f"{faces}: {line}") + "$"):
        write_pairs(tmp_path / "pairs.txt", faces, folds=folds, pairs_per_fold=pairs, seed=1)
    assert not (tmp_path / "pairs.txt").exists()


def test_a_file_that_is_there_is_kept_and_told_with_what_else_is_wrong(tmp_path):
    (tmp_path / "pairs.txt").write_text("mine")
    with pytest.raises(DataError) as raised:
        write_pairs(tmp_path / "pairs.txt", tmp_path / "none", folds=2, pairs_per_fold=1, seed=1)
    assert tuple(map(str, raised.value.problems)) == (
        f"{tmp_path}/pairs.txt: already there; give another name, or remove it",
        f"{tmp_path}/none: no such file or folder; give the folder that holds one folder of images per person",
    )
    assert (tmp_path / "pairs.txt").read_text() == "mine"


@pytest.mark.parametrize(("people", "each", "folds", "pairs"), [(6, 2, 3, 2), (9, 3, 4, 6), (60, 40, 10, 300)])
def test_few_people_have_fewer_folds_and_pairs_unless_others_were_asked_for(people, each, folds, pairs, tmp_path):
    faces = folder(tmp_path / "faces", {f"p{i}": list(range(1, each + 1)) for i in range(people)})
    drawn = write_pairs(tmp_path / "pairs.txt", faces, seed=1)
    # Two people a fold: of k images each they make k (k - 1) pairs of one person, and k k of two.
    assert (drawn.folds, drawn.pairs_per_fold) == (folds, pairs)
    read = read_pairs(tmp_path / "pairs.txt")
    assert (read.n_folds, len(read.pairs), read.notes) == (folds, 2 * folds * drawn.pairs_per_fold, ())
    with pytest.raises(DataError, match=f"each of {people} folds needs two people"):
        write_pairs(tmp_path / "more.txt", faces, folds=people, seed=1)


def test_a_refusal_says_who_was_left_out_before(tmp_path):
    faces = folder(tmp_path / "faces", {name: [1, 2] for name in ("ann", "bob", "eve ", "dan ")})
    with pytest.raises(DataError) as refused:
        write_pairs(tmp_path / "pairs.txt", faces, folds=2, seed=1)
    assert str(refused.value) == (
        f"{faces}: 2 people, 2 with two images or more; each of 2 folds needs two people of its own, one of them with "
        f"two images; add people or images; the first of 4 left out is {faces}/dan /dan _0001.jpg: a name that begins "
        "or ends with a space, which no pairs file holds"
    )
