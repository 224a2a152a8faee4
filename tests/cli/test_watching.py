"""`finetune identify --watch` answers photos as they come, and ends cleanly."""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.tf

ROOT = Path(__file__).resolve().parents[2]


class Watching:
    """Command in a process of its own, whose lines are read as they come."""

    def __init__(self, folder: Path, *options: str) -> None:
        command = [sys.executable, "-m", "finetune", "identify", "people.h5", "--watch", "inbox", "--threshold", "-1"]
        self.process = subprocess.Popen(
            [*command, "--interval", "0.2", *options],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.errors = ""
        while "watching inbox" not in self.errors:
            line = self.process.stderr.readline()
            assert line, self.errors
            self.errors += line

    def _read(self) -> None:
        for line in self.process.stdout:
            self.lines.put(line)

    def next(self) -> dict:
        return json.loads(self.lines.get(timeout=60))

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=60)


@pytest.fixture
def inbox(enrolled) -> Path:
    (enrolled / "inbox").mkdir()
    return enrolled / "inbox"


def photo(folder: Path, person: int, number: int) -> Path:
    return folder / f"faces/learn/person_00{person}/person_00{person}_000{number}.png"


@pytest.mark.slow
def test_photos_are_answered_as_they_come_and_none_twice_over_a_restart(enrolled, inbox):
    shutil.copy(photo(enrolled, 1, 1), inbox / "first.png")
    watching = Watching(enrolled, "--journal", "seen.jsonl")
    try:
        first = watching.next()
        assert (first["path"], len(first["faces"])) == ("inbox/first.png", 1)
        assert set(first["faces"][0]) == {"name", "nearest", "score", "box"}

        content = photo(enrolled, 2, 1).read_bytes()
        step = -(-len(content) // 10)
        with (inbox / "slow.png").open("wb") as file:
            for start in range(0, len(content), step):
                file.write(content[start : start + step])
                file.flush()
                time.sleep(0.08)
                assert watching.lines.empty()
        slow = watching.next()
        assert (slow["path"], len(slow["faces"])) == ("inbox/slow.png", 1)

        (inbox / "text.png").write_text("not an image")
        assert "problem" in watching.next()
    finally:
        status = watching.end(signal.SIGTERM)
    assert status == 0
    assert watching.lines.empty()

    shutil.copy(photo(enrolled, 3, 1), inbox / "while_off.png")
    again = Watching(enrolled, "--journal", "seen.jsonl")
    assert again.next()["path"] == "inbox/while_off.png"
    time.sleep(1)
    shutil.rmtree(inbox)
    assert again.process.wait(timeout=60) == 2
    assert again.lines.empty()
    told = again.process.stderr.read().splitlines()
    assert told == ["finetune identify: inbox: the watched folder is gone; give one that is there"]


@pytest.mark.slow
def test_photos_of_the_start_are_skipped_on_request_and_ctrl_c_ends_it(enrolled, inbox):
    shutil.copy(photo(enrolled, 1, 1), inbox / "first.png")
    watching = Watching(enrolled, "--new-only")
    shutil.copy(photo(enrolled, 1, 2), inbox / "second.png")
    assert watching.next()["path"] == "inbox/second.png"
    assert watching.end(signal.SIGINT) == 0
    assert watching.lines.empty()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ((), "PHOTOS: not given; give photos, or --watch FOLDER"),
        (("near.png", "--watch", "inbox"), "near.png: given with --watch FOLDER; leave one out"),
        (("--watch", "inbox", "--csv", "a.csv"), "--csv: given with --watch; leave one out"),
        (("--watch", "nowhere"), "nowhere: not a folder; give --watch a folder"),
        (("near.png", "--journal", "j"), "--journal: given without --watch; give both"),
        (("near.png", "--new-only"), "--new-only: given without --watch; give both"),
        (("--watch", "inbox", "--interval", "0"), "argument --interval: found '0'; give seconds above 0, up to 3600"),
    ],
)
def test_options_that_do_not_fit_are_refused(work, finetune, options, problem):
    (work / "inbox").mkdir()
    ended = finetune("identify", "people.h5", *options)
    assert ended.status == 2
    assert ended.err[0].removeprefix("finetune identify: ").startswith(problem)
