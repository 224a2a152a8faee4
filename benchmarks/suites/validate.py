"""LFW, and three sets that share its images, as `finetune validate` measures them, against the embedding alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.report import Result, Target
from benchmarks.settings import Settings
from benchmarks.timing import alternate, clock, ratio, timed
from finetune import Model, evaluate_pairs
from finetune.recipe.measured import MeasuredSet
from finetune.recipe.sections import LFW
from finetune.verification.measuring import measure_lfw
from finetune.verification.opening import open_pairs
from finetune.verification.pairs import ImagePairs
from finetune.verification.protocols import K_FOLD
from finetune.verification.result import VerificationResult
from finetune.verification.sets import PairSet, measure_sets

WHOLE, EMBEDDING, PROTOCOL = "validate", "embedding alone", "protocol alone, 6,000 pairs"
SETS = "three sets of the same images"
PAIRS, FOLDS = 6000, 10
MANY_PAIRS, MANY_IMAGES, VALUES = 1_000_000, 100_000, 512


def _set(settings: Settings, name: str, pairs: ImagePairs) -> PairSet:
    """Return a set with LFW's pairs and another distance, with mirror images too."""
    data = settings.data
    values = {"name": name, "images": data.everyone, "pairs": data.pairs, "distance": name, "flip": True}
    return PairSet(name, MeasuredSet.from_values(values), pairs)


def _many(settings: Settings) -> Callable[[], object]:
    """Draw many embeddings and pairs, and return a function that judges them in the slowest of the settings."""
    generator = np.random.default_rng(2)
    n, images = settings.pick(MANY_PAIRS, 10_000), settings.pick(MANY_IMAGES, 1_000)
    rows = generator.standard_normal((images, VALUES), np.float32)
    index = generator.integers(images, size=(2, n))
    paths = tuple(Path(f"{number}.png") for number in range(images))
    pairs = ImagePairs(paths, index[0], index[1], np.arange(n) % 2 == 0, FOLDS)
    return lambda: K_FOLD.evaluate(rows, pairs, distance="cosine", subtract_mean=True)


def run(settings: Settings) -> Result:
    """Time both in bfloat16, and the protocol alone on random embeddings.

    In bfloat16 the embedding is fastest, so the rest weighs most. The protocol's time does not depend on the values.
    """
    data = settings.data
    lfw = LFW(dir=data.everyone, pairs=data.pairs, distance="cosine", subtract_mean=True, flip=True)
    pairs, model = open_pairs(lfw), Model.restore(settings.data.checkpoint, precision="bfloat16")
    model.embed(pairs.paths[:1])  # traces the network before anything is timed
    drawn = np.random.default_rng(1).normal(size=(2, PAIRS, 2 * model.embedding_size)).astype(np.float32)
    is_same = np.arange(PAIRS) // (PAIRS // FOLDS // 2) % 2 == 0

    def protocol() -> None:
        evaluate_pairs(drawn[0], drawn[1], is_same, distance="cosine", subtract_mean=True, n_folds=FOLDS)

    sets = [PairSet("lfw", lfw, pairs), *(_set(settings, name, pairs) for name in ("euclidean", "cosine"))]
    measured: list[VerificationResult] = []
    timings = alternate(
        {
            WHOLE: timed(lambda: measured.append(measure_lfw(model.embed, pairs, lfw))),
            EMBEDDING: timed(lambda: model.embed(pairs.paths, flip=True)),
            PROTOCOL: timed(protocol),
            SETS: timed(lambda: measure_sets(model.embed, sets)),
        },
        settings.rounds,
        "validate",
    )
    lowered, full = measured[0], measure_lfw(Model.restore(settings.data.checkpoint).embed, pairs, lfw)
    targets = [
        Target("accuracy in bfloat16, off float32's", abs(lowered.accuracy - full.accuracy), 0.001, unit=""),
        Target("validate / embedding alone", ratio(timings[WHOLE], timings[EMBEDDING]), 1.15),
        Target("the protocol on 6,000 pairs", float(np.median(timings[PROTOCOL])), 1.0, unit="s"),
        Target("three sets / embedding alone of their distinct images", ratio(timings[SETS], timings[EMBEDDING]), 1.05),
        Target("the protocol on a million pairs of 100,000 images", clock(_many(settings)), 60.0, unit="s"),
    ]
    about = f"{len(pairs.is_same)} pairs of {len(pairs.paths)} images, both ways: cosine, mean subtracted; bfloat16."
    notes = [f"Accuracy: float32 {full.accuracy:.5f}, bfloat16 {lowered.accuracy:.5f}."]
    return Result("validate", about, timings, targets=targets, notes=notes)
