"""Quarantined files come back exactly, even after changes in between, and nothing is overwritten."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from finetune.doctor.quarantine import LIST, Quarantine
from finetune.errors import DataError, RunError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Make files, a link, an empty folder, a name without an encoding, and times of long ago."""
    root = tmp_path / "people"
    for person in ("ann", "bob"):
        (root / person).mkdir(parents=True)
        for number in range(6):
            path = root / person / f"{number}.png"
            path.write_bytes(f"{person} {number}".encode())
            os.utime(path, ns=(10**18, 10**18 + number))
    (root / "ann" / "link.png").symlink_to("../bob/1.png")
    (root / "nobody").mkdir()
    (root / "ann" / os.fsdecode(b"caf\xe9.png")).write_bytes(b"latin")
    for folder in ("ann", "bob", "nobody"):
        os.utime(root / folder, ns=(10**18, 10**18 + 5))
    return root


def suspects(root: Path) -> list[Path]:
    return sorted(path for path in root.glob("*/*") if path.name not in ("4.png", "5.png"))


def test_all_comes_back_as_it_was(tree: Path, snapshot):
    before = snapshot(tree)
    quarantine = Quarantine.of(tree)
    assert quarantine.place == tree.parent / "people.quarantine"
    assert quarantine.move(suspects(tree)) == 10
    assert [path.name for path in sorted(tree.glob("*/*"))] == ["4.png", "5.png"] * 2
    assert (quarantine.place / "ann" / "link.png").is_symlink()
    assert quarantine.undo() == (10, [], [])
    assert snapshot(tree) == before
    assert not quarantine.place.exists()


def test_a_second_time_adds_to_the_list(tree: Path, snapshot):
    before = snapshot(tree)
    quarantine = Quarantine.of(tree)
    quarantine.move(suspects(tree)[:3])
    quarantine.move(suspects(tree))
    assert quarantine.undo()[0] == 10
    assert snapshot(tree) == before


def test_a_file_of_the_same_name_is_not_overwritten(tree: Path):
    quarantine = Quarantine.of(tree)
    quarantine.move([tree / "ann" / "1.png"])
    (tree / "ann" / "1.png").write_bytes(b"another")
    quarantine.move([tree / "ann" / "1.png"])
    kept = {path.name: path.read_bytes() for path in (quarantine.place / "ann").iterdir()}
    assert kept == {"1.png": b"ann 1", "1~1.png": b"another"}
    assert quarantine.undo() == (2, [], [tree / "ann" / "1~1.png"])
    assert (tree / "ann" / "1.png").read_bytes() == b"ann 1"
    assert (tree / "ann" / "1~1.png").read_bytes() == b"another"
    assert not quarantine.place.exists()


def test_an_undo_of_two_of_one_name_that_failed_can_go_on(tree: Path, monkeypatch):
    quarantine = Quarantine.of(tree)
    for content in (b"first", b"second", b"third"):
        (tree / "ann" / "1.png").write_bytes(content)
        quarantine.move([tree / "ann" / "1.png"])
    rename = os.rename

    def broken(source, target):
        if "~1" in os.fspath(source):
            raise PermissionError(13, "Permission denied")
        rename(source, target)

    monkeypatch.setattr(os, "rename", broken)
    with pytest.raises(RunError, match="Permission denied"):
        quarantine.undo()
    monkeypatch.setattr(os, "rename", rename)
    assert quarantine.undo() == (2, [], [tree / "ann" / "1~1.png", tree / "ann" / "1~2.png"])
    contents = [(tree / "ann" / name).read_bytes() for name in ("1.png", "1~1.png", "1~2.png")]
    assert contents == [b"first", b"second", b"third"]


def test_a_name_that_another_file_has_taken_is_in_the_way(tree: Path, snapshot):
    quarantine = Quarantine.of(tree)
    for content in (b"first", b"second"):
        (tree / "ann" / "1.png").write_bytes(content)
        quarantine.move([tree / "ann" / "1.png"])
    (tree / "ann" / "1~1.png").write_bytes(b"mine")
    before = snapshot(tree.parent)
    with pytest.raises(DataError, match=r"ann/1~1.png: another file stands where one is to come back to"):
        quarantine.undo()
    assert snapshot(tree.parent) == before


def test_every_file_in_the_way_is_named_and_nothing_is_moved(tree: Path, snapshot):
    quarantine = Quarantine.of(tree)
    quarantine.move(suspects(tree))
    for name in ("ann/1.png", "bob/2.png"):
        (tree / name).write_bytes(b"mine")
    before = snapshot(tree.parent)
    with pytest.raises(DataError) as refused:
        quarantine.undo()
    assert [line.split(": ")[0] for line in map(str, refused.value.problems)] == [
        f"{tree}/ann/1.png",
        f"{tree}/bob/2.png",
    ]
    assert snapshot(tree.parent) == before


def test_what_was_removed_from_the_quarantine_is_named_and_the_rest_comes_back(tree: Path):
    quarantine = Quarantine.of(tree)
    quarantine.move(suspects(tree))
    (quarantine.place / "bob" / "1.png").unlink()
    assert quarantine.undo() == (9, [tree / "bob" / "1.png"], [])


def test_a_folder_that_was_removed_meanwhile_is_made_again(tree: Path):
    quarantine = Quarantine.of(tree)
    quarantine.move(suspects(tree))
    shutil.rmtree(tree / "bob")
    assert quarantine.undo() == (10, [], [])
    assert (tree / "bob" / "1.png").read_bytes() == b"bob 1"


@pytest.mark.parametrize("failing", range(1, 11))
def test_a_move_that_fails_leaves_what_can_be_undone(tree: Path, snapshot, monkeypatch, failing: int):
    before = snapshot(tree)
    quarantine = Quarantine.of(tree)
    rename, calls = os.rename, []

    def broken(source, target):
        calls.append(source)
        if len(calls) == failing:
            raise PermissionError(13, "Permission denied")
        rename(source, target)

    monkeypatch.setattr(os, "rename", broken)
    with pytest.raises(RunError, match=r"can't be moved to .* \(Permission denied\)"):
        quarantine.move(suspects(tree))
    assert quarantine.undo() == (failing - 1, [], [])
    assert snapshot(tree) == before


@pytest.mark.slow
def test_a_kill_at_any_moment_can_be_undone(tmp_path: Path, snapshot):
    root = tmp_path / "people"
    for person in range(20):
        (root / f"person_{person}").mkdir(parents=True)
        for number in range(50):
            (root / f"person_{person}" / f"{number}.png").write_bytes(bytes([person, number]))
    before, place = snapshot(root), tmp_path / "people.quarantine"
    code = (
        "import sys\nfrom pathlib import Path\nfrom finetune.doctor.quarantine import Quarantine\n"
        "root = Path(sys.argv[1]); files = sorted(root.glob('*/*'))\nprint('ready', flush=True)\n"
        "Quarantine.of(root).move(files)"
    )
    draw = random.Random(1)
    moved = []
    for _ in range(8):
        mover = subprocess.Popen([sys.executable, "-c", code, str(root)], stdout=subprocess.PIPE, cwd=ROOT)
        assert mover.stdout is not None
        mover.stdout.readline()
        wanted = draw.choice([0, draw.randrange(1, 900)])
        while mover.poll() is None and sum(1 for _ in place.glob("*/*.png")) < wanted:
            pass
        time.sleep(draw.uniform(0, 0.005))
        mover.send_signal(signal.SIGKILL)
        mover.communicate()
        moved.append(1000 - sum(1 for _ in root.glob("*/*")))
        if (place / LIST).exists():
            assert Quarantine.of(root).undo() == (moved[-1], [], [])
        assert snapshot(root) == before
    assert any(0 < number < 1000 for number in moved), moved


def test_a_killed_move_is_finished_by_the_next(tree: Path, snapshot, monkeypatch):
    before = snapshot(tree)
    quarantine = Quarantine.of(tree)
    rename = os.rename
    monkeypatch.setattr(os, "rename", lambda source, target: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        quarantine.move(suspects(tree))
    monkeypatch.setattr(os, "rename", rename)
    assert quarantine.move(suspects(tree)) == 10
    assert quarantine.undo() == (10, [], [])
    assert snapshot(tree) == before


def test_two_names_of_one_folder_are_moved_from_once(tree: Path, snapshot):
    (tree / "carl").symlink_to("bob")
    before = snapshot(tree)
    quarantine = Quarantine.of(tree)
    assert quarantine.move([tree / "bob" / "1.png", tree / "carl" / "1.png"]) == 1
    assert quarantine.undo() == (1, [], [])
    assert snapshot(tree) == before


def test_what_can_not_be_done_is_refused_before_anything_is_moved(tree: Path, snapshot, monkeypatch):
    quarantine = Quarantine.of(tree)
    before = snapshot(tree.parent)

    def refused(message: str) -> None:
        with pytest.raises(DataError, match=message):
            quarantine.move(suspects(tree))
        assert snapshot(tree) == {path: found for path, found in before.items() if path.startswith(str(tree))}

    allowed = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tree.parent and allowed(path, mode))
    refused("may not be written to, and the suspects are to go there; allow it")
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).parent != tree and allowed(path, mode))
    refused(r"(?s)people/ann: may not be written to.*people/bob: may not be written to")
    monkeypatch.setattr(os, "access", allowed)
    quarantine.place.write_text("mine")
    refused("a file, where the suspects are to go; move it away")
    quarantine.place.unlink()
    quarantine.place.mkdir()
    (quarantine.place / LIST).write_text(json.dumps({"moves": "none"}))
    refused("undo.json: damaged, or can't be read")
    shutil.rmtree(quarantine.place)
    with pytest.raises(DataError, match=re.escape("nothing was moved there, or all is back")):
        quarantine.undo()


@pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="needs a second file system")
def test_another_file_system_is_refused(tree: Path):
    other = Path("/dev/shm") / f"finetune-doctor-{os.getpid()}"
    other.mkdir()
    try:
        (other / "1.png").write_bytes(b"x")
        (tree / "carl").symlink_to(other)
        with pytest.raises(DataError, match=r"carl: on another file system than .*; move its suspects"):
            Quarantine.of(tree).move([tree / "carl" / "1.png"])
        assert (other / "1.png").exists()
    finally:
        shutil.rmtree(other)


OUTSIDE = [
    ([["../plant.txt", "ann/0.png"]], {}),
    ([["ann/../../plant.txt", "ann/0.png"]], {}),
    ([["{above}/plant.txt", "ann/0.png"]], {}),
    ([["ann/0.png", "../secret.txt"]], {}),
    ([["ann/0.png", "{above}/secret.txt"]], {}),
    ([["ann", "ann/0.png"]], {}),
    ([["./0.png", "ann/0.png"]], {}),
    ([["ann/new/0.png", "ann/0.png"]], {}),
    ([["out/plant.txt", "ann/0.png"]], {}),
    ([["ann/0.png", "out/secret.txt"]], {}),
    ([], {"..": 1}),
    ([], {"{above}": 1}),
    ([], {"out": 1}),
]


@pytest.mark.parametrize(("moves", "times"), OUTSIDE)
def test_a_list_that_leads_out_of_the_two_folders_is_refused(tree: Path, snapshot, moves, times):
    """Refuse a list that somebody else wrote, over folders in which `out` is a link to elsewhere."""
    quarantine = Quarantine.of(tree)
    quarantine.move(suspects(tree))
    elsewhere = tree.parent / "elsewhere"
    elsewhere.mkdir()
    for path in (elsewhere / "secret.txt", tree.parent / "secret.txt"):
        path.write_text("not yours")
    (tree / "out").symlink_to(elsewhere)
    (quarantine.place / "out").symlink_to(elsewhere)
    text = json.dumps({"moves": moves, "times": times}).replace("{above}", str(tree.parent))
    (quarantine.place / "undo.json").write_text(text)
    before = snapshot(tree.parent)
    with pytest.raises(DataError, match=r"undo\.json: names .*, which is not in .*; move the files back by hand"):
        quarantine.undo()
    assert snapshot(tree.parent) == before


def test_suspects_behind_a_link_that_leads_out_are_not_moved(tree: Path, snapshot):
    (tree.parent / "elsewhere").mkdir()
    (tree.parent / "elsewhere/0.png").write_bytes(b"x")
    (tree / "out").symlink_to("../elsewhere")
    before = snapshot(tree.parent)
    with pytest.raises(DataError, match=r"people/out: a link that leads out of .*; move its suspects by hand"):
        Quarantine.of(tree).move([tree / "ann/0.png", tree / "out/0.png"])
    assert snapshot(tree.parent) == before
