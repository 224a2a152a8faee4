"""Strangers, the filter, retries, and the forms of the history, in whole runs on drawn faces."""

from __future__ import annotations

import csv
import json

import h5py
import numpy as np
import pytest

from finetune.dataset.noise import distances_to_center, keep
from finetune.errors import UserError
from finetune.identification.rates import open_set
from finetune.images.drawn_people import write_faces
from finetune.recipe.recipe import Recipe
from finetune.recipe.stage import Stage
from finetune.verification.strangers import draw, measure_strangers

tf = pytest.importorskip("tensorflow")
from finetune.model import Model  # noqa: E402
from finetune.record.results import ended  # noqa: E402
from finetune.record.trade_off import TradeOff  # noqa: E402
from finetune.runs.planning import plan  # noqa: E402
from finetune.runs.runner import run  # noqa: E402
from finetune.training import loop  # noqa: E402

pytestmark = pytest.mark.tf
HARMLESS = {"metric": "strangers_auc", "max_drop": 0.0, "bound": "lower"}
"""A gate that asks for proof of no harm at all, which a stage that moves anything can hardly give."""


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """Draw 12 people with 6 images each."""
    folder = tmp_path_factory.mktemp("people")
    write_faces(folder, people=range(1, 13), images_per_person=6, size=80, seed=1)
    return folder


@pytest.fixture
def tune(make, people):
    def tune(**changes):
        data = {"train": people, "validation_split": 0.34, "strangers": 0.4} | changes.pop("data", {})
        return make(**({"lfw": None, "data": data, "seed": 4} | changes))

    return tune


def history(tuner):
    return list(csv.DictReader((tuner.folder.path / "history.csv").read_text().splitlines()))


@pytest.mark.slow
def test_people_who_are_held_out_are_nowhere_in_the_training(tune, people):
    inputs = tune().inputs
    strangers, learned = set(inputs.strangers.class_names), set(inputs.model.class_names)
    assert strangers | learned == {path.name for path in people.iterdir()}
    assert not strangers & learned
    assert {path.parent.name for path in (*inputs.train.paths, *inputs.validation.paths)} == learned
    assert {path.parent.name for path in inputs.strangers.paths} == strangers
    assert not strangers & set(inputs.trained_names)
    summary = inputs.summary()
    assert set(summary["strangers"]["people"]) == strangers
    assert tune(data={"strangers": None}).inputs.summary()["strangers"]["sha256"] is None


@pytest.mark.slow
def test_each_epoch_and_the_stage_are_measured_on_strangers_and_on_the_learned(tune):
    tuner = tune()
    result = tuner.run(Stage("block", "Block8", 2, learning_rate=0.001))
    rows, inputs = history(tuner), tuner.inputs
    model = Model.restore(result.folder)
    train, held_back, strangers = (
        model.embed(part.paths) for part in (inputs.train, inputs.validation, inputs.strangers)
    )
    verification = measure_strangers(strangers, draw(inputs.strangers.labels, 4))
    learned = open_set(train, inputs.train.labels, held_back, inputs.validation.labels, strangers)
    kept = rows[result.kept_epoch - 1]
    assert float(kept["strangers_accuracy"]) == pytest.approx(verification.accuracy, abs=1e-6)
    assert float(kept["learned_accuracy"]) == pytest.approx(learned.rank1, abs=1e-6)
    assert float(kept["strangers_dir"]) == pytest.approx(learned.dir, abs=1e-6)
    assert float(kept["strangers_low"]) <= float(kept["strangers_accuracy"]) - tuner.start.trade_off.strangers.accuracy
    stored = TradeOff.from_json(json.loads((result.folder / "strangers.json").read_text()))
    assert stored.strangers == result.trade_off.strangers
    assert stored.learned.rank1 == result.trade_off.learned.rank1
    baseline = json.loads((tuner.folder.path / "0-baseline/strangers.json").read_text())
    assert baseline["strangers"]["accuracy"] == tuner.start.trade_off.strangers.accuracy


@pytest.mark.slow
def test_a_stage_that_costs_strangers_is_tried_again_at_lower_rates_and_then_rolled_back(tune, capsys):
    tuner = tune(lfw=None)
    before = tuner.model.digests()
    accept = HARMLESS | {"otherwise": "retry", "retries": 2, "rate_factor": 0.5}
    result = tuner.run(Stage("block", "Block8", 1, learning_rate=0.04, optimizer="momentum", accept=accept))
    assert not result.accepted
    assert [row["attempt"] for row in history(tuner)] == ["1", "2", "3"]
    assert [float(row["learning_rate"]) for row in history(tuner)] == [0.04, 0.02, 0.01]
    assert len(result.rejected) == 2
    assert tuner.model.digests() == before
    assert Model.restore(result.folder).digests() == before
    assert "trying again, at 0.25 times the learning rate" in capsys.readouterr().out
    assert (result.folder / "rejected_strangers.json").exists()


@pytest.mark.slow
def test_a_retry_that_is_harmless_is_kept_and_is_the_stage_at_that_rate(tune, tmp_path):
    accept = HARMLESS | {"otherwise": "retry", "rate_factor": 1e-9}
    first, second = tune(output=tmp_path / "a"), tune(output=tmp_path / "b")
    result = first.run(Stage("block", "Block8", 1, learning_rate=5.0, optimizer="momentum", accept=accept))
    assert result.accepted
    assert len(result.rejected) == 1
    second.run(Stage("block", "Block8", 1, learning_rate=5e-9, optimizer="momentum"))
    for name, value in second.model.tensors().items():
        np.testing.assert_allclose(first.model.variables[name].numpy(), value, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("otherwise", "stages"), [("stop", 1), ("continue", 2)])
@pytest.mark.slow
def test_after_a_roll_back_the_run_goes_on_or_ends_as_the_recipe_says(
    people, drawn_checkpoint, tmp_path, otherwise, stages, capsys
):
    accept = HARMLESS | {"otherwise": otherwise}
    values = {
        "checkpoint": drawn_checkpoint,
        "output": tmp_path / "run",
        "data": {"train": people, "validation_split": 0.34, "strangers": 0.4},
        "seed": 4,
        "stages": [
            {"name": "bad", "train_from": "Block8", "epochs": 1, "learning_rate": 0.04, "optimizer": "momentum"}
            | {"accept": accept},
            {"name": "next", "train_from": "Block8", "epochs": 1},
        ],
    }
    recipe = Recipe.from_values(values)
    results = run(recipe)
    assert [result.accepted for result in results] == [False, True][:stages]
    out = capsys.readouterr().out
    assert ("the run ends here: stage 'bad' was rolled back" in out) is (otherwise == "stop")
    assert "DIR at FAR 1%  outcome" in out
    assert ended(recipe, results) is (otherwise == "stop")
    again = run(recipe, resume=True)
    assert [result.to_json() for result in again] == [result.to_json() for result in results]


@pytest.mark.slow
def test_weights_that_give_no_numbers_are_rolled_back_and_said(tune, monkeypatch):
    tuner = tune()
    before = tuner.model.digests()
    measure, model, measured = tuner.context.evaluation.trade_off, tuner.model, []

    def trade_off(embedder):
        measured.append(1)
        if len(measured) == 3:  # the stage's own, after the baseline's and that of its epoch
            name = "InceptionResnetV1/Bottleneck/weights"
            model.assign({name: model.variables[name].numpy() * np.inf})
        return measure(embedder)

    monkeypatch.setattr(tuner.context.evaluation, "trade_off", trade_off)
    result = tuner.run(Stage("block", "Block8", 1, accept={"metric": "strangers_auc", "max_drop": 1.0}))
    assert not result.accepted
    assert result.reason.endswith("embeddings are not finite")
    assert tuner.model.digests() == before


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"strangers": 0.999}, "leaves 0 of 12 people to train on; give a smaller share"),
        ({"strangers": 0.001}, "found 0 people, 0 with two images or more.*; 0.[0-9]+ holds out [4-9] of 12 people, "),
        ({"filter": {"percentile": 0.001, "min_images_per_person": 9}}, "the filter leaves 0 of .* people"),
    ],
)
def test_too_few_on_either_side_are_refused_in_one_line(tune, data, message):
    with pytest.raises(UserError, match=message) as caught:
        tune(data=data)
    assert len(caught.value.problems) == 1


def test_a_folder_of_strangers_is_taken_without_those_who_are_trained_on(tune, people, tmp_path):
    others = tmp_path / "others"
    write_faces(others, people=range(11, 19), images_per_person=3, size=80, seed=1)
    inputs = tune(data={"strangers": others}).inputs
    assert set(inputs.selection.known) == {"person_011", "person_012"}
    assert set(inputs.strangers.class_names) == {f"person_{number:03d}" for number in range(13, 19)}
    assert len(inputs.model.class_names) == 12
    with pytest.raises(UserError, match=r"without 12 who are trained on.*give a folder of 4 people or more"):
        tune(data={"strangers": people})


def test_a_folder_of_strangers_that_is_not_there_is_told_with_all_other_problems(tune, faces, tmp_path):
    lfw = {"dir": tmp_path / "no_lfw", "pairs": faces / "pairs.txt"}
    with pytest.raises(UserError) as caught:
        tune(data={"strangers": tmp_path / "nobody"}, lfw=lfw)
    assert [line.split(":")[0] for line in map(str, caught.value.problems)] == [
        str(tmp_path / "nobody"),
        str(tmp_path / "no_lfw"),
    ]


@pytest.mark.slow
def test_the_filter_leaves_out_what_the_published_one_does_and_the_run_records_it(tune):
    everything = tune(data={"strangers": None}).inputs
    dataset = everything.scan.dataset
    distances = distances_to_center(everything.model.embed(dataset.paths), dataset.labels)
    kept = keep(distances, dataset.labels, 80, 5)
    tuner = tune(data={"strangers": None, "filter": {"percentile": 80, "min_images_per_person": 5}})
    found = tuner.inputs
    assert set(found.scan.dataset.paths) == {path for path, stays in zip(dataset.paths, kept, strict=True) if stays}
    recorded = found.summary()["filter"]
    assert set(recorded["images"]) == {str(path) for path, stays in zip(dataset.paths, kept, strict=True) if not stays}
    for path, distance in recorded["images"].items():
        assert distance == pytest.approx(distances[[str(p) for p in dataset.paths].index(path)], abs=1e-4)
    assert found.model.num_classes == len(found.scan.dataset.class_names)
    assert set(recorded["people"]) == set(dataset.class_names) - set(found.scan.dataset.class_names)


@pytest.mark.slow
def test_prototypes_and_triplets_leave_a_classifier_of_the_people(tune):
    tuner = tune(data={"strangers": None})
    head = tuner.run(Stage("head", "Logits", 1, learning_rate=1e-9, init="prototypes"))
    drawn = tune(data={"strangers": None}, output=tuner.folder.path.parent / "drawn")
    assert head.validation_accuracy > drawn.run(Stage("head", "Logits", 1, learning_rate=1e-9)).validation_accuracy
    result = tuner.run(
        Stage("triplets", "Bottleneck", 2, learning_rate=0.001, loss="triplet", mining="bank", distillation=0.1)
    )
    held_back = tuner.inputs.validation
    model = Model.restore(result.folder)
    accuracy = np.mean(model.logits(held_back.paths).argmax(1) == held_back.labels)
    assert result.validation_accuracy == pytest.approx(accuracy)
    rows = history(tuner)
    assert rows[-1]["cross_entropy"] == ""
    assert 0 <= float(rows[-1]["active_triplets"]) <= 1
    assert float(rows[-1]["distillation"]) > 0
    # Each image is an anchor once an epoch, and a positive and a negative as it comes.
    assert float(rows[-1]["drawn_mean"]) == pytest.approx(6)


@pytest.mark.slow
def test_tensorboard_and_stat_h5_hold_the_history(tune):
    tuner = tune(history={"tensorboard": True, "stat_h5": True})
    for name, epochs in (("head", 2), ("again", 3)):
        tuner.run(Stage(name, "Logits", epochs))
    rows = history(tuner)
    (file,) = (tuner.folder.path / "tensorboard").iterdir()
    found = {}
    for record in tf.data.TFRecordDataset([str(file)]):
        event = tf.compat.v1.Event.FromString(record.numpy())
        for value in event.summary.value:
            found[value.tag, event.step] = float(tf.make_ndarray(value.tensor))
    expected = {
        (column, step): float(row[column])
        for step, row in enumerate(rows, start=1)
        for column in row
        if row[column] and column not in ("stage", "attempt", "epoch")
    }
    assert found == pytest.approx(expected, rel=1e-5)

    n_steps = -(-len(tuner.inputs.train) // 8)
    with h5py.File(tuner.folder.path / "stat.h5") as stat:
        per_step = ("loss", "center_loss", "reg_loss", "xent_loss", "prelogits_norm", "accuracy")
        assert {stat[name].shape for name in per_step} == {(5 * n_steps,)}
        assert {stat[name].dtype for name in per_step} == {np.dtype(np.float32)}
        assert stat["prelogits_hist"].shape == (5, 1000)
        assert (stat["prelogits_hist"][:].sum(1) == len(tuner.inputs.train) * 512).all()
        np.testing.assert_allclose(stat["val_loss"], [float(row["validation_loss"]) for row in rows], rtol=1e-6)
        np.testing.assert_allclose(stat["learning_rate"], 0.001)
        np.testing.assert_allclose(stat["loss"][:], stat["xent_loss"][:] + stat["reg_loss"][:], rtol=1e-6)
        assert stat["time_train"].shape == stat["lfw_accuracy"].shape == (5,)


@pytest.mark.slow
def test_a_resumed_run_has_the_history_of_one_that_was_left_alone(people, drawn_checkpoint, tmp_path, monkeypatch):
    from finetune.errors import Interrupted, Problem
    from finetune.runs.opening import Inputs
    from finetune.runs.tuner import FineTuner

    def values(name):
        block = {"name": "block", "train_from": "Bottleneck", "epochs": 2, "loss": "triplet", "mining": "bank"}
        return {
            "checkpoint": drawn_checkpoint,
            "output": tmp_path / name,
            "data": {"train": people, "validation_split": 0.34, "strangers": 0.4},
            "seed": 4,
            "batch_size": 9,
            "history": {"tensorboard": True, "stat_h5": True},
            "stages": [
                {"name": "head", "train_from": "Logits", "epochs": 1, "center_loss": {"factor": 0.1}},
                block | {"ema": 0.9},
                {"name": "last", "train_from": "Bottleneck", "epochs": 1, "loss": "cosface", "layer_decay": 0.5},
            ],
        }

    left_alone = run(Recipe.from_values(values("left")))
    recipe = Recipe.from_values(values("stopped"))

    def stop():
        rows = tmp_path / "stopped/history.csv"
        if rows.exists() and "block,1,1," in rows.read_text():
            raise Interrupted(Problem("", "stopped"), 15)

    tuner = FineTuner.from_inputs(Inputs.open(recipe))
    tuner.run(recipe.stages[0])
    with monkeypatch.context() as patched:
        patched.setattr(loop, "stop_if_asked", stop)
        with pytest.raises(Interrupted):
            tuner.run(recipe.stages[1])
    resumed = run(recipe, resume=True)
    for before, after in zip(left_alone, resumed, strict=True):
        assert Model.restore(before.folder).digests() == Model.restore(after.folder).digests()
        assert before.to_json() | {"reason": ""} == after.to_json() | {"reason": ""}

    def columns(name):
        text = (tmp_path / name / "history.csv").read_text()
        return [line.rpartition(",")[0] for line in text.splitlines()]

    assert columns("left") == columns("stopped")
    with h5py.File(tmp_path / "left/stat.h5") as one, h5py.File(tmp_path / "stopped/stat.h5") as two:
        assert set(one) == set(two)
        for name in set(one) - {"time_train"}:
            np.testing.assert_array_equal(one[name][:], two[name][:])


def test_the_plan_says_that_one_name_stands_in_two_spellings(tune, people, tmp_path):
    known, strangers = tmp_path / "known", tmp_path / "strangers"
    for number, person in enumerate(sorted(people.iterdir())):
        (known if number < 6 else strangers).mkdir(exist_ok=True)
        ((known if number < 6 else strangers) / f"name {number}").symlink_to(person)
    (known / "name 0").rename(known / "Ann Li")
    (known / "name 1").rename(known / "ann_li")
    (strangers / "name 6").rename(strangers / "Bo Li")
    (strangers / "name 7").rename(strangers / "bo_li")
    said = "\n".join(plan(tune(data={"train": known, "strangers": strangers}).inputs))
    assert "1 same-name: ann_li: one name with Ann Li; put one person's images into one folder, or rename one" in said
    assert "strangers: 'bo_li' and 'Bo Li' are one name, and measured as two people; put one person's images" in said
