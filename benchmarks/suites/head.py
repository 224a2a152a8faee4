"""Head stage with an empty feature cache: layers before `Logits` run once, so ten epochs cost one embedding pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.data import Data
from benchmarks.naive import NaiveLoop
from benchmarks.report import Result, Target
from benchmarks.settings import Settings
from benchmarks.stages import run_stage
from benchmarks.timing import Case, alternate, clock, ratio
from finetune import Model
from finetune.dataset.scanning import scan
from finetune.paths import find_images

STAGE, AGAIN = "stage, cold store", "stage, cache: off, scaled"
LOWERED = f"{STAGE}, bfloat16"
UNCACHED_EPOCHS = 2
FIRST, TRACED = "embedding pass, just restored", "embedding pass, once more"
NAIVE = "naive loop, scaled"
LEAST_GAIN = {"float32": 25, "bfloat16": 50}


def run(settings: Settings) -> Result:
    """Time the cases, and compare the losses with and without the cache."""
    data, epochs = settings.data, settings.pick(10, 3)
    faces = data.subset(32) if settings.quick else data.learn
    batch_size = settings.pick(90, 16)
    losses: dict[str, tuple[float, ...]] = {}

    def stage(name: str, epochs: int, scale: float = 1.0, **options: Any) -> Case:
        def case() -> float:
            found = run_stage(data, faces, "Logits", epochs, batch_size=batch_size, **options)
            losses[name] = found.losses
            return scale * found.seconds

        return case

    cases = {STAGE: stage(STAGE, epochs)} | embedding_passes(data, faces)
    cases[AGAIN] = stage(AGAIN, UNCACHED_EPOCHS, epochs / UNCACHED_EPOCHS, cache="off")
    cases[LOWERED] = stage(LOWERED, epochs, precision="bfloat16")
    steps = settings.pick(3, 1)
    cases[NAIVE] = naive_case(data, faces, batch_size, epochs, steps)
    timings = alternate(cases, settings.rounds, "head")

    difference = max(abs(a - b) / abs(b) for a, b in zip(losses[STAGE], losses[AGAIN], strict=False))
    targets = [
        Target("stage / embedding pass, both just restored", ratio(timings[STAGE], timings[FIRST]), 1.2),
        Target("stage / embedding pass already traced", ratio(timings[STAGE], timings[TRACED]), 1.2),
        Target("naive loop / stage", ratio(timings[NAIVE], timings[STAGE]), LEAST_GAIN["float32"], least=True),
        Target(
            "naive loop / stage, bfloat16", ratio(timings[NAIVE], timings[LOWERED]), LEAST_GAIN["bfloat16"], least=True
        ),
        Target("losses with and without the cache, largest relative difference", difference, 1e-5, unit=""),
    ]
    images = len(find_images(faces))
    about = f"A stage that trains from Logits, {epochs} epochs on {images} images, batches of {batch_size}."
    notes = [
        f"Without the cache the stage takes {ratio(timings[AGAIN], timings[STAGE]):.3g} times as long; "
        f"{UNCACHED_EPOCHS} epochs of it were run, scaled to {epochs}; the losses are those of these epochs.",
        naive_note(steps, epochs),
    ]
    return Result("head", about, timings, targets=targets, notes=notes)


def embedding_passes(data: Data, faces: Path) -> dict[str, Case]:
    """Return two cases: an embedding pass of a model that was just restored, as in a stage, and one after tracing."""
    images, restored = find_images(faces), [Model.restore(data.checkpoint)]

    def first() -> float:
        restored[0] = Model.restore(data.checkpoint)
        return clock(lambda: restored[0].embed(images))

    return {FIRST: first, TRACED: lambda: clock(lambda: restored[0].embed(images))}


def naive_case(data: Data, faces: Path, batch_size: int, epochs: int, steps: int) -> Case:
    """Return a case that estimates the naive loop's seconds for this many epochs from a few steps."""
    dataset = scan(faces).dataset
    loop = NaiveLoop(Model.restore(data.checkpoint, class_names=dataset.class_names), dataset, batch_size)
    return lambda: loop.seconds_per_image(steps) * len(dataset) * epochs


def naive_note(steps: int, epochs: int) -> str:
    """Return a note on how the naive loop's seconds were estimated."""
    return (
        f"The naive loop was not run to its end: in each round {steps} whole {'batch' if steps == 1 else 'batches'} "
        f"after one that is not counted, scaled to {epochs} epochs. Float32, Adam, every variable, batch norm in "
        "training mode, one tf.function; its one tracing is not counted, the stage's is."
    )
