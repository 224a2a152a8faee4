"""Scikit-learn's fetcher gets the files that it would download, or a connection that leads nowhere."""

from __future__ import annotations

import io
import re
import tarfile
from pathlib import Path

import pytest
from PIL import Image

from finetune.downloads import ARCHIVE, FILES, fetch_lfw
from finetune.errors import DataError, RunError
from finetune.verification import read_pairs, resolve

PEOPLE = ("Ann_Lee", "Bob_Ray")
PAIRS = "1\t1\nAnn_Lee\t1\t2\nAnn_Lee\t1\tBob_Ray\t2\n"


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send every download to a port where nobody listens."""
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def by_hand(tmp_path: Path) -> Path:
    """Make a folder with the four files: two people of two photos, and a pairs file among the people as LFW has."""
    folder = tmp_path / "lfw"
    folder.mkdir()
    photo = io.BytesIO()
    Image.new("RGB", (250, 250)).save(photo, "JPEG")
    members = {f"lfw_funneled/{name}/{name}_000{i}.jpg": photo.getvalue() for name in PEOPLE for i in (1, 2)}
    members["lfw_funneled/pairs_01.txt"] = PAIRS.encode()
    with tarfile.open(folder / ARCHIVE, "w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    for name in FILES:
        if name != ARCHIVE:
            (folder / name).write_text(PAIRS)
    return folder


def below(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def test_files_that_lie_there_are_unpacked_without_the_network_and_kept(by_hand, offline):
    before = {name: (by_hand / name).read_bytes() for name in FILES}
    fetched = fetch_lfw(by_hand)
    assert (fetched.n_people, fetched.n_images, fetched.n_pairs) == (2, 4, 2)
    photos = {f"images/{name}/{name}_000{i}.jpg" for name in PEOPLE for i in (1, 2)}
    assert below(by_hand) == {*FILES, *photos}
    assert {name: (by_hand / name).read_bytes() for name in FILES} == before
    assert [path.name for path in by_hand.parent.iterdir()] == ["lfw"]
    assert resolve(read_pairs(fetched.pairs), fetched.images).n_skipped == 0


def test_what_was_fetched_needs_neither_archive_nor_network_again(by_hand, offline):
    first = fetch_lfw(by_hand)
    for name in FILES:
        if name != "pairs.txt":
            (by_hand / name).unlink()
    assert fetch_lfw(by_hand) == first


def test_without_a_network_one_line_says_what_to_get_and_where_to_put_it(tmp_path, offline):
    with pytest.raises(RunError) as raised:
        fetch_lfw(tmp_path / "lfw")
    line = str(raised.value)
    assert "\n" not in line
    assert re.match(rf"{re.escape(str(tmp_path))}/lfw: LFW can't be fetched \(.*refused.*\); by hand: put ", line)
    assert line.endswith(f" into {tmp_path}/lfw and run this again")
    assert all(f"{name} ({url})" in line for name, url in FILES.items())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_an_archive_that_was_cut_short_leaves_nothing_that_is_taken_for_whole(kept, by_hand, offline):
    whole = (by_hand / ARCHIVE).read_bytes()
    (by_hand / ARCHIVE).write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(RunError, match="LFW can't be fetched"):
        fetch_lfw(by_hand)
    assert below(by_hand) == set(FILES)
    assert [path.name for path in by_hand.parent.iterdir()] == ["lfw"]
    (by_hand / ARCHIVE).write_bytes(whole)
    assert fetch_lfw(by_hand).n_images == 4


def test_images_that_are_not_all_there_are_told(by_hand, offline):
    fetch_lfw(by_hand)
    (by_hand / "images/Ann_Lee/Ann_Lee_0002.jpg").unlink()
    with pytest.raises(DataError, match=r"images: missing 1 of the 3 images in the pairs: .*; or move .* fetch again"):
        fetch_lfw(by_hand)


def test_a_file_in_the_way_is_told_and_kept(tmp_path):
    (tmp_path / "lfw").write_text("mine")
    with pytest.raises(DataError, match=r"lfw/images: .*lfw is not a folder, and none can be made in it"):
        fetch_lfw(tmp_path / "lfw")
    assert (tmp_path / "lfw").read_text() == "mine"
