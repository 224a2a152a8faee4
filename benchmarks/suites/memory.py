"""Peak resident memory of a head stage on ten times the images, each case in its own process."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from benchmarks.report import Result, Target
from benchmarks.settings import Settings
from benchmarks.timing import alternate, ratio

ROOT = Path(__file__).resolve().parent.parent.parent
PEOPLE = 50
ROUNDS = 2
"""Largest number of rounds. Memory does not depend on the load of the machine."""
FILLING, FILLED = "filling the store", "from a filled store"


def run(settings: Settings) -> Result:
    """Run the stage on each folder with an empty feature cache, and unless quick also with a filled one."""
    small, large = settings.pick(1136, 64), settings.pick(11359, 256)
    sizes, ways = (small, large), (FILLING,) if settings.quick else (FILLING, FILLED)
    with tempfile.TemporaryDirectory(dir=settings.data.work) as folder:
        peaks = alternate(
            {
                name(images, how): partial(_peak, settings, images, Path(folder), how)
                for images in sizes
                for how in ways
            },
            min(settings.rounds, settings.pick(ROUNDS, 1)),
            "memory",
        )
    targets = [
        Target(f"{large} images / {small}, {how}", ratio(peaks[name(large, how)], peaks[name(small, how)]), 1.1)
        for how in ways
    ]
    return Result(
        "memory",
        f"Peak resident memory of a head stage with cache: disk, {PEOPLE} classes whatever the number of images.",
        peaks,
        unit="MiB",
        targets=targets,
    )


def name(images: int, how: str) -> str:
    """Return the name of a case."""
    return f"{images} images, {how}"


def _peak(settings: Settings, images: int, folder: Path, how: str) -> float:
    """Return the peak in MiB. The feature cache is kept for the run with a filled one, which follows."""
    data = settings.data
    store = folder / f"store-{images}"
    with tempfile.TemporaryDirectory(dir=folder) as output:
        if how == FILLING and store.exists():
            store.rename(Path(output) / "old")
        arguments = (data.checkpoint, data.subset(images, PEOPLE), store, Path(output) / "run")
        command = [sys.executable, "-m", "benchmarks.memory_case", *(str(part.resolve()) for part in arguments)]
        done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return float(json.loads(done.stdout.splitlines()[-1])["peak_mib"])
