"""The history as scalars for TensorBoard."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import tensorflow as tf

from finetune.training import EpochRow, number_columns, sets_of

# This is the metadata that `tf.summary.scalar` writes. That function needs the package `tensorboard`.
_SCALAR = tf.compat.v1.SummaryMetadata(
    plugin_data=tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars"), data_class=1
)


class TensorBoard:
    """A writer of one scalar per column and row of the history.

    The tags are the columns of `history.csv`. The steps count the epochs of the whole run from 1. Only TensorFlow is
    needed. A resumed run writes all scalars anew from its history, so that none appears twice.

    Args:
        folder: folder of the event files; existing ones are replaced.
        rows: rows of the epochs so far.
    """

    def __init__(self, folder: Path, rows: Iterable[EpochRow]) -> None:
        for old in folder.glob("events.out.tfevents.*"):
            old.unlink()
        self._writer = tf.summary.create_file_writer(str(folder))
        self._step = 0
        for row in rows:
            self.add(row)

    def add(self, row: EpochRow) -> None:
        """Write the next epoch's scalars."""
        self._step += 1
        with self._writer.as_default(step=self._step):
            for name in number_columns(sets_of(row)):
                value = row.get(name)
                if value is not None:
                    tf.summary.write(name, tf.constant(value, tf.float32), metadata=_SCALAR)
        self._writer.flush()
