"""Timing of work in other processes, without their preparation."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parent.parent
READY = "ready"
LEFT_BEHIND = ("TF2_BEHAVIOR",)
"""Environment variables that TensorFlow 2 sets, and that change how TensorFlow 1 behaves."""


def clocked(commands: Sequence[Sequence[str | Path]]) -> tuple[float, list[Any]]:
    """Start all commands, signal them when all are ready, and wait for their results.

    A command prints `ready`, reads a line, does its work, and prints the result as one line of JSON.

    Returns:
        Seconds from the signal to the last result, and the results.

    Raises:
        RuntimeError: a command ended early. The message has the last line that it wrote to stderr.
    """
    with contextlib.ExitStack() as stack:
        workers = [stack.enter_context(_started(command)) for command in commands]
        for worker in workers:
            while worker.line() != READY:  # skips what TensorFlow prints at its start
                pass
        start = time.perf_counter()
        for worker in workers:
            worker.give_the_word()
        results = [json.loads(worker.line()) for worker in workers]
        return time.perf_counter() - start, results


class _Worker:
    def __init__(self, process: subprocess.Popen[str], said: IO[bytes]) -> None:
        self._process = process
        self._said = said

    def line(self) -> str:
        assert self._process.stdout
        if line := self._process.stdout.readline():
            return line.strip()
        status = self._process.wait()
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
        raise RuntimeError(f"ended with status {status}: {last}")

    def give_the_word(self) -> None:
        assert self._process.stdin
        with contextlib.suppress(BrokenPipeError):  # it has ended; its next line says so
            self._process.stdin.write("go\n")
            self._process.stdin.flush()


@contextlib.contextmanager
def _started(command: Sequence[str | Path]) -> Iterator[_Worker]:
    """Start a process, which is killed at the end of the `with` block."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if name not in LEFT_BEHIND},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
        )
        try:
            yield _Worker(process, said)
        finally:
            process.kill()  # its result has been read by now
            with contextlib.suppress(BrokenPipeError):
                process.communicate()
