"""A stage as a user runs it: FineTuner from the checkpoint, with a feature store of its own."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.data import Data
from benchmarks.timing import clock
from finetune import FineTuner, Stage


@dataclass(frozen=True)
class StageRun:
    """What a stage took and gave.

    Attributes:
        seconds: the whole of `FineTuner.run`: features, epochs, the proof that nothing frozen moved, and the
            checkpoint on disk; not what comes before it (restoring, reading the images once to check them).
        losses: of each epoch.
        epochs: seconds of each.
        active: of each, the share of the triplets with a loss; empty without triplets.
    """

    seconds: float
    losses: tuple[float, ...]
    epochs: tuple[float, ...]
    active: tuple[float, ...] = ()


@contextlib.contextmanager
def feature_store(folder: Path) -> Iterator[None]:
    """Within it, finetune keeps features in this folder, not in the user's."""
    before = os.environ.get("FINETUNE_CACHE")
    os.environ["FINETUNE_CACHE"] = str(folder)
    try:
        yield
    finally:
        os.environ.pop("FINETUNE_CACHE")
        if before is not None:
            os.environ["FINETUNE_CACHE"] = before


def run_stage(
    data: Data, faces: Path, train_from: str, epochs: int, stage: Mapping[str, Any] | None = None, **settings: Any
) -> StageRun:
    """Runs one stage on `faces`, from a cold store, and leaves nothing behind.

    Args:
        stage: other values of the stage: `loss`, `mining`, ….
        settings: of the recipe: `batch_size`, `cache`, ….
    """
    timed = Stage("timed", train_from=train_from, epochs=epochs, **(stage or {}))
    with tempfile.TemporaryDirectory(dir=data.work) as folder, feature_store(Path(folder) / "store"):
        with contextlib.redirect_stdout(io.StringIO()):
            tuner = FineTuner(data.checkpoint, faces, Path(folder) / "run", **settings)
            tuner.begin()
            seconds = clock(lambda: tuner.run(timed))
        rows = tuner.rows
    active = tuple(row["active_triplets"] for row in rows if "active_triplets" in row.numbers)
    return StageRun(seconds, tuple(row["loss"] for row in rows), tuple(row["seconds"] for row in rows), active)
