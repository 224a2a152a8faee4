"""Peak resident memory of a head stage on ten times the images, each case in a process of its own."""

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
"""At the most: memory is no matter of how busy the machine is."""
FILLING, FILLED = "filling the store", "from a filled store"


def run(settings: Settings) -> Result:
    """Runs the stage twice on each folder: filling the store, and (not if quick) finding it filled."""
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
    """A case's."""
    return f"{images} images, {how}"


def _peak(settings: Settings, images: int, folder: Path, how: str) -> float:
    """MiB; the store is left by the run that fills it to the one that finds it, which follows."""
    data = settings.data
    store = folder / f"store-{images}"
    with tempfile.TemporaryDirectory(dir=folder) as output:
        if how == FILLING and store.exists():
            store.rename(Path(output) / "old")
        arguments = (data.checkpoint, data.subset(images, PEOPLE), store, Path(output) / "run")
        command = [sys.executable, "-m", "benchmarks.memory_case", *(str(part.resolve()) for part in arguments)]
        done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return float(json.loads(done.stdout.splitlines()[-1])["peak_mib"])
