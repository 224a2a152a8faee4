"""Progress: plain lines where there is no terminal, a bar with the time that remains on one."""

from __future__ import annotations

import logging
import os
import pty
import subprocess
import sys

import pytest

from finetune import progress
from finetune.progress import printing, say, say_aside, track

LOOP = "import time\nfrom finetune.progress import track\nfor _ in track(range(4), 10, 'counting', 3): time.sleep(0.3)"


def test_items_pass_through_and_short_work_says_nothing(capsys):
    assert list(progress.track("abc", 3, "counting")) == ["a", "b", "c"]
    assert capsys.readouterr() == ("", "")


def test_long_work_says_how_far_it_is_and_what_remains(capsys, monkeypatch):
    clock = iter(range(0, 1000, 20))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    assert list(progress.track(range(4), 10, "counting", 3)) == [0, 1, 2, 3]
    # Two steps of 3 in 40 s: 4 remain at 20 / 3 s each.
    assert capsys.readouterr().err == "counting: 6 of 10, about 27 s remain\n"


def test_a_first_item_that_starts_slowly_counts_in_no_estimate(capsys, monkeypatch):
    ends = iter([0, 1000, 1040, 1080, 1120])  # the first item takes 1,000 s, each later one 40 s
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(ends))
    list(progress.track(range(4), 4, "training"))
    assert capsys.readouterr().err.splitlines() == [
        "training: 1 of 4",
        "training: 2 of 4, about 80 s remain",
        "training: 3 of 4, about 40 s remain",
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_on_a_terminal_there_is_a_bar_that_ends_without_a_trace():
    ours, theirs = pty.openpty()
    done = subprocess.run([sys.executable, "-c", LOOP], stderr=theirs, stdout=subprocess.PIPE, check=False, timeout=60)
    os.close(theirs)
    shown = os.read(ours, 100_000).decode()
    os.close(ours)
    assert done.returncode == 0
    assert done.stdout == b""
    assert "counting" in shown
    assert "9/10" in shown
    assert shown.endswith(("\x1b[2K", "\x1b[?25h", "\x1b[2K\r"))


def test_lines_go_to_the_logger_where_they_are_not_printed(capsys, caplog):
    with caplog.at_level(logging.INFO, logger="finetune"), printing(False):
        say("trained\x1b[1m")
        say_aside("beside")
        assert list(track(range(3), 3, "counting")) == [0, 1, 2]
        with printing(True):  # whoever asks for silence outside has it
            assert list(track(range(3), 3, "counting")) == [0, 1, 2]
    assert capsys.readouterr() == ("", "")
    assert [(r.levelname, r.message) for r in caplog.records] == [("INFO", "trained\\x1b[1m"), ("WARNING", "beside")]
    say("printed")
    assert capsys.readouterr().out == "printed\n"
