"""LFW as `finetune validate` measures it, against the embedding alone of its images and their mirror images."""

from __future__ import annotations

import numpy as np

from benchmarks.report import Result, Target
from benchmarks.settings import Settings
from benchmarks.timing import alternate, ratio, timed
from finetune import Model, evaluate_pairs
from finetune.recipe.sections import LFW
from finetune.verification.measuring import measure_lfw
from finetune.verification.opening import open_pairs
from finetune.verification.result import VerificationResult

WHOLE, EMBEDDING, PROTOCOL = "validate", "embedding alone", "protocol alone, 6,000 pairs"
PAIRS, FOLDS = 6000, 10


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

    measured: list[VerificationResult] = []
    timings = alternate(
        {
            WHOLE: timed(lambda: measured.append(measure_lfw(model.embed, pairs, lfw))),
            EMBEDDING: timed(lambda: model.embed(pairs.paths, flip=True)),
            PROTOCOL: timed(protocol),
        },
        settings.rounds,
        "validate",
    )
    lowered, full = measured[0], measure_lfw(Model.restore(settings.data.checkpoint).embed, pairs, lfw)
    targets = [
        Target("accuracy in bfloat16, off float32's", abs(lowered.accuracy - full.accuracy), 0.001, unit=""),
        Target("validate / embedding alone", ratio(timings[WHOLE], timings[EMBEDDING]), 1.15),
        Target("the protocol on 6,000 pairs", float(np.median(timings[PROTOCOL])), 1.0, unit="s"),
    ]
    about = f"{len(pairs.is_same)} pairs of {len(pairs.paths)} images, both ways: cosine, mean subtracted; bfloat16."
    notes = [f"Accuracy: float32 {full.accuracy:.5f}, bfloat16 {lowered.accuracy:.5f}."]
    return Result("validate", about, timings, targets=targets, notes=notes)
