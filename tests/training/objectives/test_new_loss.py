"""A new loss is one class. Once registered, it is read, trained, and shown in history, tables and charts."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from typing import Literal

import numpy as np
import pytest

from finetune.errors import RecipeError
from finetune.recipe.stage import Stage
from finetune.schema import From0

tf = pytest.importorskip("tensorflow")
from finetune.dataset.pipeline import Batch  # noqa: E402
from finetune.report import charts, tables  # noqa: E402
from finetune.training.history import history_columns, to_csv  # noqa: E402
from finetune.training.loop import Data, Run, train  # noqa: E402
from finetune.training.objectives import LOSSES, Loss, Metric, Outputs, all_metrics  # noqa: E402
from finetune.training.sampling.sampler import Sampler  # noqa: E402
from finetune.training.state import StageState  # noqa: E402
from finetune.training.step import Trainer  # noqa: E402

pytestmark = pytest.mark.tf
LABELS = np.array([0, 1, 2, 3, 0, 1], np.int64)


class Pull(Loss):
    """The squared distance of each embedding to the next one of its person in the batch, beyond a slack.

    Attributes:
        slack: distance that costs nothing, from 0.
    """

    name: Literal["pull"] = "pull"
    has_head = False
    metrics = (
        Metric("pull", column="pull"),
        Metric("near", summed=True, column="near_share", held_back="held_back_near_share", charted=True),
    )
    slack: From0 = 0.1

    def compute(self, outputs: Outputs):
        embeddings = outputs.embed(outputs.prelogits)  # [b, E]
        order = tf.argsort(outputs.labels, stable=True)  # [b]
        others = tf.gather(embeddings, tf.roll(order, 1, 0)), tf.gather(embeddings, order)
        away = tf.reduce_sum((others[0] - others[1]) ** 2, axis=1)  # [b, E] -> [b]
        beyond = tf.maximum(away - self.slack, 0.0)
        return {"pull": outputs.mean(beyond), "near": tf.reduce_sum(tf.cast(away < 1.0, tf.float32))}

    def share(self, row: Mapping[str, float]) -> float:
        return row["near_share"]


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setitem(LOSSES, "pull", Pull)


def by_hand(prelogits, slack):
    embeddings = prelogits / np.linalg.norm(prelogits, axis=1, keepdims=True)
    order = np.argsort(LABELS, kind="stable")
    away = ((embeddings[np.roll(order, 1)] - embeddings[order]) ** 2).sum(1)
    return np.maximum(away - slack, 0).mean(), (away < 1).mean()


def test_its_keys_are_read_and_refused_like_any_other_s():
    assert Stage("s", "Block8", 1, loss={"name": "pull", "slack": 0.5}).loss == Pull(slack=0.5)
    with pytest.raises(RecipeError, match=r"slack: found -1.*give a number from 0"):
        Stage("s", "Block8", 1, loss={"name": "pull", "slack": -1})
    with pytest.raises(
        RecipeError,
        match="softmax, arcface, cosface, combined, curricularface, adaface, sub_arcface, triplet, none or pull",
    ):
        Stage("s", "Block8", 1, loss="mood")


def test_it_is_trained_and_shown_in_history_table_and_charts(model, capsys):
    features = tf.constant(np.abs(np.random.default_rng(5).normal(size=(6, 1792))), tf.float32)
    stage = Stage("s", "Bottleneck", 2, optimizer="momentum", learning_rate=1e-4, loss={"name": "pull", "slack": 0.2})
    trainer, state, head = Trainer(model, stage), StageState(), model.variables["Logits/weights"].numpy()
    trainer.begin()
    loss, near = by_hand(trainer.prelogits(features), 0.2)
    batch = features, tf.constant(LABELS), np.arange(6)
    data = Data(lambda epoch: [Batch(*batch)], Sampler(stage, LABELS, 6, 0, 1), lambda: [Batch(*batch)])
    train(trainer, state, data, Run(key=1, on_epoch=lambda state: tables.epoch(state, stage)))

    first, second = csv.DictReader(to_csv(state.rows).splitlines())
    assert float(first["pull"]) == pytest.approx(loss, rel=1e-4)
    assert float(first["near_share"]) == pytest.approx(near)
    assert float(second["pull"]) < float(first["pull"])
    assert first["cross_entropy"] == first["triplet"] == first["accuracy"] == ""
    assert float(first["held_back_near_share"]) == pytest.approx(by_hand(trainer.prelogits(features), 0.2)[1])
    np.testing.assert_array_equal(model.variables["Logits/weights"].numpy(), head)

    line = capsys.readouterr().out.splitlines()[0].split()
    assert line[3] == f"{near:.4f}"
    assert line[4:6] == [f"{float(first['validation_loss']):.4f}", f"{float(first['held_back_near_share']):.4f}*"]

    made = [charts.training(state.rows, metric) for metric in all_metrics() if metric.charted]
    assert [chart.title for chart in made if chart] == ["Loss", "Near share"]
    assert f"training from {near:.4g} to" in made[-1].description


def test_its_columns_stand_beside_those_of_the_other_losses():
    names = history_columns()
    assert names.index("pull") == names.index("triplet") + 1
    assert names.index("near_share") == names.index("negative_distance") + 1
    assert names.index("held_back_near_share") == names.index("validation_accuracy") + 1
