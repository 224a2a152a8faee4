"""Reading and augmenting images of 182 pixels on one core and on two, against the way through TensorFlow's threads."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks.report import Result, Target
from benchmarks.settings import Settings
from benchmarks.timing import ratio
from finetune.images import read_image
from finetune.paths import find_images
from finetune.progress import track
from finetune.runtime import cores

ROOT = Path(__file__).resolve().parent.parent.parent
SIZE = 182
FORMATS: dict[str, tuple[str, dict[str, Any]]] = {
    "PNG": (".png", {"compress_level": 6}),
    "JPEG": (".jpg", {"quality": 92}),
}
OURS, BEFORE = "finetune", "tensorflow"
LEAST_PER_CORE, LEAST_FROM_ONE_TO_TWO, MANY_CORES = 2.0, 1.9, 16


def run(settings: Settings) -> Result:
    """Time both ways in processes of their own, in turn."""
    n = settings.pick(1000, 40)
    folder = settings.data.work / "input"
    write_images(folder, list(find_images(settings.data.everyone)[:n]))
    numbers = [1, 2] if cores() > 1 else [1]
    turns = [(way, number) for number in numbers for way in (BEFORE, OURS)] * settings.rounds
    found: dict[str, list[dict[str, Any]]] = {}
    for way, number in track(turns, len(turns), "input"):
        command = [sys.executable, "-m", "benchmarks.input_case", way, str(number), str(folder)]
        done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
        for what, figures in json.loads(done.stdout.splitlines()[-1]).items():
            found.setdefault(name(what, way, number), []).append(figures)
    rates = {case: [figures["rate"] for figures in of_rounds] for case, of_rounds in found.items()}
    whats = [f"{kind}, {rotation}" for kind in FORMATS for rotation in ("no rotation", "rotation")]
    targets = [target for what in whats for target in _targets(what, rates, max(numbers))]
    different = sum(
        mine["sha256"] != other["sha256"]
        for what in whats
        for number in numbers
        for mine, other in zip(found[name(what, OURS, number)], found[name(what, BEFORE, number)], strict=True)
    )
    targets.append(Target("readings whose pixels are not those of TensorFlow's way", different, 0, unit=""))
    return Result(
        "input",
        f"{n} faces of {SIZE} pixels, read, cropped to 160 and flipped, with rotation and without; {BEFORE} is the "
        "way through `tf.numpy_function`.",
        rates,
        unit="images/s",
        targets=targets,
        tables={"Computing per image, over all processes": _computing(found)},
        notes=[_extrapolated(what, rates, max(numbers)) for what in whats],
    )


def write_images(folder: Path, sources: list[Path]) -> None:
    """Write faces of 182 pixels in each format."""
    for kind, (suffix, options) in FORMATS.items():
        (folder / kind).mkdir(parents=True)
        for number, source in enumerate(sources):
            image = Image.fromarray(read_image(source)).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
            image.save(folder / kind / f"{number:05d}{suffix}", **options)


def name(what: str, way: str, number: int) -> str:
    """Return the name of a case."""
    return f"{what}, {way}, {number} {'core' if number == 1 else 'cores'}"


def _targets(what: str, rates: dict[str, list[float]], most: int) -> list[Target]:
    def of(way: str, number: int) -> list[float]:
        return rates[name(what, way, number)]

    both = [
        Target(
            f"{what}: finetune / tensorflow, {number} {'core' if number == 1 else 'cores'}",
            ratio(of(OURS, number), of(BEFORE, number)),
            LEAST_PER_CORE,
            least=True,
        )
        for number in range(1, most + 1)
    ]
    if most == 1:
        return both
    scaled = ratio(of(OURS, 2), of(OURS, 1))
    return [*both, Target(f"{what}: finetune, 2 cores / 1", scaled, LEAST_FROM_ONE_TO_TWO, least=True)]


def _computing(found: dict[str, list[dict[str, Any]]]) -> list[list[str]]:
    rows = [["case", "ms"]]
    for case, of_rounds in found.items():
        rows.append([case, f"{1000 * statistics.median(figures['computing'] for figures in of_rounds):.2f}"])
    return rows


def _extrapolated(what: str, rates: dict[str, list[float]], most: int) -> str:
    """Return what more cores would read if each read as much as here. Nothing of it was measured."""
    rate = statistics.median(rates[name(what, OURS, most)]) * MANY_CORES / most
    return (
        f"{what}: {MANY_CORES} cores would read {rate:,.0f} images per second if the rate grew linearly; not measured."
    )
