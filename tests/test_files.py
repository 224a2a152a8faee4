"""Files are written whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from finetune import files
from finetune.errors import DataError, Problem, RunError

ROOT = Path(__file__).resolve().parent.parent


def test_a_failure_in_the_middle_leaves_what_stood_there(tmp_path):
    path = tmp_path / "a.txt"
    files.write_text(path, "before")

    def fill(file):
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(RunError, match=r"a\.txt: can't be written \(No space left on device\)"):
        files.write(path, fill)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [SystemError("a library's own"), KeyboardInterrupt(), ValueError("not an image")])
def test_what_is_no_error_of_the_disk_goes_on_and_leaves_nothing_either(error, tmp_path):
    path = tmp_path / "a.txt"
    files.write_text(path, "before")

    def fill(file):
        file.write(b"half")
        raise error

    with pytest.raises(type(error)) as raised:
        files.write(path, fill)
    assert raised.value is error
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_and_what_it_leads_to_is_written(there, tmp_path):
    (tmp_path / "far").mkdir()
    real, link, second = tmp_path / "far/a.txt", tmp_path / "link.txt", tmp_path / "second.txt"
    if there:
        real.write_text("before")
    link.symlink_to("far/a.txt")
    second.symlink_to(link)
    files.write_text(second, "after")
    assert second.is_symlink()
    assert link.is_symlink()
    assert real.read_text() == "after"
    assert names(tmp_path) == ["far", "link.txt", "second.txt"]
    assert names(tmp_path / "far") == ["a.txt"]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
@pytest.mark.parametrize("private", [True, False])
def test_a_file_keeps_its_mode(mode, private, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("before")
    path.chmod(mode)
    seen = []
    files.write(path, lambda file: seen.append(stat.S_IMODE(os.fstat(file.fileno()).st_mode)), private=private)
    assert seen == [mode]  # never another, while it is written
    assert stat.S_IMODE(path.stat().st_mode) == mode


@pytest.mark.parametrize(("private", "mode"), [(True, 0o600), (False, 0o640)])
def test_a_new_file_is_as_the_umask_says_or_its_owners_alone(private, mode, tmp_path):
    before = os.umask(0o027)
    try:
        (tmp_path / ".a.txt.partial").write_text("of a process that was killed")
        files.write(tmp_path / "a.txt", lambda file: file.write(b"new"), private=private)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == mode
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, who may give files away")
def test_a_file_keeps_its_owner(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("before")
    os.chown(path, 1234, 4321)
    files.write_text(path, "after")
    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 4321)


def test_what_is_no_regular_file_is_not_replaced(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    (tmp_path / "link").symlink_to(path)
    for given in (path, tmp_path / "link"):
        with pytest.raises(DataError, match=rf"^{given}: not a regular file, so it can't be replaced"):
            files.write_text(given, "new")
    assert stat.S_ISFIFO(path.stat().st_mode)
    assert names(tmp_path) == ["link", "pipe"]


def test_folders_are_made_and_json_reads_back(tmp_path):
    import json

    path = tmp_path / "new/deep/a.json"
    files.write_json(path, {"ä": [1, 2.5, None]})
    assert json.loads(path.read_text(encoding="utf-8")) == {"ä": [1, 2.5, None]}


def test_a_folder_in_the_way_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="can't be written"):
        files.write_text(tmp_path / "file/a.txt", "")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("standing", ["nothing", "an empty folder", "a link to an empty folder"])
def test_a_folder_is_made_whole_where_there_is_none_or_an_empty_one(standing, tmp_path):
    if standing == "an empty folder":
        (tmp_path / "out").mkdir()
    elif standing != "nothing":
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "out").symlink_to(tmp_path / "elsewhere")
    before = {*names(tmp_path), "out"}
    files.write_folder(tmp_path / "out", lambda folder: (folder / "a").touch())
    assert names(tmp_path / "out") == ["a"]
    assert set(names(tmp_path)) == before


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_folder_that_is_not_finished_leaves_nothing(error, tmp_path):
    def fill(folder):
        (folder / "a").touch()
        raise error

    with pytest.raises((RunError, KeyboardInterrupt)):
        files.write_folder(tmp_path / "deep/out", fill)
    assert names(tmp_path / "deep") == []


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("used", "used: already there and not an empty folder; give another, or remove it"),
        ("file", "file: already there and not an empty folder; give another, or remove it"),
        ("dangling", "dangling: already there and not an empty folder; give another, or remove it"),
        ("file/deep/out", r"file/deep/out: .*file is not a folder, and none can be made in it; give another place"),
    ],
)
def test_a_place_in_use_is_refused(place, line, tmp_path):
    (tmp_path / "used").mkdir()
    (tmp_path / "used/mine").touch()
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to(tmp_path / "gone")
    with pytest.raises(DataError, match=line):
        files.write_folder(tmp_path / place, lambda folder: (folder / "a").touch())
    assert names(tmp_path) == ["dangling", "file", "used"]
    assert names(tmp_path / "used") == ["mine"]


@pytest.mark.parametrize("sync", [True, False])
def test_the_disk_has_the_bytes_before_the_file_gets_its_name(sync, tmp_path, monkeypatch):
    path, done, fsync, replace = tmp_path / "a.txt", [], os.fsync, os.replace

    def synced(descriptor):
        done.append(f"synced {os.fstat(descriptor).st_size} bytes")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", lambda *paths: done.append("renamed") or replace(*paths))
    files.write(path, lambda file: file.write(b"text"), sync=sync)
    assert done == ["synced 4 bytes", "renamed"][not sync :]


def test_a_digest_is_of_the_whole_file(tmp_path):
    data = bytes(range(256)) * (1 << 14)
    for size in (0, 1, 1 << 20, (1 << 20) + 1, len(data)):
        (tmp_path / "a").write_bytes(data[:size])
        assert files.sha256(tmp_path / "a") == hashlib.sha256(data[:size]).hexdigest()


COUNT = """
import sys
from pathlib import Path
from finetune.files import locked
path = Path(sys.argv[1])
for _ in range(200):
    with locked(path.with_suffix(".lock"), wait=True):
        number = int(path.read_text())
        path.write_text(str(number + 1))
"""


def test_a_lock_that_is_waited_for_lets_one_process_in_at_a_time(tmp_path):
    (tmp_path / "count").write_text("0")
    command = [sys.executable, "-c", COUNT, str(tmp_path / "count")]
    counting = [subprocess.Popen(command, cwd=ROOT) for _ in range(4)]
    assert [process.wait() for process in counting] == [0] * 4
    assert (tmp_path / "count").read_text() == "800"
    assert names(tmp_path) == ["count"]


def test_a_lock_goes_with_a_process_that_is_killed(tmp_path):
    code = "import sys, time; from pathlib import Path; from finetune.files import locked\n"
    code += "with locked(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "lock")], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(files.Held, match=f"process {other.pid} on "), files.locked(tmp_path / "lock"):
            raise AssertionError("held twice")
        other.kill()
    with files.locked(tmp_path / "lock"):
        assert names(tmp_path) == ["lock"]
    assert names(tmp_path) == []


def test_what_is_no_file_or_too_large_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(bytes(2**20 + 1))
    for path, reason in (
        (tmp_path / "pipe", "not a file"),
        (Path("/dev/zero"), "not a file"),
        (tmp_path / "large", "larger than 1 MiB"),
        (tmp_path / "none", "No such file"),
        (tmp_path, "Is a directory"),
    ):
        with pytest.raises(OSError, match=reason):
            files.read(path, files.SMALL)
    assert len(files.read(tmp_path / "large")) == 2**20 + 1


@pytest.mark.parametrize("error", [KeyError("x"), RecursionError(), UnicodeDecodeError("utf-8", b"", 0, 1, "bad")])
def test_whatever_a_damaged_file_makes_its_reader_raise_is_one_line(tmp_path, error):
    line = rf"x\.json: damaged \({type(error).__name__}\); put it back"
    with pytest.raises(DataError, match=line), files.reading(tmp_path / "x.json", "put it back"):
        raise error
    with pytest.raises(DataError, match="a line of its own"), files.reading(tmp_path / "x.json", "put it back"):
        raise DataError(Problem("", "a line of its own"))


FILL = """
import sys, time
from pathlib import Path
from finetune.files import write_folder
def fill(folder):
    (folder / "half").touch()
    print("half", flush=True)
    time.sleep(60)
write_folder(Path(sys.argv[1]), fill)
"""


def test_what_a_killed_process_left_of_a_folder_goes_with_the_next_one(tmp_path):
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", FILL, str(tmp_path / "out")], cwd=ROOT, stdout=pipe) as other:
        assert other.stdout.readline() == b"half\n"
        with pytest.raises(DataError, match=f"out: process {other.pid} on .* writes it; wait for its end"):
            files.write_folder(tmp_path / "out", lambda folder: None)
        other.kill()
    assert names(tmp_path) == [".out.lock", ".out.partial"]
    files.write_folder(tmp_path / "out", lambda folder: (folder / "whole").touch())
    assert names(tmp_path) == ["out"]
    assert names(tmp_path / "out") == ["whole"]


def test_files_are_restored_after_an_error_and_stay_otherwise(tmp_path):
    old, new, link = tmp_path / "old", tmp_path / "new", tmp_path / "link"
    old.write_text("before")
    (tmp_path / "target").write_text("before")
    link.symlink_to("target")
    (tmp_path / ".old.kept").write_text("left by a killed process")

    def change(last: str) -> None:
        for path in (old, new, link):
            files.write_text(path, "after")
        files.write_text(tmp_path / last, "after")

    with pytest.raises(RunError), files.restored(old, new, link):
        change("old/in a file")
    assert (old.read_text(), link.read_text(), new.exists()) == ("before", "before", False)
    assert names(tmp_path) == ["link", "old", "target"]
    with files.restored(old, new, link):
        change("new")
    assert [path.read_text() for path in (old, new, link)] == ["after"] * 3
    assert names(tmp_path) == ["link", "new", "old", "target"]
