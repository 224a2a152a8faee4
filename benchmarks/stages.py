"""Stages as a user runs them: `FineTuner` from the checkpoint, with a separate feature cache."""

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
    """Duration and losses of a stage.

    Attributes:
        seconds: duration of `FineTuner.run`: features, epochs, the check that frozen variables are unchanged, and
            writing the checkpoint. Restoring and the first reading of the images are not included.
        losses: loss of each epoch.
        epochs: seconds of each epoch.
        active: share of the triplets with a loss in each epoch; empty without triplets.
    """

    seconds: float
    losses: tuple[float, ...]
    epochs: tuple[float, ...]
    active: tuple[float, ...] = ()


@contextlib.contextmanager
def feature_store(folder: Path) -> Iterator[None]:
    """Keep finetune's feature cache in this folder within a `with` block, instead of the user's."""
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
    """Run one stage on `faces` with an empty feature cache, and delete all that it wrote.

    Args:
        data: checkpoint and folder for temporary files.
        faces: folder of faces to train on.
        train_from: first unit that is trained.
        epochs: number of epochs.
        stage: other values of the stage: `loss`, `mining`, ….
        settings: values of the recipe: `batch_size`, `cache`, ….
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
