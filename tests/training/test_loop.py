"""The epochs of a stage: rates, the kept epoch, early stopping, NaN, resuming."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest

from finetune.errors import Interrupted, RunError
from finetune.recipe import Stage

pytest.importorskip("tensorflow")
from finetune.training import EpochRow, StageState, train
from finetune.training.history import Mean, from_csv, to_csv
from finetune.training.trainer import StepResult

pytestmark = pytest.mark.tf


class Scripted:
    """A trainer whose validation losses are given; its one weight counts the steps."""

    def __init__(self, stage, validation_losses, train_loss=1.0):
        self.stage, self.names = stage, ["w"]
        self.losses, self.train_loss = iter(validation_losses), train_loss
        self.rates, self.keys, self.weight = [], [], 0
        self.model = SimpleNamespace(tensors=lambda names: {"w": np.array(self.weight)}, assign=self._assign)

    def _assign(self, tensors):
        self.weight = int(tensors["w"]) if tensors else self.weight

    def step(self, features, labels, rate, key):
        self.rates.append(rate)
        self.keys.append(key)
        self.weight += 1
        return StepResult(self.train_loss, 1.0, 1.0, 1.0)

    def evaluate(self, features, labels):
        return StepResult(0.0, next(self.losses), 0.0, 1.0)


def run(trainer, state=None, validation=True, **options):
    state = state or StageState()
    batches = [(np.zeros([2, 1]), np.zeros(2, int))] * 2
    options = {"key": 7, "on_epoch": lambda _: None} | options
    train(trainer, state, lambda epoch: batches, 2, (lambda: batches[:1]) if validation else None, **options)
    return state


def test_keeps_the_epoch_of_lowest_validation_loss_and_the_earliest_on_ties():
    trainer = Scripted(Stage("s", "Logits", 4), [0.5, 0.2, 0.2, 0.4])
    state = run(trainer)
    assert (state.epoch, state.kept_epoch, trainer.weight) == (4, 2, 4)


def test_keeps_the_last_epoch_where_nothing_is_held_back():
    trainer = Scripted(Stage("s", "Logits", 3), [])
    state = run(trainer, validation=False)
    assert (state.kept_epoch, trainer.weight) == (3, 6)
    assert state.rows[-1].validation_loss is None


def test_stops_early_after_so_many_epochs_without_a_lower_loss():
    trainer = Scripted(Stage("s", "Logits", 9, early_stopping=2), [0.5, 0.4, 0.6, 0.7, 0.1])
    state = run(trainer)
    assert (state.epoch, state.kept_epoch) == (4, 2)


def test_each_epoch_has_its_rate_and_a_schedule_can_stop(tmp_path):
    schedule = tmp_path / "schedule.txt"
    schedule.write_text("0: 0.1\n2: 0.01\n4: -\n")
    trainer = Scripted(Stage("s", "Logits", 9, learning_rate={"file": str(schedule)}), [1.0] * 9)
    state = run(trainer)
    assert trainer.rates == [0.1, 0.1, 0.01, 0.01, 0.01, 0.01]
    assert state.epoch == 3


def test_no_two_steps_share_a_dropout_key():
    trainer = Scripted(Stage("s", "Logits", 3), [1.0] * 3)
    run(trainer)
    assert trainer.keys == [(7, step) for step in range(1, 7)]


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_no_number_ends_the_run_in_one_line(loss):
    with pytest.raises(RunError, match=r"stage 's', epoch 1, step 1: the loss became (nan|inf).*lower"):
        run(Scripted(Stage("s", "Logits", 3), [1.0], train_loss=loss))


def test_a_validation_loss_that_is_no_number_ends_the_run_too():
    with pytest.raises(RunError, match="epoch 2: the validation loss became nan"):
        run(Scripted(Stage("s", "Logits", 3), [1.0, math.nan]))


def test_an_interrupted_stage_goes_on_after_its_last_finished_epoch():
    stage = Stage("s", "Logits", 3)
    calls = []

    def check():
        calls.append(1)
        if len(calls) == 4:
            raise Interrupted("stop", 15)

    first, state = Scripted(stage, [0.9, 0.8, 0.7]), StageState()
    saved = {}
    with pytest.raises(Interrupted):
        run(first, state, check=check, on_epoch=lambda s: saved.update(epoch=s.epoch, step=s.step, weight=first.weight))
    assert saved == {"epoch": 1, "step": 2, "weight": 2}
    second = Scripted(stage, [0.8, 0.7])
    second.weight = saved["weight"]
    resumed = StageState(epoch=1, step=2, kept_epoch=1, kept={"w": np.array(2)}, best=0.9, rows=state.rows[:1])
    run(second, resumed)
    assert second.keys == [(7, step) for step in (3, 4, 5, 6)]
    assert [row.epoch for row in resumed.rows] == [1, 2, 3]


def test_means_weigh_a_partial_batch_by_its_images():
    mean = Mean()
    mean.add(StepResult(1.0, 2.0, 3.0, 4.0), 4)
    mean.add(StepResult(4.0, 5.0, 6.0, 1.0), 2)
    assert mean.result() == StepResult(2.0, 3.0, 4.0, 5 / 6)


def test_history_reads_back_exactly():
    rows = [
        EpochRow("a, b", 1, 0.1, 1 / 3, 0.1, 2.0, 0.5, None, None, 3.25),
        EpochRow("c", 2, 1e-05, 0.2, 0.1, 2.0, 0.5, 0.7, 0.9, 3.25),
    ]
    assert from_csv(to_csv(rows)) == rows
