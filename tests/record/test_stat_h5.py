"""`stat.h5` holds what it was given, epoch by epoch."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

pytest.importorskip("tensorflow")
from finetune.record.stat_h5 import Stat
from finetune.training.history import EpochRow

pytestmark = pytest.mark.tf


def rows(stage, epochs):
    return [EpochRow(stage, 1, i, {"learning_rate": 0.1 * i, "seconds": 0.0}) for i in range(1, epochs + 1)]


def steps(n, start=0):
    return [(float(start + i), 0.0, 0.0, 0.0, 0.0, 0.0) for i in range(n)]


def spread(epochs):
    return [np.full(1000, float(i)) for i in range(epochs)]


def test_each_epoch_keeps_the_number_of_its_own_steps(tmp_path):
    stat = Stat.empty().joined(rows("a", 2), steps(8), [6, 2], spread(2)).joined(rows("b", 1), steps(3), [3], spread(1))
    stat.write(tmp_path / "stat.h5")
    with h5py.File(tmp_path / "stat.h5") as stored:
        assert stored["epoch_steps"][:].tolist() == [6, 2, 3]
        assert stored["epoch_steps"].dtype == np.int64
        assert stored["loss"][:].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2]
    again = Stat.read(tmp_path / "stat.h5").first(1)
    assert (again.steps[:, 0].tolist(), again.epoch_steps.tolist()) == ([0, 1, 2, 3, 4, 5], [6])


@pytest.mark.parametrize(("epoch_steps", "kept_spread"), [([6, 2], 2), ([6, 2, 5], 3)])
def test_of_an_epoch_that_failed_nothing_is_kept(epoch_steps, kept_spread):
    """Drop the collected steps of an epoch that failed in a step, or after the last one. It has no row."""
    failed = Stat.empty().joined(rows("a", 2), steps(13), epoch_steps, spread(kept_spread))
    whole = Stat.empty().joined(rows("a", 2), steps(8), [6, 2], spread(2))
    for name in ("steps", "epochs", "epoch_steps", "spread"):
        np.testing.assert_array_equal(getattr(failed, name), getattr(whole, name))


def test_lfw_is_kept_beside_the_epoch_that_it_was_measured_after():
    stat = Stat.empty().joined(rows("a", 3), steps(3), [1, 1, 1], spread(3))
    measured = stat.measured(1, 0.75, 0.5)
    np.testing.assert_array_equal(measured.epochs[:, 4:6], [[0, 0], [0.75, 0.5], [0, 0]])
    np.testing.assert_array_equal(np.delete(measured.epochs, [4, 5], 1), np.delete(stat.epochs, [4, 5], 1))
    assert not stat.epochs[:, 4:6].any()


def test_lfw_within_a_stage_is_kept_unless_it_is_of_a_sample():
    measured = rows("a", 3)
    measured[1] = EpochRow("a", 1, 2, measured[1].numbers | {"lfw_accuracy": 0.75, "lfw_val": 0.5})
    parts = measured, steps(3), [1, 1, 1], spread(3)
    np.testing.assert_array_equal(Stat.empty().joined(*parts).epochs[:, 4:6], [[0, 0], [0.75, 0.5], [0, 0]])
    assert not Stat.empty().joined(*parts, lfw=False).epochs[:, 4:6].any()
