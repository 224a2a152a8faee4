"""Progress is plain lines without a terminal, and a bar with the remaining time on one."""

from __future__ import annotations

import logging
import os
import pty
import re
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


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_what_is_said_beside_a_bar_still_goes_to_the_output():
    ours, theirs = pty.openpty()
    code = "from finetune.progress import say, track\nfor item in track(range(2), 2, 'counting'): say(f'item {item}')"
    done = subprocess.run([sys.executable, "-c", code], stderr=theirs, stdout=subprocess.PIPE, check=False, timeout=60)
    os.close(theirs)
    os.close(ours)
    assert done.stdout == b"item 0\nitem 1\n"


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


def on_a_terminal(code: str, columns: int) -> list[str]:
    """Return the lines that a program writes on a terminal of this many columns."""
    ours, its = pty.openpty()
    environment = os.environ | {"COLUMNS": str(columns), "TERM": "xterm"}
    subprocess.run([sys.executable, "-c", code], stdout=its, env=environment, check=True, timeout=60)
    os.close(its)
    written = os.read(ours, 100_000).decode()
    os.close(ours)
    return re.sub(r"\x1b\[[\d;]*m|\r", "", written).splitlines()


TABLE = """
from rich.box import SIMPLE_HEAD
from rich.table import Table
from finetune.progress import show
table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
for name in ("stage", "trains from", "LFW before", "LFW after", "difference (95 %)", "outcome"):
    table.add_column(name, no_wrap=True)
table.add_row("last repeat", "Repeat_2", "0.8367", "0.8500", "+0.0133 (-0.0059 to +0.0325)", "rolled back")
show(table)
"""


def test_a_table_is_as_narrow_as_its_terminal_and_cuts_no_figure():
    wide, narrow = on_a_terminal(TABLE, 120), on_a_terminal(TABLE, 80)
    figures = "last", "repeat", "Repeat_2", "0.8367", "0.8500", "+0.0133", "(-0.0059", "+0.0325)", "rolled", "back"
    assert max(map(len, narrow)) <= 80 < max(map(len, map(str.rstrip, wide)))
    for lines in (wide, narrow):
        assert set(figures) <= set(" ".join(lines).split())


def test_a_line_is_wrapped_below_its_values_on_a_terminal_only(capsys):
    line = "data           " + "36 people, 540 images to train on " * 4
    code = f"from finetune.progress import say; say({line!r}, indent=15)"
    lines = on_a_terminal(code, 80)
    assert len(lines) == 3
    assert max(map(len, lines)) <= 80
    assert [len(text) - len(text.lstrip()) for text in lines] == [0, 15, 15]
    assert " ".join(lines).split() == line.split()
    say(line, indent=15)
    assert capsys.readouterr().out == line + "\n"
