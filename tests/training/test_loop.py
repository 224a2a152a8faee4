"""The epochs of a stage: rates, the kept epoch, early stopping, NaN, resuming."""

from __future__ import annotations

import contextlib
import math
from types import SimpleNamespace

import numpy as np
import pytest

from finetune.errors import Interrupted, Problem, RunError
from finetune.recipe.stage import Stage

pytest.importorskip("tensorflow")
from finetune.dataset.pipeline import Batch
from finetune.training import loop
from finetune.training.history import EpochRow
from finetune.training.loop import Data, Run, StageFailed, train
from finetune.training.metrics import Means, metrics_of
from finetune.training.sampling.sampler import Sampler
from finetune.training.state import StageState

pytestmark = pytest.mark.tf


class Scripted:
    """A trainer with given validation losses, whose one weight counts the steps."""

    def __init__(self, stage, validation_losses, train_loss=1.0):
        self.stage, self.names, self.metrics = stage, ["w"], metrics_of(stage)
        self.losses, self.train_loss = iter(validation_losses), train_loss
        self.rates, self.keys, self.weight = [], [], 0
        self.model = SimpleNamespace(tensors=lambda names: {"w": np.array(self.weight)}, assign=self._assign)
        self.seen = lambda: np.full([2, 512], 3.0)

    def _assign(self, tensors):
        self.weight = int(tensors["w"]) if tensors else self.weight

    def step(self, features, labels, rate, key, **_):
        self.rates.append(rate)
        self.keys.append(key)
        self.weight += 1
        return self.given(loss=self.train_loss, cross_entropy=1.0, correct=1.0)

    def evaluate(self, features, labels):
        return self.given(cross_entropy=next(self.losses, 0.5), correct=1.0)

    def averaged(self):
        return contextlib.nullcontext()

    def given(self, **metrics):
        """Return the metrics of a step of the stage, 0 where no value is given."""
        return dict.fromkeys((metric.name for metric in self.metrics), 0.0) | metrics


def run(trainer, state=None, validation=True, **options):
    state = state or StageState()
    batches = [Batch(np.zeros([2, 1]), np.zeros(2, int), np.array([0, 1]))] * 2
    sampler = Sampler(trainer.stage, np.array([0, 0, 1, 1]), 2, 0, 1)
    data = Data(lambda epoch: batches, sampler, (lambda: batches[:1]) if validation else None)
    train(trainer, state, data, Run(**{"key": 7} | options))
    return state


def test_keeps_the_epoch_of_lowest_validation_loss_and_the_earliest_on_ties():
    trainer = Scripted(Stage("s", "Logits", 4), [0.5, 0.2, 0.2, 0.4])
    state = run(trainer)
    assert (state.epoch, state.kept_epoch, trainer.weight) == (4, 2, 4)


def test_the_averages_are_kept_and_measured_where_the_stage_asks_for_them():
    trainer = Scripted(Stage("s", "Logits", 2), [0.5, 0.2])

    @contextlib.contextmanager
    def averaged():
        raw, trainer.weight = trainer.weight, 100 + trainer.weight
        yield
        trainer.weight = raw

    trainer.averaged, measured = averaged, []
    run(trainer, measure=lambda epoch: measured.append(trainer.weight) or {})
    assert measured == [102, 104]
    assert trainer.weight == 104  # the averages after four steps, whose raw weight is 4


def test_keeps_the_last_epoch_where_nothing_is_held_back():
    trainer = Scripted(Stage("s", "Logits", 3), [])
    state = run(trainer, validation=False)
    assert (state.kept_epoch, trainer.weight) == (3, 6)
    assert state.rows[-1].get("validation_loss") is None


def test_stops_early_after_so_many_epochs_without_a_lower_loss(capsys):
    trainer = Scripted(Stage("s", "Logits", 9, early_stopping=2), [0.5, 0.4, 0.6, 0.7, 0.1])
    state = run(trainer)
    assert (state.epoch, state.kept_epoch) == (4, 2)
    said = capsys.readouterr().out
    assert "stage 's' ends after epoch 4 of 9: no lower validation loss in 2 epochs\n" in said


def test_a_stage_that_does_all_its_epochs_says_nothing_of_its_end(capsys):
    run(Scripted(Stage("s", "Logits", 2, learning_rate={0: 0.1, 3: "-"}, early_stopping=9), [0.5, 0.6]))
    assert "ends after" not in capsys.readouterr().out


def test_each_epoch_has_its_rate_and_a_schedule_can_stop(tmp_path, capsys):
    schedule = tmp_path / "schedule.txt"
    schedule.write_text("0: 0.1\n2: 0.01\n4: -\n")
    trainer = Scripted(Stage("s", "Logits", 9, learning_rate={"file": str(schedule)}), [1.0] * 9)
    state = run(trainer)
    assert trainer.rates == [0.1, 0.1, 0.01, 0.01, 0.01, 0.01]
    assert state.epoch == 3
    assert "stage 's' ends after epoch 3 of 9: its schedule stops there\n" in capsys.readouterr().out


def test_a_warm_up_counts_the_steps_of_limited_epochs():
    """Warm up over 1.5 epochs of 4 steps: 6 steps, then the whole rate."""
    trainer = Scripted(Stage("s", "Logits", 3, learning_rate=0.6, warmup_epochs=1.5, steps_per_epoch=4), [1.0] * 3)
    labels, state = np.arange(20) % 2, StageState()

    def batches(epoch):
        parts = np.split(epoch.order, range(epoch.batch_size, len(epoch.order), epoch.batch_size))
        return [Batch(np.zeros([len(rows), 1]), labels[rows], rows) for rows in parts]

    sampler = Sampler(trainer.stage, labels, 2, 0, 1)
    train(trainer, state, Data(batches, sampler), Run(key=7, keeps_steps=True))
    assert trainer.rates == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5] + [0.6] * 7)
    assert (state.step, state.kept_step, state.epoch_steps) == (12, 12, [4, 4, 4])
    assert sampler.drawn.sum() == 3 * 4 * 2
    assert set(sampler.drawn.tolist()) == {1, 2}  # 24 draws of 20 images: the fourth epoch's part would end the round


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


def test_an_interrupted_stage_goes_on_after_its_last_finished_epoch(monkeypatch):
    stage = Stage("s", "Logits", 3)
    calls = []

    def stop():
        calls.append(1)
        if len(calls) == 4:
            raise Interrupted(Problem("", "stop"), 15)

    first, state = Scripted(stage, [0.9, 0.8, 0.7]), StageState()
    saved = {}
    with monkeypatch.context() as patched:
        patched.setattr(loop, "stop_if_asked", stop)
        with pytest.raises(Interrupted):
            run(first, state, on_epoch=lambda s: saved.update(epoch=s.epoch, step=s.step, weight=first.weight))
    assert saved == {"epoch": 1, "step": 2, "weight": 2}
    second = Scripted(stage, [0.8, 0.7])
    second.weight = saved["weight"]
    resumed = StageState(epoch=1, step=2, kept_epoch=1, kept={"w": np.array(2)}, best=0.9, rows=state.rows[:1])
    run(second, resumed)
    assert second.keys == [(7, step) for step in (3, 4, 5, 6)]
    assert [row.epoch for row in resumed.rows] == [1, 2, 3]


def test_means_weigh_a_partial_batch_by_its_images_and_triplets_by_their_number():
    trainer = Scripted(Stage("s", "Block8", 1), [])
    means = Means(trainer.metrics)
    means.add(trainer.given(loss=1.0, cross_entropy=2.0, prelogits_norm=3.0, correct=4.0), 4)
    means.add(trainer.given(loss=4.0, cross_entropy=5.0, prelogits_norm=6.0, correct=1.0), 2)
    assert means.result() == trainer.given(loss=2.0, cross_entropy=3.0, prelogits_norm=4.0, correct=5 / 6)
    trainer = Scripted(Stage("s", "Block8", 1, loss="triplet"), [])
    means = Means(trainer.metrics)
    means.add(trainer.given(triplet=0.1, triplets=3, active=3, positive_distance=3.0, negative_distance=6.0), 9)
    means.add(trainer.given(triplet=0.5, triplets=1, active=0, positive_distance=2.0, negative_distance=1.0), 9)
    mean = means.result()
    assert mean["triplet"] == pytest.approx(0.2)
    found = [mean[name] for name in ("active", "positive_distance", "negative_distance", "triplets")]
    assert found == [0.75, 1.25, 1.75, 4]


def test_the_rate_rises_in_equal_steps_over_the_warm_up():
    trainer = Scripted(Stage("s", "Logits", 3, learning_rate=0.1, warmup_epochs=1.5), [1.0] * 3)
    run(trainer)
    assert trainer.rates == pytest.approx([0.1 / 3, 0.2 / 3, 0.1, 0.1, 0.1, 0.1])


def test_an_attempt_at_a_lower_rate_scales_the_whole_schedule():
    accept = {"metric": "lfw_val", "max_drop": 0.0, "otherwise": "retry", "rate_factor": 0.1}
    trainer = Scripted(Stage("s", "Logits", 2, learning_rate={0: 0.1, 2: 0.01}, accept=accept), [1.0, 0.5])
    first = StageState(rows=[EpochRow("s", 1, 1, {"loss": 1.0})], rejected=[])
    state = run(trainer, first.again(trainer.stage, "worse"))
    assert trainer.rates == pytest.approx([0.01, 0.01, 0.001, 0.001])
    assert [(r.attempt, r.epoch) for r in state.rows] == [(1, 1), (2, 1), (2, 2)]
    assert (state.kept_epoch, state.rejected, len(state.current)) == (2, ["worse"], 2)


def test_weights_that_are_no_numbers_end_the_stage_with_what_was_kept_before():
    trainer = Scripted(Stage("s", "Logits", 3), [0.5, 0.4, 0.3])
    trainer.model.tensors = lambda names: {"w": np.array(np.nan if trainer.weight > 2 else trainer.weight)}
    state = StageState()
    with pytest.raises(StageFailed, match=r"epoch 2: the weights became no finite numbers; the weights of epoch 1 are"):
        run(trainer, state)
    assert (state.kept_epoch, state.kept["w"], state.kept_step) == (1, 2, 2)


def test_weights_that_the_last_step_of_an_epoch_destroyed_are_not_kept():
    trainer = Scripted(Stage("s", "Logits", 3), [])
    trainer.evaluate = lambda *_: trainer.given(loss=math.nan if trainer.weight > 2 else 1.0)
    state = StageState()
    with pytest.raises(StageFailed, match=r"epoch 2: the loss became nan; the weights of epoch 1 are kept"):
        run(trainer, state, validation=False)
    assert (state.kept_epoch, state.kept["w"]) == (1, 2)


def test_each_step_is_collected_in_the_published_order_where_it_is_asked_for():
    trainer = Scripted(Stage("s", "Logits", 2), [1.0, 1.0], train_loss=1.25)
    seen = iter([np.full([2, 4], -0.005), np.full([2, 4], 25.0)] * 2)
    trainer.seen = lambda: next(seen)
    state = run(trainer, keeps_steps=True)
    assert state.steps == [(1.25, 0.0, 0.25, 1.0, 0.0, 0.5)] * 4
    assert state.epoch_steps == [2, 2]
    for spread in state.spread:
        assert {place: count for place, count in enumerate(spread) if count} == {0: 8, 999: 8}


def test_what_is_measured_after_an_epoch_is_in_its_row():
    state = run(Scripted(Stage("s", "Logits", 1), [1.0]), measure=lambda epoch: {"strangers_accuracy": 0.9})
    assert state.rows[0]["strangers_accuracy"] == 0.9
    assert (state.rows[0]["drawn_mean"], state.rows[0]["drawn_std"]) == (1.0, 1.0)


class Collapsing(Scripted):
    """A trainer of triplets whose distances shrink from epoch to epoch."""

    def step(self, features, labels, rate, key, **_):
        self.weight += 1
        apart = 1.0 if self.weight <= 4 else 0.02
        distances = {"positive_distance": apart, "negative_distance": 2 * apart}
        return self.given(loss=0.2, triplet=0.2, triplets=2, active=2, **distances)

    def evaluate(self, features, labels):
        return self.given(triplet=next(self.losses, 0.5), triplets=1)


@pytest.mark.parametrize(("validation", "kept"), [(True, 1), (False, None)])
def test_embeddings_that_collapse_end_the_stage_with_what_was_good_before(validation, kept):
    trainer = Collapsing(Stage("s", "Block8", 9, loss="triplet"), [0.1, 0.2, 0.2])
    state = StageState()
    with pytest.raises(StageFailed, match=r"stage 's', epoch 3: the embeddings have collapsed: .* give mining"):
        run(trainer, state, validation=validation)
    assert state.rows[-1]["active_triplets"] == 1.0
    assert (state.kept_epoch if state.kept else None) == kept


def test_validation_that_parts_from_training_is_said_while_the_run_goes_on(capsys):
    trainer = Scripted(Stage("s", "Logits", 6), [0.3, 0.4, 0.5, 0.6, 0.7, 0.8])
    losses = iter(np.repeat([1.0, 0.9, 0.8, 0.7, 0.6, 0.5], 2))
    trainer.step = lambda *_, **__: trainer.given(loss=next(losses), cross_entropy=1.0)
    run(trainer)
    said = capsys.readouterr().out
    assert said.count("validation parts from training") == 1


def values(row, *columns):
    return [row.get(column) for column in columns]


FIGURES = {
    "loss": 36.0,
    "prelogits_norm": 3.0,
    "center_loss": 4.0,
    "weight_decay": 5.0,
    "l2_sp": 6.0,
    "distillation": 7.0,
    "gradient_norm": 8.0,
}
TERMS = {"center_loss": {"factor": 0.1}, "weight_decay": 0.1, "l2_sp": 0.1, "distillation": 0.1}


def test_a_row_has_each_figure_of_its_epoch_s_steps():
    trainer = Scripted(Stage("s", "Bottleneck", 1, learning_rate=0.25, **TERMS), [0.5])
    trainer.step = lambda *_, **__: trainer.given(**FIGURES, cross_entropy=2.0, correct=1.0)
    state = run(trainer, keeps_steps=True)
    (row,) = state.rows
    assert {name: row[name] for name in FIGURES} == FIGURES
    assert (row.stage, row.attempt, row.epoch, row["learning_rate"]) == ("s", 1, 1, 0.25)
    found = values(row, "cross_entropy", "accuracy", "validation_loss", "validation_accuracy")
    assert found == [2.0, 0.5, 0.5, 0.5]
    assert values(row, "triplet", "active_triplets", "positive_distance", "negative_distance") == [None] * 4
    assert values(row, "drawn_mean", "drawn_std") == [1.0, 1.0]  # two of the four images, twice each
    # The order of `stat.h5`: the loss, the center loss, all but the cross-entropy, it, the norm, the accuracy.
    assert state.steps == [(36.0, 4.0, 34.0, 2.0, 3.0, 0.5)] * 2


def test_a_row_of_triplets_has_their_figures_and_no_accuracy():
    stage = Stage("s", "Bottleneck", 1, loss="triplet")
    trainer = Scripted(stage, [])
    triplets = {"triplets": 4.0, "active": 3.0, "positive_distance": 2.0, "negative_distance": 6.0}
    trainer.step = lambda *_, **__: trainer.given(loss=9.0, triplet=1.5, prelogits_norm=3.0, **triplets)
    trainer.evaluate = lambda features, labels: trainer.given(loss=1.0, triplet=0.75, triplets=2.0)
    state = run(trainer, keeps_steps=True)
    (row,) = state.rows
    assert values(row, "loss", "triplet", "cross_entropy", "accuracy") == [9.0, 1.5, None, None]
    assert values(row, "active_triplets", "positive_distance", "negative_distance") == [0.75, 0.5, 1.5]
    assert values(row, "validation_loss", "validation_accuracy") == [0.75, None]
    assert values(row, "center_loss", "weight_decay", "l2_sp", "distillation") == [None] * 4
    assert state.steps == [(9.0, 0.0, 7.5, 1.5, 3.0, 0.0)] * 2
