"""Stages that train later blocks, against the naive loop; and what an epoch costs by boundary."""

from __future__ import annotations

import statistics

from benchmarks.report import Result, Target, number
from benchmarks.settings import Settings
from benchmarks.stages import run_stage
from benchmarks.suites.head import NAIVE, naive_case, naive_note
from benchmarks.timing import Case, alternate, ratio

LEAST_GAIN = {"Block8": 10, "Repeat_2": 5}
BOUNDARIES = (
    "Logits",
    "Bottleneck",
    "Block8",
    "Repeat_2",
    "Mixed_7a",
    "Repeat_1",
    "Mixed_6a",
    "Repeat",
    "Conv2d_4b_3x3",
    "Conv2d_4a_3x3",
    "Conv2d_2b_3x3",
    "Conv2d_1a_3x3",
)
QUICK = ("Logits", "Conv2d_1a_3x3")


def run(settings: Settings) -> Result:
    """Times two stages and the naive loop, then an epoch after the first at each boundary."""
    data, epochs = settings.data, settings.pick(10, 3)
    faces = data.subset(32) if settings.quick else data.learn
    batch_size, steps = settings.pick(90, 16), settings.pick(3, 1)

    def stage(train_from: str) -> Case:
        return lambda: run_stage(data, faces, train_from, epochs, batch_size=batch_size).seconds

    gains = {"Block8": LEAST_GAIN["Block8"]} if settings.quick else LEAST_GAIN
    cases = {f"stage from {name}": stage(name) for name in gains}
    timings = alternate(
        cases | {NAIVE: naive_case(data, faces, batch_size, epochs, steps)}, settings.rounds, "blocks: stages"
    )
    targets = [
        Target(f"naive loop / stage from {name}", ratio(timings[NAIVE], timings[f"stage from {name}"]), least, True)
        for name, least in gains.items()
    ]
    by_boundary = _by_boundary(settings)
    rows = [["trains from", "ms an image", "least", "most"]]
    for name, values in by_boundary.items():
        rows.append([name, *(number(figure) for figure in (statistics.median(values), min(values), max(values)))])
    return Result(
        "blocks",
        f"Stages that train from a block on, {epochs} epochs, batches of {batch_size}, cold store.",
        timings | {f"epoch from {name}, ms an image": values for name, values in by_boundary.items()},
        targets=targets,
        tables={"An epoch after the first, by boundary": rows},
        notes=[naive_note(steps, epochs)],
    )


def _by_boundary(settings: Settings) -> dict[str, list[float]]:
    """Milliseconds an image of the second epoch of a stage, whose first computes what is kept."""
    images = settings.pick(180, 32)
    faces = settings.data.subset(images)

    def case(train_from: str) -> Case:
        def epoch() -> float:
            found = run_stage(settings.data, faces, train_from, 2, batch_size=settings.pick(90, 16))
            return 1000 * found.epochs[1] / images

        return epoch

    names = QUICK if settings.quick else BOUNDARIES
    return alternate({name: case(name) for name in names}, 1, "blocks: boundaries")
