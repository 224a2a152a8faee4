"""Cost of an epoch for each boundary that a stage trains from, once the features before it are cached."""

from __future__ import annotations

from benchmarks.report import Result
from benchmarks.settings import Settings
from benchmarks.stages import run_stage
from benchmarks.timing import Case, alternate

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
    """Time the second epoch of a stage at each boundary, once. The first epoch fills the feature cache."""
    images, batch_size = settings.pick(180, 32), settings.pick(90, 16)
    faces = settings.data.subset(images)

    def case(train_from: str) -> Case:
        return lambda: 1000 * run_stage(settings.data, faces, train_from, 2, batch_size=batch_size).epochs[1] / images

    names = QUICK if settings.quick else BOUNDARIES
    return Result(
        "boundaries",
        f"The second epoch of a stage that trains from a boundary on, {images} images, batches of {batch_size}.",
        alternate({name: case(name) for name in names}, 1, "boundaries"),
        unit="ms an image",
    )
