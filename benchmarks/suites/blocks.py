"""Stages that train from later blocks on, against the naive loop."""

from __future__ import annotations

from benchmarks.report import Result, Target
from benchmarks.settings import Settings
from benchmarks.stages import run_stage
from benchmarks.suites.head import NAIVE, naive_case, naive_note
from benchmarks.timing import Case, alternate, ratio

LEAST_GAIN = {"Block8": 10, "Repeat_2": 5}


def run(settings: Settings) -> Result:
    """Time two stages (one if quick) and the naive loop."""
    data, epochs = settings.data, settings.pick(10, 3)
    faces = data.subset(32) if settings.quick else data.learn
    batch_size, steps = settings.pick(90, 16), settings.pick(3, 1)

    def stage(train_from: str) -> Case:
        return lambda: run_stage(data, faces, train_from, epochs, batch_size=batch_size).seconds

    gains = {"Block8": LEAST_GAIN["Block8"]} if settings.quick else LEAST_GAIN
    cases = {f"stage from {name}": stage(name) for name in gains}
    timings = alternate(cases | {NAIVE: naive_case(data, faces, batch_size, epochs, steps)}, settings.rounds, "blocks")
    targets = [
        Target(
            f"naive loop / stage from {name}", ratio(timings[NAIVE], timings[f"stage from {name}"]), least, least=True
        )
        for name, least in gains.items()
    ]
    return Result(
        "blocks",
        f"Stages that train from a block on, {epochs} epochs, batches of {batch_size}, cold store.",
        timings,
        targets=targets,
        notes=[naive_note(steps, epochs)],
    )
