"""The scalars of a run's epochs, as TensorBoard reads them."""

from __future__ import annotations

import pytest

pytest.importorskip("tensorflow")

from finetune.record.tensorboard import TensorBoard
from finetune.training.history import EpochRow
from tests.runs.of_numbers import events

pytestmark = pytest.mark.tf


def row(loss: float) -> EpochRow:
    return EpochRow("s", 1, 1, {"loss": loss, "seconds": 0.0})


def losses(folder) -> list[tuple[int, float]]:
    import tensorflow as tf

    (path,) = folder.glob("events.out.tfevents.*")
    read = [(value, event.step) for event in events(path.read_bytes()) for value in event.summary.value]
    return [(step, float(tf.make_ndarray(value.tensor))) for value, step in read if value.tag == "loss"]


def test_epochs_are_numbered_from_one_through_the_run_and_written_anew_when_it_is_resumed(tmp_path):
    TensorBoard(tmp_path, []).add(row(4.0))
    written = TensorBoard(tmp_path, [row(4.0), row(2.0)])
    written.add(row(1.0))
    assert losses(tmp_path) == [(1, 4.0), (2, 2.0), (3, 1.0)]
