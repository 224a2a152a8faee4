"""Embeddings from pixels in memory: finetune beside other runtimes, each checked against it first."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np

from benchmarks import peers, precision
from benchmarks.peers import PEERS, Embed
from benchmarks.report import Result, Target, number
from benchmarks.settings import Settings
from benchmarks.timing import alternate, ratio, timed
from finetune.dataset.images import central_crop, read_image
from finetune.dataset.scan import find_images
from finetune.progress import track

BATCH_SIZE = 32
SLOWEST = 5
"""A bfloat16 peer that takes so many times as long as finetune in float32 for its second batch is not timed further:
without units for bfloat16 it is computed in software."""
LEAST_COSINE = {"float32": 0.99999, "bfloat16": 0.99}
SLOW_TO_CONVERT = ("ONNX Runtime, float32",)


def run(settings: Settings) -> Result:
    """Checks every peer that is installed for parity, then times them in turn."""
    model = precision.restore(settings.data)
    size, n = model.preprocessing.image_size, settings.pick(8, 2) * BATCH_SIZE
    pixels = np.stack([central_crop(read_image(path), size) for path in find_images(settings.data.learn)[:n]])
    expected = model.embed(pixels[:BATCH_SIZE], batch_size=BATCH_SIZE)
    allowed = SLOWEST * _second_batch(lambda batch: model.embed(batch, batch_size=BATCH_SIZE), pixels)[0]

    candidates, notes = _candidates(settings)
    chosen: dict[str, Embed] = {}
    parity = [["peer", "largest difference", "least cosine"]]
    for name in track(candidates, len(candidates), "embed: preparing peers"):
        try:
            embed = candidates[name]()
            seconds, found = _second_batch(embed, pixels)
        except Exception as error:  # a runtime that can't do it here is no reason to leave the others out
            notes.append(f"{name}: left out, for it failed: {type(error).__name__}: {str(error).splitlines()[0][:200]}")
            continue
        difference, cosine = np.abs(found - expected).max(), _cosines(found, expected).min()
        parity.append([name, f"{difference:.1e}", f"{cosine:.6f}"])
        if cosine < LEAST_COSINE["bfloat16" if "bfloat16" in name else "float32"]:
            notes.append(f"{name}: left out, for its embeddings are others")
        elif "bfloat16" in name and seconds > allowed:
            notes.append(
                f"{name}: left out, for it takes {seconds:.3g} s a batch ({number(BATCH_SIZE / seconds)} images/s)"
            )
        else:
            chosen[name] = embed

    seconds = alternate(
        {name: timed(lambda e=e: _all(e, pixels)) for name, e in chosen.items()}, settings.rounds, "embed"
    )
    timings = {name: [n / value for value in values] for name, values in seconds.items()}
    return Result(
        "embed",
        f"{n} images of {size} pixels in memory, batches of {BATCH_SIZE}, pixels to embeddings.",
        timings,
        unit="images/s",
        targets=_targets(timings),
        tables={"Parity with finetune in float32": parity, "Against finetune in float32": _against(timings)},
        notes=notes,
    )


def _candidates(settings: Settings) -> tuple[dict[str, Callable[[], Embed]], list[str]]:
    candidates: dict[str, Callable[[], Embed]] = {}
    notes = []
    for name in precision.model_precisions():
        candidates[f"finetune, {name}"] = lambda name=name: _finetune(settings, name)
    model = precision.restore(settings.data)
    for name, (build, _) in PEERS.items():
        if missing := peers.missing(name):
            notes.append(
                f"{name}: left out, for {' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing"
            )
        elif settings.quick and name in SLOW_TO_CONVERT:
            notes.append(f"{name}: left out of quick runs, for converting it takes half a minute")
        else:
            candidates[name] = lambda build=build: build(model, BATCH_SIZE)
    return candidates, notes


def _finetune(settings: Settings, name: str) -> Embed:
    model = precision.restore(settings.data, name)
    return lambda pixels: model.embed(pixels, batch_size=BATCH_SIZE)


def _second_batch(embed: Embed, pixels: np.ndarray) -> tuple[float, np.ndarray]:
    """Seconds of a batch, once everything is traced, and its embeddings."""
    batch = pixels[:BATCH_SIZE]
    embed(batch)
    start = time.perf_counter()
    found = embed(batch)
    return time.perf_counter() - start, found


def _all(embed: Embed, pixels: np.ndarray) -> None:
    for start in range(0, len(pixels), BATCH_SIZE):
        embed(pixels[start : start + BATCH_SIZE])


def _cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def _against(timings: dict[str, list[float]]) -> list[list[str]]:
    ours = timings["finetune, float32"]
    rows = [["case", "images/s", "times finetune in float32"]]
    for name, values in timings.items():
        rows.append([name, number(statistics.median(values)), f"{ratio(values, ours):.2f}"])
    return rows


def _targets(timings: dict[str, list[float]]) -> list[Target]:
    """finetune at its fastest against the plain graph, and against the fastest of all others."""
    ours = {name: values for name, values in timings.items() if name.startswith("finetune")}
    others = {name: values for name, values in timings.items() if name not in ours}
    best = max(ours.values(), key=statistics.median)
    name, fastest = max(others.items(), key=lambda item: statistics.median(item[1]))
    return [
        Target(
            "finetune at its fastest / plain TensorFlow, float32",
            ratio(best, timings["TensorFlow, float32"]),
            1.0,
            True,
        ),
        Target(f"finetune at its fastest / the fastest peer ({name})", ratio(best, fastest), 1.0, True),
    ]
