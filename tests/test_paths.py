"""The files that count in a folder, to any depth."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from finetune.errors import DataError
from finetune.paths import find_images


def file(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"anything")
    return path


def test_a_folder_is_searched_to_its_depth_and_links_to_folders_above_end_there(tmp_path):
    for name in ("b.png", "a/c.png", "a/b/d.png", "a/.hidden.png", "a/Thumbs.db"):
        file(tmp_path / name)
    (tmp_path / "a/b/up").symlink_to(tmp_path)
    (tmp_path / "a/loop").symlink_to("loop")
    (tmp_path / "a/lost").symlink_to("nowhere")
    assert find_images(tmp_path) == [tmp_path / name for name in ("a/b/d.png", "a/c.png", "a/loop", "a/lost", "b.png")]


def test_a_link_to_a_person_takes_nothing_from_the_person(tmp_path):
    for name in ("ann/1.png", "bob/2.png"):
        file(tmp_path / name)
    (tmp_path / "0link").symlink_to("ann")
    (tmp_path / "zlink").symlink_to("bob")
    assert find_images(tmp_path) == [
        tmp_path / name for name in ("0link/1.png", "ann/1.png", "bob/2.png", "zlink/2.png")
    ]


def test_folders_that_link_to_each_other_end(tmp_path):
    for name, other in (("a", "b"), ("b", "a")):
        file(tmp_path / name / "1.png")
        (tmp_path / name / "other").symlink_to(tmp_path / other)
    assert find_images(tmp_path) == [
        tmp_path / name for name in ("a/1.png", "a/other/1.png", "b/1.png", "b/other/1.png")
    ]


NAMES = st.sampled_from(["a", "b", "a.b", "a-b", "a+", "Z", "ä", "\udcff"])


@given(st.lists(st.lists(NAMES, min_size=1, max_size=3), max_size=9))
def test_files_are_sorted_as_paths_are(names):
    with tempfile.TemporaryDirectory() as place:
        for parts in names:
            with contextlib.suppress(OSError):  # a name is a file's or a folder's
                file(Path(place, *parts))
        expected = sorted(path for path in Path(place).rglob("*") if path.is_file())
        if not expected:
            return
        assert list(find_images(place)) == expected
        with contextlib.chdir(place):
            here = find_images(".")
            assert here == [path.relative_to(place) for path in expected]
            assert all(path in here for path in here)


def test_one_file_is_found_as_itself(tmp_path):
    path = file(tmp_path / "face.png")
    assert find_images(str(path)) == [path]


def test_a_search_that_finds_nothing_says_so(tmp_path):
    with pytest.raises(DataError, match="no files in it; give an image or a folder of images"):
        find_images(tmp_path)
    with pytest.raises(DataError, match="gone: no such file or folder; give an image or a folder of images"):
        find_images(tmp_path / "gone")
