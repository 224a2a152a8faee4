"""Head stage on 1, 2, 4 and 8 times the images."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from itertools import pairwise

from benchmarks.report import Result, Target
from benchmarks.settings import Settings
from benchmarks.stages import run_stage
from benchmarks.timing import Case, alternate

TIMES = (1, 2, 4, 8)
EPOCHS = 2


def run(settings: Settings) -> Result:
    """Time each size, and compare the cost of one more image."""
    base = settings.pick(400, 16)

    def case(images: int) -> Case:
        faces = settings.data.subset(images)
        return lambda: run_stage(settings.data, faces, "Logits", EPOCHS, batch_size=32).seconds

    images = [base * times for times in TIMES]
    timings = alternate({f"{n} images": case(n) for n in images}, settings.pick(settings.rounds, 1), "scaling")
    seconds = [statistics.median(values) for values in timings.values()]
    first, whole = slopes(images[:2], seconds[:2])[0], (seconds[-1] - seconds[0]) / (images[-1] - images[0])
    rows = [["from", "to", "ms for one more image"]]
    for (a, b), slope in zip(pairwise(images), slopes(images, seconds), strict=True):
        rows.append([str(a), str(b), f"{1000 * slope:.2f}"])
    rows.append([str(images[0]), str(images[-1]), f"{1000 * whole:.2f}"])
    targets = [
        Target("one more image, from 1x to 8x / from 1x to 2x", whole / first, 1.1),
        Target("8 times the images / 1 times, by 8", seconds[-1] / (8 * seconds[0]), 1.1),
    ]
    about = f"A stage that trains from Logits, {EPOCHS} epochs, cold store, the classes the same in number."
    return Result("scaling", about, timings, targets=targets, tables={"What one more image costs": rows})


def slopes(images: Sequence[int], seconds: Sequence[float]) -> list[float]:
    """Return the seconds per additional image between neighbouring sizes."""
    points = list(zip(images, seconds, strict=True))
    return [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairwise(points)]
