"""Embedding of pixels in memory: finetune against other runtimes, which are first checked against it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import tensorflow as tf

from benchmarks import peers
from benchmarks.peers import PEERS, Embed
from benchmarks.report import Result, Target, number
from benchmarks.settings import Settings
from benchmarks.timing import Case, alternate, clock, ratio, timed
from finetune import Model, network
from finetune.images import network_inputs
from finetune.images.preprocessing import Precision, Runtime
from finetune.paths import find_images
from finetune.progress import track

OURS = "finetune, float32"
LOWERED = "finetune, bfloat16"
EXTRA = "finetune with OpenVINO"
BATCH_SIZE, QUICK_BATCH_SIZE = 32, 16
SLOWEST = 5
"""Limit for bfloat16 peers, in times of finetune's float32 time for the second batch. A slower peer is not timed
further: without units for bfloat16, it computes in software."""
LEAST_COSINE = {"float32": 0.99999, "bfloat16": 0.99}
CEILING = "one large matrix product, {}"
SIDE, PRODUCTS = 2048, 8
"""Side of the square matrices that show the machine's peak rate, and the number of products to time."""
SLOW_TO_CONVERT = ("ONNX Runtime, float32",)


def run(settings: Settings) -> Result:
    """Check each installed peer for parity, then time them in turn."""
    preprocessing, batch_size = Model.restore(settings.data.checkpoint).preprocessing, _batch_size(settings)
    n, size = settings.pick(8, 2) * batch_size, preprocessing.image_size
    pixels = network_inputs(find_images(settings.data.learn)[:n], preprocessing)
    candidates, notes = _candidates(settings)
    chosen, parity = _checked(candidates, pixels[:batch_size], notes)
    cases = {
        # finetune makes batches itself, as it does for a user.
        name: timed(partial(embed, pixels) if name.startswith("finetune") else partial(_all, embed, pixels, batch_size))
        for name, embed in chosen.items()
    }
    cases |= {CEILING.format(precision): _ceiling(settings, precision, n) for precision in LEAST_COSINE}
    taken = alternate(cases, settings.rounds, "embed")
    timings = {name: [n / value for value in values] for name, values in taken.items()}
    return Result(
        "embed",
        f"{n} images of {size} pixels in memory, batches of {batch_size}, pixels to embeddings.",
        timings,
        unit="images/s",
        targets=_targets(timings),
        tables={f"Parity with {OURS}": parity, f"Against {OURS}": _against(timings)},
        notes=[*notes, *_headroom(timings)],
    )


def _ceiling(settings: Settings, precision: str, images: int) -> Case:
    """Return a case: the seconds of the images' multiply-adds at the rate of a large matrix product."""
    model = Model.restore(settings.data.checkpoint)
    work = images * sum(model.multiply_adds()[network.BODY])
    matrix = tf.cast(tf.random.stateless_uniform([SIDE, SIDE], (1, 2)), precision)

    def products() -> None:
        for _ in range(PRODUCTS):
            tf.matmul(matrix, matrix)[0, 0].numpy()

    return lambda: clock(products) * work / (PRODUCTS * SIDE**3)


def _headroom(timings: dict[str, list[float]]) -> list[str]:
    """Return notes that compare finetune's rate with the machine's rate of pure arithmetic."""
    return [
        f"{ours} does its multiply-adds at {ratio(timings[ours], timings[ceiling]):.2f} of the rate of {ceiling}."
        for ours, ceiling in ((OURS, CEILING.format("float32")), (LOWERED, CEILING.format("bfloat16")))
        if ours in timings
    ]


def _checked(
    candidates: dict[str, Callable[[], Embed]], batch: np.ndarray, notes: list[str]
) -> tuple[dict[str, Embed], list[list[str]]]:
    """Return the peers to time, and a table of their parity with finetune on one batch.

    A peer is left out if it fails, if its embeddings differ, or if it is too slow.

    Args:
        candidates: functions that build the peers, by name; finetune in float32 is first.
        batch: images, uint8 [n, s, s, 3].
        notes: list to which the reasons for leaving out peers are added.
    """
    chosen: dict[str, Embed] = {}
    parity = [["peer", "largest difference", "least cosine"]]
    allowed, expected = 0.0, np.empty(0)
    for name in track(candidates, len(candidates), "embed: preparing peers"):
        try:
            embed = candidates[name]()
            seconds, found = _second_pass(embed, batch)
        except Exception as error:  # one runtime that fails must not stop the others
            notes.append(f"{name}: left out, for it failed: {' '.join(repr(error).split())[:200]}")
            continue
        if name == OURS:
            allowed, expected = SLOWEST * seconds, found
        cosine = _cosines(found, expected).min()
        parity.append([name, f"{np.abs(found - expected).max():.1e}", f"{cosine:.6f}"])
        if cosine < LEAST_COSINE["bfloat16" if "bfloat16" in name else "float32"]:
            notes.append(f"{name}: left out, for its embeddings are others")
        elif "bfloat16" in name and seconds > allowed:
            rate = number(len(batch) / seconds)
            notes.append(f"{name}: left out, for it takes {seconds:.3g} s a batch ({rate} images/s)")
        else:
            chosen[name] = embed
    return chosen, parity


def _candidates(settings: Settings) -> tuple[dict[str, Callable[[], Embed]], list[str]]:
    # finetune in float32 is first, because the others are compared with it.
    candidates: dict[str, Callable[[], Embed]] = {}
    notes = []
    candidates[OURS] = partial(_finetune, settings)
    candidates[LOWERED] = partial(_finetune, settings, precision="bfloat16")
    if not peers.missing("OpenVINO, float32"):
        candidates[f"{EXTRA}, float32"] = partial(_finetune, settings, runtime="openvino")
        candidates[f"{EXTRA}, bfloat16"] = partial(_finetune, settings, runtime="openvino", precision="bfloat16")
    model = Model.restore(settings.data.checkpoint)
    for name, (build, _) in PEERS.items():
        if missing := peers.missing(name):
            notes.append(
                f"{name}: left out, for {' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing"
            )
        elif settings.quick and name in SLOW_TO_CONVERT:
            notes.append(f"{name}: left out of quick runs, for converting it takes half a minute")
        else:
            candidates[name] = partial(build, model, _batch_size(settings))
    return candidates, notes


def _finetune(settings: Settings, precision: Precision = "float32", runtime: Runtime = "tensorflow") -> Embed:
    """Return finetune's embedding as a user calls it, with its default batch size."""
    model = Model.restore(settings.data.checkpoint, precision=precision, runtime=runtime)
    return lambda pixels: model.embed(pixels)


def _batch_size(settings: Settings) -> int:
    return settings.pick(BATCH_SIZE, QUICK_BATCH_SIZE)


def _second_pass(embed: Embed, batch: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the seconds of a batch after tracing, and its embeddings."""
    embed(batch)
    start = time.perf_counter()
    found = embed(batch)
    return time.perf_counter() - start, found


def _all(embed: Embed, pixels: np.ndarray, batch_size: int) -> None:
    for start in range(0, len(pixels), batch_size):
        embed(pixels[start : start + batch_size])


def _cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def _against(timings: dict[str, list[float]]) -> list[list[str]]:
    ours = timings[OURS]
    rows = [["case", "images/s", f"times {OURS}"]]
    for name, values in timings.items():
        rows.append([name, number(statistics.median(values)), f"{ratio(values, ours):.2f}"])
    return rows


def _targets(timings: dict[str, list[float]]) -> list[Target]:
    """Return the targets of finetune in both precisions and of the OpenVINO extra; a missing peer gives no figure."""

    def target(ours: str, peer: str, least: float) -> Target:
        figure = ratio(timings[ours], timings[peer]) if ours in timings and peer in timings else None
        return Target(f"{ours} / {peer}", figure, least, least=True)

    lowered = [name for name in timings if name.startswith("PyTorch, bfloat16")]
    fastest = max(lowered, key=lambda name: statistics.median(timings[name]), default="PyTorch, bfloat16")
    return [
        target(OURS, "TensorFlow, float32", 1.0),
        target(OURS, "ONNX Runtime, float32", 1.0),
        target(LOWERED, "TensorFlow, bfloat16", 1.6),
        target(LOWERED, fastest, 1.7),
        target(f"{EXTRA}, float32", "OpenVINO, float32", 0.95),
        target(f"{EXTRA}, bfloat16", "OpenVINO, bfloat16", 0.95),
    ]
