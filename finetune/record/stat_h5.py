"""`stat.h5`, the file that the published script keeps of a training, for those who plot from it."""

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
"""Datasets with a value an epoch; what was not measured is 0, as in the published script."""
EPOCH_STEPS = "epoch_steps"
"""Not of the published layout: how many steps each epoch had, which is the same number there."""


@dataclasses.dataclass(frozen=True)
class Stat:
    """What is kept of a training, stage after stage.

    Attributes:
        steps: [steps, 6], the columns `STEP_COLUMNS`.
        epochs: [epochs, 9], the columns `BY_EPOCH`.
        epoch_steps: int64 [epochs].
        spread: [epochs, 1000], how many prelogits had an absolute value in each thousandth of 0 to 10.
    """

    steps: Floats
    epochs: Floats
    epoch_steps: npt.NDArray[np.int64]
    spread: Floats

    @classmethod
    def empty(cls) -> Stat:
        """Of no epoch."""
        sizes = len(STEP_COLUMNS), len(BY_EPOCH), 1000
        steps, epochs, spread = (np.zeros([0, size], np.float32) for size in sizes)
        return cls(steps, epochs, np.zeros(0, np.int64), spread)

    def joined(
        self,
        rows: list[EpochRow],
        steps: list[tuple[float, ...]],
        epoch_steps: list[int],
        spread: list[Floats],
    ) -> Stat:
        """Return this, and the epochs of an attempt at a stage after it.

        Args:
            rows: of the attempt.
            steps, epoch_steps, spread: as `StageState` collects them.
        """
        if not rows:
            return self
        epochs = np.zeros([len(rows), len(BY_EPOCH)], np.float32)
        for values, row in zip(epochs, rows, strict=True):
            loss, accuracy = (row.get(name) or 0.0 for name in ("validation_loss", "validation_accuracy"))
            values[:] = (row["learning_rate"], row["seconds"], 0, 0, 0, 0, loss, loss, accuracy)
        # An epoch that failed has steps but no row.
        epoch_steps = epoch_steps[: len(rows)]
        return Stat(
            np.concatenate([self.steps, np.array(steps[: sum(epoch_steps)], np.float32)]),
            np.concatenate([self.epochs, epochs]),
            np.concatenate([self.epoch_steps, np.array(epoch_steps, np.int64)]),
            np.concatenate([self.spread, np.array(spread[: len(rows)], np.float32)]),
        )

    def measured(self, epoch: int, accuracy: float, val: float) -> Stat:
        """Return this with what LFW gave after an epoch.

        Args:
            epoch: its row in `epochs`.
            accuracy, val: the accuracy and the validation rate.
        """
        epochs = self.epochs.copy()
        epochs[epoch, BY_EPOCH.index("lfw_accuracy")], epochs[epoch, BY_EPOCH.index("lfw_valrate")] = accuracy, val
        return dataclasses.replace(self, epochs=epochs)

    def first(self, epochs: int) -> Stat:
        """The first epochs alone."""
        steps = int(self.epoch_steps[:epochs].sum())
        return Stat(self.steps[:steps], self.epochs[:epochs], self.epoch_steps[:epochs], self.spread[:epochs])

    def write(self, path: Path) -> None:
        """Writes the file, whole or not at all."""

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
        """What `write` wrote."""
        with h5py.File(path, "r") as stat:
            steps, epochs = (np.stack([stat[name][:] for name in names], 1) for names in (STEP_COLUMNS, BY_EPOCH))
            return cls(steps, epochs, stat[EPOCH_STEPS][:], stat["prelogits_hist"][:])
