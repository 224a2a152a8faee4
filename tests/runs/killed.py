"""Runs in a process of their own, which a signal stops in the middle."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path


def start(recipe: Path, output: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "finetune", "run", str(recipe), f"output={output}", *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ.copy())


def finish(recipe: Path, output: Path, *options: str) -> str:
    process = start(recipe, output, *options)
    out, error = process.communicate(timeout=300)
    assert process.returncode == 0, error
    return out


def stop_in_the_middle(
    recipe: Path, output: Path, number: int, while_it_runs: Callable[[], object] = lambda: None
) -> tuple[int, str]:
    """Send a signal while the second stage is being trained, after its first epoch."""
    process = start(recipe, output)
    history, state = output / "history.csv", output / ".resume/state.npz"
    try:
        # The state is written last, after an epoch.
        while not (history.exists() and "last block,1," in history.read_text() and state.exists()):
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.02)
        time.sleep(0.1)
        while_it_runs()
        process.send_signal(number)
        error = process.communicate(timeout=60)[1]
    finally:
        process.kill()
    rows = history.read_text().splitlines()
    assert len(rows) < 1 + 3 + 4, "the run had ended before the signal came"
    assert state.exists()
    return process.returncode, error


def checkpoint_bytes(output: Path) -> dict[str, bytes]:
    files = [path for path in sorted(output.rglob("*")) if ".ckpt-" in path.name]
    assert len(files) == 4, files
    return {path.relative_to(output).as_posix(): path.read_bytes() for path in files}


def history(output: Path) -> list[str]:
    """Return the lines of the history without the seconds, their last column."""
    return [line.rpartition(",")[0] for line in (output / "history.csv").read_text().splitlines()]
