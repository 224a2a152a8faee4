"""The cache of vectors returns what it stored, byte for byte, and nothing else."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, strategies as st

from finetune import files
from finetune.embedding.cache import Entry, VectorCache, entry_name
from finetune.embedding.placement import choose
from finetune.errors import Problem, RunError

SHAPE = (2, 3)


def key(i: int) -> bytes:
    return hashlib.sha256(str(i).encode()).digest()


def rows(*numbers: int) -> np.ndarray:
    return np.stack([np.random.default_rng(i).normal(size=SHAPE).astype(np.float32) for i in numbers])


@pytest.mark.parametrize("on_disk", [True, False])
@given(parts=st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=5), max_size=6), data=st.data())
def test_what_was_added_is_read_in_any_order(tmp_path_factory, on_disk, parts, data):
    folder = tmp_path_factory.mktemp("entry") if on_disk else None
    entry = Entry(folder, SHAPE)
    for part in parts:
        entry.add([key(i) for i in part], rows(*part))
    if folder:
        entry = Entry(folder, SHAPE)
    kept = sorted({i for part in parts for i in part})
    assert [i for i in range(31) if key(i) in entry] == kept
    if kept:
        order = data.draw(st.lists(st.sampled_from(kept), min_size=1))
        np.testing.assert_array_equal(entry.read([key(i) for i in order], never), rows(*order))


def test_two_runs_add_to_one_entry_at_once(tmp_path):
    first, second = Entry(tmp_path / "s", SHAPE), Entry(tmp_path / "s", SHAPE)
    first.add([key(1), key(2)], rows(1, 2))
    second.add([key(2), key(3)], rows(2, 3))
    np.testing.assert_array_equal(Entry(tmp_path / "s", SHAPE).read([key(3), key(1), key(2)], never), rows(3, 1, 2))


def never(keys):
    raise AssertionError(f"{len(keys)} rows are damaged")


def test_rows_without_keys_and_keys_without_rows_are_not_served(tmp_path):
    entry = Entry(tmp_path, SHAPE)
    for i in (1, 2, 3):
        entry.add([key(i)], rows(i))
    segments = {path.read_bytes()[:32]: path for path in tmp_path.glob("*.keys")}
    segments[key(1)].unlink()  # as a kill between the two files leaves it
    segments[key(2)].with_suffix(".rows").unlink()
    again = Entry(tmp_path, SHAPE)
    assert [key(i) in again for i in (1, 2, 3)] == [False, False, True]


DAMAGE = {
    "a bit of a row": lambda keys, rows: (keys, rows[:50] + bytes([rows[50] ^ 4]) + rows[51:]),
    "a row of zeros": lambda keys, rows: (keys, rows[:24] + bytes(24) + rows[48:]),
    "a row of NaN": lambda keys, rows: (keys, rows[:24] + np.full(6, np.nan, np.float32).tobytes() + rows[48:]),
    "rows exchanged": lambda keys, rows: (keys, rows[24:48] + rows[:24] + rows[48:]),
    "keys exchanged": lambda keys, rows: (keys[36:68] + keys[32:36] + keys[:32] + keys[68:], rows),
    "entries exchanged": lambda keys, rows: (keys[36:72] + keys[:36] + keys[72:], rows),
    "cut short": lambda keys, rows: (keys, rows[:47]),
    "another one's rows": lambda keys, rows: (keys, np.ones(18, np.float32).tobytes()),
    "checksums of zeros": lambda keys, rows: (keys[:32] + bytes(4) + keys[36:], bytes(72)),
}


@pytest.mark.parametrize(
    ("damage", "opened"), [(damage, "after") for damage in DAMAGE] + [("a row of zeros", "before")]
)
def test_damaged_rows_are_computed_again_and_their_files_removed(tmp_path, capsys, damage, opened):
    numbers = (1, 2, 3)
    Entry(tmp_path, SHAPE).add([key(i) for i in numbers], rows(*numbers))
    keys, values = next(tmp_path.glob("*.keys")), next(tmp_path.glob("*.rows"))
    entry = Entry(tmp_path, SHAPE)
    changed = DAMAGE[damage](keys.read_bytes(), values.read_bytes())
    values.write_bytes(changed[1])
    if opened == "after":
        keys.write_bytes(changed[0])
        entry = Entry(tmp_path, SHAPE)
    wanted = []

    def compute(damaged):
        wanted.extend(damaged)
        entry.add(damaged, np.concatenate([rows(number) for number in numbers if key(number) in damaged]))

    found = entry.read([key(i) for i in numbers], compute)
    np.testing.assert_array_equal(found, rows(*numbers))
    assert 1 <= len(wanted) <= 3
    assert not keys.exists()
    assert not values.exists()
    assert f"damaged features of {len(wanted)} images; computed again" in capsys.readouterr().err
    np.testing.assert_array_equal(
        Entry(tmp_path, SHAPE).read(wanted, never), found[[k in wanted for k in map(key, numbers)]]
    )


def test_a_disk_that_damages_what_is_written_is_told(tmp_path):
    entry = Entry(tmp_path, SHAPE)

    def compute(keys):
        entry.add(keys, rows(1))
        for path in tmp_path.glob("*.rows"):
            path.write_bytes(bytes(24))

    compute([key(1)])
    with pytest.raises(RunError, match="what is written there can't be read again; set FINETUNE_CACHE elsewhere"):
        entry.read([key(1)], compute)


def test_an_entry_of_another_shape_serves_nothing(tmp_path):
    Entry(tmp_path, SHAPE).add([key(1)], rows(1))
    with pytest.raises(AssertionError, match="1 rows are damaged"):
        Entry(tmp_path, (6,)).read([key(1)], never)


@given(content=st.binary(max_size=200))
def test_files_of_any_bytes_are_no_rows(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("entry")
    (folder / "x.keys").write_bytes(content)
    (folder / "x.rows").write_bytes(content)
    entry = Entry(folder, SHAPE)
    for start in range(0, len(content) - 35, 36):
        with pytest.raises(AssertionError, match="rows are damaged"):
            entry.read([content[start : start + 32]], never)


def test_a_full_disk_falls_back_to_memory_with_a_warning(tmp_path, monkeypatch, capsys):
    entry = Entry(tmp_path, SHAPE)
    entry.add([key(1)], rows(1))

    def full(path, fill):
        raise RunError(Problem(path, "can't be written (No space left on device)"))

    monkeypatch.setattr(files, "write", full)
    entry.add([key(2)], rows(2))
    monkeypatch.undo()
    entry.add([key(3)], rows(3))
    assert capsys.readouterr().err.count("No space left on device") == 1
    np.testing.assert_array_equal(entry.read([key(3), key(2), key(1)], never), rows(3, 2, 1))
    assert len(list(tmp_path.iterdir())) == 2


def test_the_least_recently_used_entry_makes_way(tmp_path, monkeypatch):
    monkeypatch.setenv("FINETUNE_CACHE", str(tmp_path))
    monkeypatch.setenv("FINETUNE_CACHE_GIB", str(720 / 2**30))
    for age, name in enumerate("abc"):
        VectorCache().entry(name, SHAPE, [key(1)]).add([key(1)], rows(1))
        os.utime(tmp_path / name, (age, age))
    taken = sum(p.stat().st_size for p in (tmp_path / "a").iterdir())
    assert taken == 24 + 36  # a row, its key and their checksum

    def left():
        return sorted(p.name for p in tmp_path.iterdir())

    assert key(1) in VectorCache().entry("a", SHAPE, [key(1)])  # holds all that it is to hold, and is the last used now
    VectorCache().entry("d", SHAPE, [key(i) for i in range(10)])  # 600 bytes
    assert left() == ["a", "c", "d"]
    assert key(1) in VectorCache().entry("a", SHAPE, [key(i) for i in range(12)])
    assert left() == ["a", "d"]


def test_an_entry_that_would_outgrow_the_limit_begins_anew(tmp_path, monkeypatch):
    monkeypatch.setenv("FINETUNE_CACHE", str(tmp_path))
    monkeypatch.setenv("FINETUNE_CACHE_GIB", str(1000 / 2**30))
    VectorCache().entry("a", SHAPE, [key(1)]).add([key(1)], rows(1))
    entry = VectorCache().entry("a", SHAPE, [key(i) for i in range(2, 18)])  # 960 bytes
    assert key(1) not in entry
    entry.add([key(2)], rows(2))
    np.testing.assert_array_equal(VectorCache().entry("a", SHAPE, [key(2)]).read([key(2)], never), rows(2))


@pytest.mark.parametrize(("text", "limit"), [(None, 20 * 2**30), ("0.5", 2**29), ("much", 20 * 2**30)])
def test_the_limit_comes_from_the_environment(monkeypatch, capsys, text, limit):
    monkeypatch.delenv("FINETUNE_CACHE_GIB", raising=False)
    if text:
        monkeypatch.setenv("FINETUNE_CACHE_GIB", text)
    assert VectorCache().limit == limit
    assert ("found 'much'; give a number" in capsys.readouterr().err) == (text == "much")


def test_the_name_of_an_entry_depends_on_every_weight_and_setting():
    names = [
        entry_name({"a": "1", "b": "2"}, cut="Logits", image_size=160),
        entry_name({"a": "2", "b": "1"}, cut="Logits", image_size=160),
        entry_name({"a": "1"}, cut="Logits", image_size=160),
        entry_name({"a": "1", "b": "2"}, cut="Block8", image_size=160),
        entry_name({"a": "1", "b": "2"}, cut="Logits", image_size=80),
    ]
    assert len(set(names)) == len(names)
    assert entry_name({"b": "2", "a": "1"}, image_size=160, cut="Logits") == names[0]


HEAD = {"vectors": 1000, "values": 512, "multiply_adds": 1_400_000_000}


@pytest.mark.parametrize(
    ("cache", "changes", "where"),
    [
        ("auto", {}, "disk"),
        ("auto", {"disk_room": 0}, "memory"),
        ("auto", {"disk_room": 0, "memory_room": 0}, "off"),
        ("auto", {"augmented": True}, "off"),
        ("auto", {"multiply_adds": 0}, "off"),
        ("auto", {"values": 200_000, "multiply_adds": 5_000_000}, "off"),
        ("disk", {"values": 200_000, "multiply_adds": 5_000_000}, "disk"),
        ("memory", {}, "memory"),
        ("memory", {"memory_room": 0}, "off"),
        ("disk", {"disk_room": 0}, "off"),
        ("off", {}, "off"),
    ],
)
def test_where_features_are_kept(cache, changes, where):
    room = {"augmented": False, "disk_room": 10**9, "memory_room": 10**9}
    chosen = choose(cache, **(HEAD | room | changes))
    assert chosen.where == where
    assert bool(chosen.reason) == (where == "off")
    assert chosen.needed == 4 * (HEAD | changes)["values"] * 1000


def test_a_writer_that_is_killed_leaves_whole_segments(tmp_path):
    code = (
        "import sys, numpy as np, hashlib\n"
        "from pathlib import Path\n"
        "from finetune.embedding.cache import Entry\n"
        "s = Entry(Path(sys.argv[1]), (1000,))\n"
        "i = 0\n"
        "while True:\n"
        "    k = hashlib.sha256(str(i).encode()).digest()\n"
        "    s.add([k], np.full((1, 1000), i, np.float32)); i += 1; print(i, flush=True)\n"
    )
    writer = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    done = 0
    while done < 20:
        done = int(writer.stdout.readline())
    writer.kill()
    writer.wait()
    entry = Entry(tmp_path, (1000,))
    for i in range(done):
        np.testing.assert_array_equal(entry.read([key(i)], never), np.full((1, 1000), i, np.float32))


def test_an_entry_may_take_half_of_what_the_disk_has_free_within_the_limit(tmp_path, monkeypatch):
    monkeypatch.setenv("FINETUNE_CACHE", str(tmp_path / "not made yet"))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(5000, 4000, 1001))
    assert VectorCache().room() == 500
    monkeypatch.setenv("FINETUNE_CACHE_GIB", str(300 / 2**30))
    assert VectorCache().room() == 300
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert VectorCache().room() == 0


def test_a_new_cache_is_its_owners_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("FINETUNE_CACHE", str(tmp_path / "cache/features"))
    VectorCache().entry("s", (2,), [])
    for folder in (tmp_path / "cache/features", tmp_path / "cache/features/s"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
