"""Hard negatives from the bank against random ones: share of triplets with a loss, and time of an epoch."""

from __future__ import annotations

import statistics

from benchmarks.report import Result, Target
from benchmarks.settings import Settings
from benchmarks.stages import StageRun, run_stage
from benchmarks.timing import Case, alternate, ratio

CANDIDATES = 100
MOST_COST, LEAST_GAIN = 1.3, 3.0
RATE = 0.00001


def run(settings: Settings) -> Result:
    """Time the epochs of a triplet stage from Block8 on, with each kind of negatives."""
    data, epochs = settings.data, settings.pick(8, 3)
    faces = data.subset(24, people=6) if settings.quick else data.learn
    batch_size = settings.pick(90, 18)
    runs: dict[str, list[StageRun]] = {"random": [], "bank": []}

    def epoch(negatives: str) -> Case:
        def case() -> float:
            values = {
                "loss": "triplet",
                "mining": {"negatives": negatives, "candidates": CANDIDATES},
                "learning_rate": RATE,
            }
            done = run_stage(data, faces, "Block8", epochs, values, batch_size=batch_size)
            runs[negatives].append(done)
            # The first epoch computes the features of the frozen units for all epochs.
            return statistics.median(done.epochs[1:])

        return case

    timings = alternate({negatives: epoch(negatives) for negatives in runs}, settings.rounds, "mining")
    shares = {negatives: [run.active for run in done][-1] for negatives, done in runs.items()}
    gain = min(hard / max(easy, 1e-9) for easy, hard in zip(shares["random"], shares["bank"], strict=True))
    rows = [["epoch", *(str(number) for number in range(1, epochs + 1))]]
    rows += [[negatives, *(f"{share:.4f}" for share in active)] for negatives, active in shares.items()]
    return Result(
        "mining",
        f"Triplets from Block8 on, {epochs} epochs of the same number of steps, margin 0.2, {CANDIDATES} candidates; "
        "seconds of an epoch after the first.",
        timings,
        targets=[
            Target("epoch with the bank / with random negatives", ratio(timings["bank"], timings["random"]), MOST_COST),
            Target(
                "active triplets with the bank / with random ones, least of the epochs", gain, LEAST_GAIN, least=True
            ),
        ],
        tables={"Share of the triplets with a loss": rows},
        notes=["The bank is filled before the first epoch, from what the store keeps of the images."],
    )
