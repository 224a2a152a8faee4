"""Scan of a folder, first and once more, and its memory at 100,000, 300,000 and a million images."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.data import link
from benchmarks.report import Result, Target
from benchmarks.settings import Settings
from finetune.paths import find_images
from finetune.progress import track

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCES, PER_PERSON = 64, 50
FIRST, AGAIN = "first", "once more"
MOST_AGAIN = 0.1
GIB, IMAGES = 1.0, 3_300_000
"""Memory that the scan of so many images may take."""


def run(settings: Settings) -> Result:
    """Scan folders of links to a few real files, twice each, with a cache of their own."""
    faces = settings.data.everyone
    with tempfile.TemporaryDirectory(dir=settings.data.work) as folder:
        timings = {when: [_scanned(faces, Path(folder) / "cache/features")["seconds"]] for when in (FIRST, AGAIN)}
    sizes = [settings.pick(size, size // 1000) for size in (100_000, 300_000, 1_000_000)]
    found: dict[str, list[dict[str, float]]] = {FIRST: [], AGAIN: []}
    sources = find_images(settings.data.everyone)[:SOURCES]
    for size in track(sizes, len(sizes), "known"):
        with tempfile.TemporaryDirectory(dir=settings.data.work) as folder:
            links = Path(folder) / "faces"
            link([sources[number % len(sources)] for number in range(size)], links, max(2, size // PER_PERSON))
            for when in (FIRST, AGAIN):
                found[when].append(_scanned(links, Path(folder) / "cache/features"))
    seconds = {when: [case["seconds"] for case in found[when]] for when in found}
    memory = {when: [case["mib"] for case in found[when]] for when in found}
    rows = [["images", *(f"{when}, {what}" for when in found for what in ("s", "MiB"))]]
    for place, size in enumerate(sizes):
        cells = ((f"{seconds[when][place]:.1f}", f"{memory[when][place]:.0f}") for when in found)
        rows.append([f"{size:,}", *(cell for pair in cells for cell in pair)])
    slope, start = np.polyfit(sizes, memory[AGAIN], 1)
    what = f"{len(find_images(faces)):,} different images: seconds once more / first"
    targets = [Target(what, timings[AGAIN][0] / timings[FIRST][0], MOST_AGAIN)]
    grown = (start + slope * IMAGES) / 2**10
    targets.append(Target(f"memory of {IMAGES:,} images by the line through these", grown, GIB, unit="GiB"))
    return Result(
        "known",
        "The scan of `plan` and `run`. The folders of the table hold links to "
        f"{len(sources)} faces, {PER_PERSON} per person; the memory is beside that of the program.",
        timings,
        targets=targets,
        tables={"Seconds and memory of a scan": rows},
        notes=[f"One more image takes {1024 * 1024 * slope:,.0f} bytes by the line through these."],
    )


def _scanned(faces: Path, cache: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.known_case", str(faces)]
    environment = os.environ | {"FINETUNE_CACHE": str(cache)}
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures
