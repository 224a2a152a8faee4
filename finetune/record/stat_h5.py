"""The file `stat.h5` of the published training script, for people who plot from it."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt

from finetune import files
from finetune.training import STEP_COLUMNS, EpochRow

Floats = npt.NDArray[np.float32]
BY_EPOCH = (
    "learning_rate",
    "time_train",
    "time_validate",
    "time_evaluate",
    "lfw_accuracy",
    "lfw_valrate",
    "val_loss",
    "val_xent_loss",
    "val_accuracy",
)
"""Datasets with one value per epoch. Missing values are 0, as in the published script."""
EPOCH_STEPS = "epoch_steps"
"""Dataset with the steps per epoch. The published layout lacks it, since that number is constant there."""


@dataclasses.dataclass(frozen=True)
class Stat:
    """The content of `stat.h5`, stage after stage.

    Attributes:
        steps: values per step, [steps, 6], with the columns `STEP_COLUMNS`.
        epochs: values per epoch, [epochs, 9], with the columns `BY_EPOCH`.
        epoch_steps: steps of each epoch, int64 [epochs].
        spread: histogram of the prelogits' absolute values in 1000 bins from 0 to 10, [epochs, 1000].
    """

    steps: Floats
    epochs: Floats
    epoch_steps: npt.NDArray[np.int64]
    spread: Floats

    @classmethod
    def empty(cls) -> Stat:
        """Return the content before the first epoch."""
        sizes = len(STEP_COLUMNS), len(BY_EPOCH), 1000
        steps, epochs, spread = (np.zeros([0, size], np.float32) for size in sizes)
        return cls(steps, epochs, np.zeros(0, np.int64), spread)

    def joined(
        self,
        rows: list[EpochRow],
        steps: list[tuple[float, ...]],
        epoch_steps: list[int],
        spread: list[Floats],
        *,
        lfw: bool = True,
    ) -> Stat:
        """Return this content followed by the epochs of an attempt at a stage.

        Args:
            rows: history rows of the attempt.
            steps, epoch_steps, spread: values of the attempt, from its `StageState`.
            lfw: False to leave out the figures on LFW, which are on a sample of the pairs.
        """
        if not rows:
            return self
        epochs = np.zeros([len(rows), len(BY_EPOCH)], np.float32)
        for values, row in zip(epochs, rows, strict=True):
            loss, accuracy = (row.get(name) or 0.0 for name in ("validation_loss", "validation_accuracy"))
            on_lfw = [row.get(name) or 0.0 for name in ("lfw_accuracy", "lfw_val")] if lfw else [0.0, 0.0]
            values[:] = (row["learning_rate"], row["seconds"], 0, 0, *on_lfw, loss, loss, accuracy)
        # A failed epoch has steps but no row.
        epoch_steps = epoch_steps[: len(rows)]
        return Stat(
            np.concatenate([self.steps, np.array(steps[: sum(epoch_steps)], np.float32)]),
            np.concatenate([self.epochs, epochs]),
            np.concatenate([self.epoch_steps, np.array(epoch_steps, np.int64)]),
            np.concatenate([self.spread, np.array(spread[: len(rows)], np.float32)]),
        )

    def measured(self, epoch: int, accuracy: float, val: float) -> Stat:
        """Return this content with the LFW result after an epoch.

        Args:
            epoch: row of the epoch in `epochs`.
            accuracy, val: accuracy and validation rate.
        """
        epochs = self.epochs.copy()
        epochs[epoch, BY_EPOCH.index("lfw_accuracy")], epochs[epoch, BY_EPOCH.index("lfw_valrate")] = accuracy, val
        return dataclasses.replace(self, epochs=epochs)

    def first(self, epochs: int) -> Stat:
        """Return the content of only the first epochs."""
        steps = int(self.epoch_steps[:epochs].sum())
        return Stat(self.steps[:steps], self.epochs[:epochs], self.epoch_steps[:epochs], self.spread[:epochs])

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all."""

        content = io.BytesIO()
        with h5py.File(content, "w") as stat:
            for name, values in zip(STEP_COLUMNS, self.steps.T, strict=True):
                stat[name] = values
            for name, values in zip(BY_EPOCH, self.epochs.T, strict=True):
                stat[name] = values
            stat["prelogits_hist"] = self.spread
            stat[EPOCH_STEPS] = self.epoch_steps
        files.write(path, lambda file: file.write(content.getvalue()))

    @classmethod
    def read(cls, path: Path) -> Stat:
        """Read a file of `write`."""
        with h5py.File(path, "r") as stat:
            steps, epochs = (np.stack([stat[name][:] for name in names], 1) for names in (STEP_COLUMNS, BY_EPOCH))
            return cls(steps, epochs, stat[EPOCH_STEPS][:], stat["prelogits_hist"][:])
