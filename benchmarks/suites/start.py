"""Cold starts: the whole process of a command that names one aligned face, or describes a checkpoint."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from benchmarks.report import Result, Target
from benchmarks.settings import Settings
from benchmarks.start_case import PEOPLE
from benchmarks.timing import alternate, ratio

ROOT = Path(__file__).resolve().parent.parent.parent
LIGHT, BY_TENSORFLOW, IMPORTS = "identify", "identify --runtime tensorflow", "imports alone"
INSPECT, HELP = "inspect", "--help"


def run(settings: Settings) -> Result:
    """Run the commands in turn, each in a process of its own, on a gallery of random embeddings."""
    with tempfile.TemporaryDirectory(dir=settings.data.work) as place:
        folder = Path(place).resolve()
        environment = {**os.environ, "FINETUNE_CACHE": str(folder / "features"), "CUDA_VISIBLE_DEVICES": ""}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has its bytecode
        face = str(next(settings.data.learn.rglob("*.png")).resolve())
        checkpoint, gallery = str(settings.data.checkpoint.resolve()), str(folder / "people.h5")
        _started(["gallery", checkpoint, gallery], environment)  # makes and keeps the graph too
        identify = ["identify", gallery, face, "--threshold", "0.2"]
        commands = {
            LIGHT: identify,
            IMPORTS: [],
            INSPECT: ["inspect", checkpoint],
            HELP: ["--help"],
            BY_TENSORFLOW: [*identify, "--runtime", "tensorflow"],
        }
        for given in commands.values():  # writes the bytecode of each
            _started(given, environment)
        answers: dict[str, str] = {}
        peaks: dict[str, float] = {}
        cases = {name: partial(_timed, name, given, environment, answers, peaks) for name, given in commands.items()}
        seconds = alternate(cases, settings.rounds, "starting")
    targets = [
        Target("identify / identify by TensorFlow", ratio(seconds[LIGHT], seconds[BY_TENSORFLOW]), 0.25),
        Target("identify / the imports alone", ratio(seconds[LIGHT], seconds[IMPORTS]), 2.0),
        Target("peak of identify", peaks[LIGHT], 500.0, unit=" MB"),
        Target("peak of inspect", peaks[INSPECT], 150.0, unit=" MB"),
        Target("answers that differ", float(answers[LIGHT] != answers[BY_TENSORFLOW]), 0.0, unit=""),
    ]
    told = f"Whole processes. identify: one aligned face against {PEOPLE} people, the graph kept before."
    return Result("start", told, seconds, targets=targets)


def _timed(
    name: str, given: Sequence[str], environment: Mapping[str, str], answers: dict[str, str], peaks: dict[str, float]
) -> float:
    """Return the seconds of a process, and note its answer and the highest peak of its memory in MB."""
    start = time.perf_counter()
    done = _started(given, environment)
    seconds = time.perf_counter() - start
    answers[name] = done.stdout
    peaks[name] = max(peaks.get(name, 0.0), float(done.stderr.splitlines()[-1]))
    return seconds


def _started(given: Sequence[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.start_case", *given]
    return subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True)
