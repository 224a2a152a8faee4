"""Processes are timed from the signal to the last result, and none outlives a failure."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from benchmarks.processes import clocked


def _script(before: str = "", work: str = "1", after: str = "") -> list[str]:
    """Return a command that prints `ready`, waits for a line, and prints the value of an expression."""
    lines = ["import json, os, sys, time", before, "print('ready', flush=True)", "sys.stdin.readline()"]
    return [sys.executable, "-c", "\n".join([*lines, f"print(json.dumps({work}), flush=True)", after])]


def test_neither_getting_ready_nor_coming_to_an_end_is_clocked() -> None:
    seconds, results = clocked([_script("time.sleep(1.2)", "[time.sleep(0.2), 7]", "time.sleep(60)")])
    assert results == [[None, 7]]
    assert 0.2 <= seconds < 1.2


def test_all_begin_when_the_last_is_ready() -> None:
    seconds, starts = clocked([_script(f"time.sleep({wait})", "time.time()") for wait in (0, 2)])
    assert abs(starts[0] - starts[1]) < 1
    assert seconds < 1


def test_what_is_said_before_ready_is_passed_over() -> None:
    assert clocked([_script("print('a note')", "'done'")])[1] == ["done"]


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (_script("sys.exit('no weights\\n')"), "ended with status 1: no weights"),
        (_script("raise ValueError('of what?')"), "ended with status 1: ValueError: of what?"),
        (_script(work="os._exit(3)"), "ended with status 3: it said nothing"),
        (_script(work="os.kill(os.getpid(), 9)"), "ended with status -9: it said nothing"),
    ],
)
def test_a_process_that_ends_early_is_named_by_its_last_line(script, message) -> None:
    with pytest.raises(RuntimeError, match=message.replace("?", r"\?")):
        clocked([script])


def test_the_others_end_with_the_one_that_fails(tmp_path: Path) -> None:
    number = tmp_path / "number"
    patient = _script(f"open({str(number)!r}, 'w').write(str(os.getpid()))", "time.sleep(60)")
    begun = time.monotonic()
    with pytest.raises(RuntimeError, match="status 5"):
        clocked([patient, _script(work="os._exit(5)")][::-1])
    assert time.monotonic() - begun < 30
    with pytest.raises(ProcessLookupError):
        os.kill(int(number.read_text()), 0)


def test_tensorflows_own_setting_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF2_BEHAVIOR", "1")
    monkeypatch.setenv("FINETUNE_SHARED", "kept")
    _, results = clocked([_script(work="[os.environ.get(n) for n in ('TF2_BEHAVIOR', 'FINETUNE_SHARED')]")])
    assert results == [[None, "kept"]]
