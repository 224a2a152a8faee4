"""A list of paths is what it was made from, in a tenth of the memory."""

from __future__ import annotations

import copy
import os
import pickle
import tracemalloc
from pathlib import Path

import numpy as np
from hypothesis import given, strategies as st

from finetune.path_list import PathList

NAMES = st.text(st.characters(blacklist_characters="/\0"), min_size=1, max_size=6).filter(lambda name: name != ".")
PATHS = st.lists(
    st.builds(
        lambda root, parts: Path(root, *parts), st.sampled_from(["", "/", "//", ".."]), st.lists(NAMES, max_size=3)
    )
)


@given(PATHS, st.data())
def test_a_list_behaves_as_a_tuple_of_the_same_paths(paths, data):
    found, expected = PathList(paths), tuple(paths)
    assert (list(found), len(found), found) == (paths, len(paths), expected)
    assert expected == found == PathList(iter(paths))
    assert hash(found) == hash(PathList(paths))
    assert list(found.texts()) == list(map(str, paths)) or Path() in paths
    part = data.draw(st.slices(len(paths)))
    assert (found[part], PathList(found[part])) == (expected[part], expected[part])
    places = data.draw(st.lists(st.integers(0, len(paths) - 1), max_size=5)) if paths else []
    taken = found.take(np.array(places, np.int64))
    assert list(taken) == [paths[place] for place in places]
    assert list(taken[1:]) == [paths[place] for place in places[1:]]
    assert found.take(np.arange(len(paths)) % 2 == 0) == expected[::2]
    for place in range(-len(paths), len(paths)):
        assert found[place] == found[np.int64(place)] == paths[place]


@given(PATHS, NAMES)
def test_a_path_is_found_where_it_stands(paths, name):
    distinct = PathList(paths).distinct()
    assert list(distinct) == list(dict.fromkeys(paths))
    assert [distinct.place(path) for path in distinct] == list(range(len(distinct)))
    assert all(path in distinct for path in paths)
    other = Path("elsewhere", name)
    assert (other in distinct, distinct.place(other) >= 0) == (other in paths, other in paths)
    assert "text" not in distinct


@given(PATHS, PATHS, st.data())
def test_places_are_those_of_each_path_by_itself(paths, others, data):
    there = PathList(paths).distinct()
    part = there.take(np.array(data.draw(st.lists(st.booleans(), min_size=len(there), max_size=len(there))), bool))
    for asked in (part, part[::-1], PathList(others), PathList(list(part))):
        assert part.places(asked).tolist() == [part.place(path) for path in asked]
        assert there.places(asked).tolist() == [there.place(path) for path in asked]


def test_a_place_that_is_taken_twice_is_a_repetition():
    listed = PathList.listed([("a", "b"), ("a", "c")])
    assert listed == [Path("a/b"), Path("a/c")]
    assert listed.take(np.array([1, 0, 1])).distinct() == [Path("a/c"), Path("a/b")]
    assert listed.distinct() is listed


def test_lists_of_other_paths_are_not_equal():
    found = PathList([Path("a/b"), Path("a/c")])
    assert found != PathList([Path("a/b"), Path("a/d")])
    assert found != found[:1]
    assert found != (Path("a/c"), Path("a/b"))
    assert found != "ab"
    assert found[::-1] == [Path("a/c"), Path("a/b")]


def test_names_that_are_not_text_are_kept():
    path = Path(os.fsdecode(b"folder/\xff\xfe.png"))
    assert PathList([path])[0] == path
    assert next(PathList([path]).texts()) == str(path)


def test_equal_hashes_are_told_apart(monkeypatch):
    monkeypatch.setattr("finetune.path_list.hash", lambda _: 7, raising=False)
    found = PathList([Path("a/b"), Path("a/c"), Path("d/b"), Path("a/b")]).distinct()
    assert list(found) == [Path("a/b"), Path("a/c"), Path("d/b")]
    assert [found.place(path) for path in (*found, Path("d/c"))] == [0, 1, 2, -1]


def test_a_list_can_be_sent_to_another_process():
    found = PathList([Path("a/b"), Path("c/d"), Path("a/e")])[1:]
    assert pickle.loads(pickle.dumps(found)) == copy.copy(found) == [Path("c/d"), Path("a/e")]
    assert repr(found) == "<PathList of 2>"


def test_a_path_takes_few_bytes():
    paths = [Path(f"/folder/person {number // 50}/{number:06d}.png") for number in range(10_000)]
    assert max(map(len, map(str, paths))) < 30  # their texts are made before they are counted
    tracemalloc.start()
    try:
        found = PathList(paths)
        assert found.place(paths[77]) == 77
        assert tracemalloc.get_traced_memory()[0] < 60 * len(found)
    finally:
        tracemalloc.stop()
