"""Finding and cropping faces in photos: finetune against the published detector and the package `mtcnn`."""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import published_detector
from benchmarks.machine import usable_cores
from benchmarks.processes import clocked
from benchmarks.report import Result, Target, number
from benchmarks.settings import Settings
from benchmarks.timing import alternate, ratio
from finetune.paths import find_images
from finetune.progress import track

ALIGN, DETECTOR = "finetune align", "detector alone"
PUBLISHED, PACKAGE = "published detector", "mtcnn, the package"
WAYS = {ALIGN: "command", DETECTOR: "detector", PACKAGE: "package"}
PEER = {
    "FINETUNE_TF1_PYTHON": "an interpreter with TensorFlow 1.15",
    "FINETUNE_FACENET": "the folder src of a clone of davidsandberg/facenet",
}
"""Environment variables that locate the published detector, and their meanings."""
MEMORY_ROUNDS = 2
"""Largest number of rounds. Memory does not depend on the load of the machine."""

Boxes = Sequence[Sequence[Sequence[float]]]
"""Boxes of each face in each photo: left, top, right, bottom, in pixels."""


def run(settings: Settings) -> Result:
    """Try each way on a few photos, time those that work, in turn, and measure the memory of the command."""
    names, notes = _working(settings)
    images = settings.pick(512, 32)
    photos = settings.data.some_photos(images)
    found: dict[str, Any] = {}
    taken = alternate({name: partial(_seconds, name, photos, found) for name in names}, settings.rounds, "align")
    timings = {name: [images / value for value in values] for name, values in taken.items()}
    notes.append(f"{ALIGN} wrote {found.pop(ALIGN)} crops of the {images} photos.")
    rows, memory = _memory(settings)
    return Result(
        "align",
        f"{images} photos{' of 250 pixels' if settings.data.real else ''}; {ALIGN} reads and cuts them and writes the "
        "crops, the detectors have them in memory.",
        timings,
        unit="images/s",
        targets=[*_targets(timings), memory],
        tables={f"Faces, against {DETECTOR}": parity(found), f"Peak resident memory of {ALIGN}": rows},
        notes=notes,
    )


def _working(settings: Settings) -> tuple[list[str], list[str]]:
    """Return the ways that can be timed here, and the reasons why others are left out."""
    names, notes = [ALIGN, DETECTOR], []
    few = settings.data.some_photos(2 * usable_cores())
    for name in track([PUBLISHED, PACKAGE], 2, "align: trying peers"):
        missing = [variable for variable in PEER if name == PUBLISHED and not os.environ.get(variable)]
        if missing:
            wanted = " and ".join(f"{variable} ({PEER[variable]})" for variable in missing)
            notes.append(f"{name}: left out, for {wanted} {'is' if len(missing) == 1 else 'are'} not set")
            continue
        try:
            _run(name, few)
        except (OSError, RuntimeError) as error:
            notes.append(f"{name}: left out, for it failed: {' '.join(str(error).split())[:200]}")
        else:
            names.append(name)
    return names, notes


def _seconds(name: str, photos: Path, found: dict[str, Any]) -> float:
    seconds, found[name], _ = _run(name, photos)
    return seconds


def _run(name: str, photos: Path) -> tuple[float, Any, float]:
    """Return the seconds, the result, and the peak memory in MiB (0 for the published detector)."""
    with tempfile.TemporaryDirectory(dir=photos.parent) as folder:
        if name == PUBLISHED:
            seconds, shares = clocked(_published(photos, Path(folder)))
            return seconds, _dealt_back(shares), 0.0
        command: list[str | Path] = [sys.executable, "-m", "benchmarks.align_case", WAYS[name], photos, folder]
        seconds, (result,) = clocked([command])
        return seconds, result["found"], result["peak_mib"]


def _published(photos: Path, folder: Path) -> list[list[str | Path]]:
    """Return the commands of the published detector: one per core, each with its share of the photos."""
    python, source = (Path(os.environ[variable]).expanduser().absolute() for variable in PEER)
    commands: list[list[str | Path]] = []
    paths, cores = find_images(photos), usable_cores()
    for core in range(cores):
        share = folder / f"{core}.txt"
        share.write_text("".join(f"{path}\n" for path in paths[core::cores]), encoding="utf-8")
        commands.append([python, published_detector.__file__, source, share])
    return commands


def _dealt_back(shares: Sequence[Sequence[Any]]) -> list[Any]:
    """Return the results in the order of the photos, which were dealt to the processes in turn."""
    whole: list[Any] = [None] * sum(map(len, shares))
    for start, share in enumerate(shares):
        whole[start :: len(shares)] = share
    return whole


def parity(found: Mapping[str, Boxes]) -> list[list[str]]:
    """Return a table that compares the faces with those of finetune's detector, one row per way.

    Its last columns are the median and the largest distance between nearest boxes, in pixels.
    """
    ours = found[DETECTOR]
    rows = [["case", "faces", "photos with as many", "pixels between two sides, median", "most"]]
    for name, theirs in found.items():
        same = [(a, b) for a, b in zip(ours, theirs, strict=True) if len(a) == len(b)]
        apart = [distance for a, b in same if len(a) for distance in _distances(a, b)]
        figures = [number(statistic(apart)) if apart else "" for statistic in (statistics.median, max)]
        rows.append([name, str(sum(map(len, theirs))), f"{len(same)} of {len(ours)}", *figures])
    return rows


def _distances(boxes: Sequence[Sequence[float]], others: Sequence[Sequence[float]]) -> list[float]:
    """Return for each box its distance to the nearest other box: the largest difference of a side, in pixels."""
    differences = np.abs(np.array(boxes)[:, np.newaxis] - np.array(others)).max(axis=2)
    return [float(difference) for difference in differences.min(axis=1)]


def _memory(settings: Settings) -> tuple[list[list[str]], Target]:
    """Measure the command's peak memory on ten times the photos; return the table and the target."""
    small, large = settings.pick(1136, 64), settings.pick(11359, 256)
    cases = {str(images): partial(_peak, settings.data.some_photos(images)) for images in (small, large)}
    peaks = alternate(cases, min(settings.rounds, settings.pick(MEMORY_ROUNDS, 1)), "align: memory")
    rows = [["photos", "median (MiB)", "least", "most", "rounds"]]
    for name, values in peaks.items():
        figures = (statistics.median(values), min(values), max(values))
        rows.append([name, *(number(figure) for figure in figures), str(len(values))])
    figure = ratio(peaks[str(large)], peaks[str(small)])
    return rows, Target(f"peak memory, {large} photos / {small}", figure, 1.1)


def _peak(photos: Path) -> float:
    _, _, peak = _run(ALIGN, photos)
    return peak


def _targets(timings: Mapping[str, Sequence[float]]) -> list[Target]:
    """Return the targets of both finetune cases; without figures if the published detector is missing."""
    peer = timings.get(PUBLISHED)
    return [
        Target(f"{ours} / {PUBLISHED}", ratio(timings[ours], peer) if peer else None, 5.0, least=True)
        for ours in (ALIGN, DETECTOR)
    ]
