"""Links are those that are wanted: only what differs is touched, and after an error those of before are there."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from finetune.clustering.photo_links import name_links, write_links
from finetune.errors import DataError, RunError

PEOPLE = {
    f"{person:04d}": {f"{photo}.jpg": f"/photos/{person}/{photo}.jpg" for photo in range(6)} for person in range(9)
}


def there(place: Path) -> dict[str, dict[str, str]]:
    return {folder.name: {link.name: os.readlink(link) for link in folder.iterdir()} for folder in place.iterdir()}


def inodes(place: Path) -> dict[Path, int]:
    return {link: os.lstat(link).st_ino for link in place.glob("*/*")}


def changed() -> dict[str, dict[str, str]]:
    """Return the links with a new one, a folder more, a link less, and a person of one photo."""
    links = {folder: dict(own) for folder, own in PEOPLE.items()}
    links["0003"]["new.jpg"] = "/photos/new.jpg"
    links["Ann"] = {"0.jpg": "/photos/ann.jpg"}
    del links["0004"]["2.jpg"]
    return links


def test_only_what_differs_is_touched(tmp_path):
    place = tmp_path / "people"
    write_links(place, PEOPLE)
    before = inodes(place)
    for rest in (".people.old", ".people.partial"):  # a killed process left them
        (tmp_path / rest / "0001").mkdir(parents=True)
    write_links(place, changed())
    assert there(place) == changed()
    after = inodes(place)
    assert all(after[link] == inode for link, inode in before.items() if link in after)
    write_links(place, PEOPLE)
    assert there(place) == PEOPLE
    assert os.listdir(tmp_path) == ["people"]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from("ab"), st.dictionaries(st.sampled_from("xyz"), st.sampled_from("12"), min_size=1)
        ),
        max_size=4,
    )
)
def test_any_links_follow_any_others(tmp_path_factory, states):
    place = tmp_path_factory.mktemp("links") / "people"
    for links in states:
        write_links(place, links)
        assert there(place) == links


@pytest.mark.parametrize("foreign", ["0003/notes.txt", "notes.txt", "0003/more/1.jpg"])
def test_a_file_of_the_user_stays_and_stops_the_writing(tmp_path, foreign):
    place = tmp_path / "people"
    write_links(place, PEOPLE)
    (place / foreign).parent.mkdir(exist_ok=True)
    (place / foreign).write_text("mine")
    with pytest.raises(DataError, match="not made by finetune cluster; move it elsewhere"):
        write_links(place, changed())
    assert (place / foreign).read_text() == "mine"
    assert inodes(place).keys() >= {place / folder / name for folder, links in PEOPLE.items() for name in links}


def test_what_file_managers_leave_goes_with_the_links(tmp_path):
    place = tmp_path / "people"
    write_links(place, PEOPLE)
    gone = min(PEOPLE)
    (place / ".DS_Store").touch()
    (place / gone / "Thumbs.db").touch()
    rest = {folder: links for folder, links in PEOPLE.items() if folder != gone}
    write_links(place, rest)
    assert set(os.listdir(place)) - {".DS_Store"} == rest.keys()


@pytest.mark.parametrize("fails", range(3))
def test_after_an_error_the_links_of_before_are_there(tmp_path, monkeypatch, fails):
    place, calls = tmp_path / "people", []
    write_links(place, PEOPLE)
    symlink, mkdir = Path.symlink_to, Path.mkdir

    def full(make):
        def call(*arguments):
            calls.append(arguments)
            if len(calls) > fails:
                raise OSError(errno.ENOSPC, "No space left on device")
            return make(*arguments)

        return call

    monkeypatch.setattr(Path, "symlink_to", full(symlink))
    monkeypatch.setattr(Path, "mkdir", full(mkdir))
    with pytest.raises(RunError, match=r"can't be written \(No space left on device\); make room, and run it again"):
        write_links(place, changed())
    assert there(place) == PEOPLE


def test_names_of_one_folder_never_meet():
    links = name_links(
        [("Ann", "a/b.jpg"), ("Ann", "a_b.jpg"), ("Ann", "a_b.jpg"), ("Bob", f"{'x' * 300}.jpg")], Path("/p")
    )
    assert links["Ann"] == {"a_b.jpg": "/p/a/b.jpg", "a_b_2.jpg": "/p/a_b.jpg", "a_b_3.jpg": "/p/a_b.jpg"}
    assert list(links["Bob"]) == [f"{'x' * 200}.jpg"]
