"""`verification` measures the pairs within the stages, and changes no byte of the weights."""

from __future__ import annotations

import csv
import dataclasses

import numpy as np
import pytest

from finetune.errors import NotFinite, Problem
from finetune.recipe import Stage
from finetune.verification import measure_lfw, measure_strangers

pytest.importorskip("tensorflow")
from finetune.record import Evidence
from finetune.runs.cost import costs
from finetune.runs.planning import plan
from tests.runs.of_numbers import Embedder, Evaluation, outputs

pytestmark = pytest.mark.tf
OF_LFW = {"lfw_accuracy", "lfw_low", "lfw_high", "lfw_val"}


def with_verification(inputs, verification):
    return dataclasses.replace(inputs, recipe=inputs.recipe.model_copy(update={"verification": verification}))


def start_of(evaluation, embedder):
    return Evidence(evaluation.sets(embedder), evaluation.trade_off(embedder))


def test_the_pairs_are_measured_after_every_so_many_epochs(inputs):
    embedder = Embedder(inputs.model)
    for every in (1, 2, 3):
        evaluation = Evaluation(with_verification(inputs, {"every": every}))
        start = start_of(evaluation, embedder)
        measured = [epoch for epoch in range(1, 8) if evaluation.after_epoch(embedder, epoch, start)]
        assert measured == list(range(every, 8, every))


def test_without_it_strangers_are_measured_after_each_epoch_and_lfw_is_not(inputs):
    embedder, evaluation = Embedder(inputs.model), Evaluation(with_verification(inputs, None))
    start = start_of(evaluation, embedder)
    for epoch in (1, 2, 3):
        found = evaluation.after_epoch(embedder, epoch, start)
        assert not OF_LFW & set(found)
        assert found["strangers_accuracy"] == evaluation.trade_off(embedder).strangers.accuracy


def test_the_columns_are_those_of_the_protocol_on_the_weights_of_the_epoch(inputs):
    embedder, evaluation = Embedder(inputs.model), Evaluation(with_verification(inputs, {"every": 1}))
    start = start_of(evaluation, embedder)
    same = evaluation.after_epoch(embedder, 1, start)
    assert same["lfw_low"] < 0 < same["lfw_high"]
    inputs.model.assign({"Logits/biases": np.full(4, 3.0, np.float32)})  # worse embeddings
    found = evaluation.after_epoch(embedder, 1, start)
    lfw = measure_lfw(embedder.embeddings, inputs.image_pairs, inputs.recipe.lfw, inputs.trained_names)
    strangers = measure_strangers(embedder.embeddings(inputs.strangers.paths), evaluation._pairs, distance="euclidean")
    assert (found["lfw_accuracy"], found["lfw_val"]) == (lfw.accuracy, lfw.val)
    assert found["strangers_accuracy"] == strangers.accuracy
    assert lfw.accuracy < start.lfw.accuracy
    assert found["lfw_low"] <= lfw.accuracy - start.lfw.accuracy <= found["lfw_high"]


def test_embeddings_that_are_not_finite_leave_the_epoch_unmeasured_with_a_line(inputs, monkeypatch, capsys):
    embedder, evaluation = Embedder(inputs.model), Evaluation(with_verification(inputs, {"every": 1}))
    start = start_of(evaluation, embedder)

    def broken(*_):
        raise NotFinite(Problem("", "3 of 40 embeddings are not finite"))

    monkeypatch.setattr(evaluation, "sets", broken)
    assert evaluation.after_epoch(embedder, 5, start) == {}
    assert "warning: epoch 5 is not measured: 3 of 40 embeddings are not finite\n" in capsys.readouterr().out


def test_a_run_keeps_them_in_its_history_and_for_tensorboard(inputs, run):
    run(resume=False)
    output = inputs.recipe.output
    rows = list(csv.DictReader((output / "history.csv").read_text().splitlines()))
    measured = {(row["stage"], row["epoch"]) for row in rows if row["lfw_accuracy"]}
    assert measured == {("last", "2")}  # of the other stages' one epoch none is the second
    assert {(row["stage"], row["epoch"]) for row in rows if row["strangers_accuracy"]} == measured
    tags = {tag for file in outputs(output)["tensorboard/events"] for tag, _, _ in file}
    assert tags > OF_LFW
    assert "LFW within the stages" not in (output / "report.html").read_text()  # the stand-in draws no charts


@pytest.mark.slow
@pytest.mark.parametrize("values", [{}, {"ema": 0.5, "batch_norm": "train", "keep_probability": 0.7}])
def test_no_byte_of_a_checkpoint_changes(make, tmp_path, values):
    stages = Stage("head", "Logits", 2, learning_rate=0.01), Stage("block", "Repeat_2/block8_5", 3, **values)
    found = {}
    for verification in (None, {"every": 2}):
        tuner = make(output=tmp_path / str(bool(verification)) / "run", verification=verification)
        for stage in stages:
            tuner.run(stage)
        files = sorted(path for path in tuner.folder.path.rglob("*") if ".ckpt-" in path.name)
        found[bool(verification)] = {path.relative_to(tuner.folder.path): path.read_bytes() for path in files}
        measured = [row.epoch for row in tuner.rows if row.get("lfw_accuracy") is not None]
        assert measured == ([2, 2] if verification else [])
        if verification:
            kept = tuner.results[0]
            assert kept.kept_epoch == 2
            assert tuner.rows[1]["lfw_accuracy"] == pytest.approx(kept.measured.accuracy)
    assert len(found[True]) == 4
    assert found[True] == found[False]


@pytest.mark.slow
def test_the_plan_tells_of_them_and_counts_them(make):
    tuner = make(verification={"every": 2})
    inputs = tuner.inputs
    stages = (Stage("head", "Logits", 5),)
    asked = dataclasses.replace(inputs, recipe=inputs.recipe.model_copy(update={"stages": stages}))
    silent = with_verification(asked, None)
    n = 2 * len(inputs.image_pairs.paths)  # with their mirror images
    assert costs(asked, 1.0)[1].embedded == costs(silent, 1.0)[1].embedded + 2 * n
    assert any(
        "measured before the first stage and after each, and after every 2 epochs" in line for line in plan(asked)
    )
    assert not any("epochs; " in line for line in plan(silent) if line.startswith("LFW"))
