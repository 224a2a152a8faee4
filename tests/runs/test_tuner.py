"""FineTuner measures first, keeps frozen units, accepts or rolls back, and saves under FaceNet's names."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from finetune.errors import DataError, Problem, RecipeError, RunError, UserError
from finetune.recipe.stage import Stage

pytest.importorskip("tensorflow")
from finetune import checkpoint as checkpoints, report
from finetune.model import Model
from finetune.runs import evaluation, stage as stage_module, tuner as tuner_module
from finetune.runs.certificate import FrozenTensors
from finetune.runs.tuner import FineTuner

pytestmark = pytest.mark.tf
PREPROCESSING = '{"image_size": 75, "standardization": "fixed"}'


def tree(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_head_only_stage_leaves_every_frozen_byte_embedding_and_lfw_figure_as_it_was(make, faces, tmp_path):
    tuner = make()
    images = sorted((faces / "strangers").rglob("*.png"))
    digests, embeddings = tuner.model.digests(), tuner.model.embed(images, flip=True)
    result = tuner.run(Stage("head", train_from="Logits", epochs=2, learning_rate=0.01))
    changed = {name for name, digest in tuner.model.digests().items() if digest != digests[name]}
    assert changed == {"Logits/weights", "Logits/biases"}
    np.testing.assert_array_equal(tuner.model.embed(images, flip=True), embeddings)
    assert result.measured == tuner.baseline
    certificate = json.loads((result.folder / "certificate.json").read_text())
    assert certificate["frozen_sha256"] == {n: d for n, d in digests.items() if n not in changed}
    assert set(certificate["trained"]) == changed


def test_the_run_folder_holds_what_the_readme_says(make, tmp_path, monkeypatch):
    tuner = make()
    monkeypatch.setattr(tuner_module, "write_into", report.write_into)
    tuner.run(Stage("head", train_from="Logits", epochs=1))
    assert tree(tmp_path / "run") == [
        "0-baseline/files.sha256",
        "0-baseline/held_back.json",
        "0-baseline/lfw.json",
        "1-head/certificate.json",
        "1-head/checkpoint",
        "1-head/class_names.txt",
        "1-head/files.sha256",
        "1-head/held_back.json",
        "1-head/history.csv",
        "1-head/lfw.json",
        "1-head/model-run.ckpt-2.data-00000-of-00001",
        "1-head/model-run.ckpt-2.index",
        "1-head/preprocessing.json",
        "1-head/result.json",
        "MODEL_CARD.md",
        "environment.json",
        "files.sha256",
        "history.csv",
        "images.sha256",
        "inputs.json",
        "recipe.yaml",
        "report.html",
        "result.json",
    ]
    assert (tmp_path / "run/1-head/class_names.txt").read_text().split() == [f"person_{i:03d}" for i in range(1, 5)]


@pytest.mark.slow
def test_held_back_images_are_named_by_the_nearest_mean_before_and_by_the_classifier_after(make, monkeypatch):
    tuner = make(lfw=None)
    train, held_back = tuner.inputs.train, tuner.inputs.validation
    gallery, probes = tuner.model.embed(train.paths), tuner.model.embed(held_back.paths)
    means = np.stack([gallery[train.labels == person].mean(axis=0) for person in range(4)])
    cosines = probes @ (means / np.linalg.norm(means, axis=1, keepdims=True)).T
    weights = tuner.model.digests()
    tuner.begin()
    assert tuner.model.digests() == weights
    expected = (cosines.argmax(axis=1) == held_back.labels).tolist()
    assert tuner.start.held_back.correct.tolist() == expected
    result = tuner.run(Stage("block", "Block8", 2, learning_rate=0.01))
    answers = Model.restore(result.folder).logits(held_back.paths).argmax(axis=1) == held_back.labels
    assert result.trained.held_back.correct.tolist() == answers.tolist()
    assert result.validation_accuracy == pytest.approx(answers.mean())

    again = FineTuner.from_inputs(dataclasses.replace(tuner.inputs, recipe=tuner.recipe))
    monkeypatch.setattr(type(again.context.evaluation), "held_back_by_mean", None)  # what was stored is taken
    again.resume()
    again.begin()
    assert again.start.held_back.correct.tolist() == expected
    assert again.results[0].trained.held_back.correct.tolist() == answers.tolist()
    assert again.verdict() == tuner.verdict()
    summary = json.loads((tuner.folder.path / "result.json").read_text())
    assert summary["baseline_held_back_accuracy"] == pytest.approx(np.mean(expected))
    assert summary["verdict"]["why"] == tuner.verdict().text
    assert summary["verdict"]["use"] == (result.folder.name if tuner.verdict().place else None)


def test_without_held_back_images_there_is_no_such_accuracy(make, faces):
    tuner = make(lfw=None, data={"train": faces / "learn"})
    tuner.run(Stage("head", "Logits", 1))
    assert tuner.start.held_back is None
    assert tuner.results[0].trained.held_back is None
    assert tuner.verdict().place == 0
    assert "nothing was measured that could show a stage to be better" in tuner.verdict().text


@pytest.mark.slow
def test_the_saved_stage_restores_to_the_weights_in_memory_with_its_head(make):
    tuner = make()
    result = tuner.run(Stage("head", train_from="Block8", epochs=1, learning_rate=0.01, batch_norm="train"))
    restored = Model.restore(result.folder)
    assert restored.digests() == tuner.model.digests()
    assert restored.num_classes == 4
    assert restored.class_names == tuner.model.class_names
    assert restored.preprocessing.source == "preprocessing.json"
    assert set(checkpoints.read(checkpoints.locate(result.folder)).shapes) == set(tuner.model.variables)


@pytest.mark.slow
def test_where_averages_are_asked_for_they_are_what_is_saved(make, drawn_checkpoint, tmp_path):
    name, saved = "InceptionResnetV1/Bottleneck/weights", {}
    for ema in (0.0, 0.9):
        tuner = make(output=tmp_path / str(ema), batch_size=16)
        stage = Stage("block", train_from="Bottleneck", epochs=1, learning_rate=0.01, ema=ema)
        folder = tuner.run(stage).folder
        saved[ema] = Model.restore(folder).tensors([name])[name]
    start = Model.restore(drawn_checkpoint).tensors([name])[name]
    # After a first step, and there is one, the published decay is (1 + 1) / (10 + 1).
    np.testing.assert_allclose(saved[0.9], start * 2 / 11 + saved[0.0] * 9 / 11, rtol=1e-6, atol=1e-9)
    assert np.abs(saved[0.9] - saved[0.0]).max() > 1e-6


@pytest.mark.slow
def test_a_stage_that_fails_its_gate_is_rolled_back_byte_for_byte(make, monkeypatch):
    tuner = make()
    tuner.begin()
    before = tuner.model.digests()
    worse = json.loads(json.dumps(tuner.baseline.to_json())) | {"accuracy": tuner.baseline.accuracy - 0.3}
    monkeypatch.setattr(tuner.context.evaluation, "lfw", lambda embedder=None: type(tuner.baseline).from_json(worse))
    stage = Stage("block", "Block8", 1, learning_rate=0.01, accept={"metric": "lfw_accuracy", "max_drop": 0.1})
    result = tuner.run(stage)
    assert not result.accepted
    assert "lfw_accuracy fell by 0.3000 (every distance is as it was)" in result.reason
    assert result.reason.endswith("more than the 0.1 allowed")
    assert result.lfw == tuner.baseline
    assert tuner.model.digests() == before
    assert Model.restore(result.folder).digests() == before
    assert (result.folder / "rejected_lfw.json").exists()
    assert result.step == 0


@pytest.mark.slow
def test_without_lfw_a_run_says_that_nothing_is_validated(make, capsys):
    tuner = make(lfw=None)
    result = tuner.run(Stage("head", train_from="Logits", epochs=1))
    assert result.measured is None
    assert "nothing is validated" in capsys.readouterr().out
    with pytest.raises(UserError, match="no LFW pairs were given"):
        tuner.lfw()


def test_save_writes_a_checkpoint_anywhere(make, tmp_path):
    tuner = make(lfw=None)
    prefix = tuner.save(tmp_path / "models/mine")
    assert prefix == tmp_path / "models/mine/model-mine.ckpt-0"
    assert Model.restore(prefix).digests() == tuner.model.digests()


@pytest.mark.slow
def test_one_seed_gives_one_result_and_another_seed_another(make, tmp_path):
    stage = Stage("last block", "Block8", 1, learning_rate=0.01, batch_norm="train", keep_probability=0.5)
    settings = {"lfw": None, "augment": {"random_crop": True, "random_flip": True}}
    results = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        tuner = make(output=tmp_path / name, seed=seed, **settings)
        tuner.run(stage)
        results.append(tuner.model.digests())
    assert results[0] == results[1]
    assert results[0] != results[2]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stage", "message"),
    [
        (Stage("HEAD", "Logits", 1), "'HEAD', and stages.0. is 'head'"),
        (Stage("next", "Logits", 1, early_stopping=2), None),
        (Stage("next", "Logits", 1, accept={"metric": "lfw_val", "max_drop": 0.1}), "no LFW figures to judge by"),
    ],
)
def test_a_stage_that_does_not_fit_the_run_is_refused(make, stage, message):
    tuner = make(lfw=None)
    tuner.run(Stage("head", "Logits", 1))
    if message is None:
        assert tuner.run(stage).index == 2
        return
    with pytest.raises(RecipeError, match=message):
        tuner.run(stage)


@pytest.mark.slow
def test_a_boundary_that_moves_back_is_refused(make):
    tuner = make(lfw=None)
    tuner.run(Stage("block", "Bottleneck", 1))
    with pytest.raises(RecipeError, match="'Logits' lies after 'Bottleneck'"):
        tuner.run(Stage("head", "Logits", 1))


def test_an_output_in_use_is_refused_before_anything_is_read(make, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/mine.txt").write_text("mine")
    with pytest.raises(UserError, match="run: the output folder is not empty"):
        make()
    assert tree(tmp_path / "run") == ["mine.txt"]


def test_every_input_that_can_not_be_used_is_named_at_once(make, tmp_path, faces):
    with pytest.raises(UserError) as caught:
        make(
            checkpoint=tmp_path / "no",
            data=str(tmp_path / "nobody"),
            lfw={"dir": faces / "strangers", "pairs": tmp_path / "none.txt"},
        )
    assert len(caught.value.problems) == 3


@pytest.mark.slow
def test_a_frozen_tensor_that_changed_is_never_saved(make, monkeypatch, tmp_path):
    tuner = make(lfw=None)
    name = "InceptionResnetV1/Conv2d_1a_3x3/BatchNorm/moving_mean"
    train = stage_module.train

    def drifting(trainer, *arguments, **options):
        train(trainer, *arguments, **options)
        trainer.model.variables[name].assign_add([1e-6] * 32)

    monkeypatch.setattr(stage_module, "train", drifting)
    with pytest.raises(RunError, match=f"frozen tensors changed in training: {name}"):
        tuner.run(Stage("head", "Logits", 1))
    assert not (tmp_path / "run/1-head").exists()


def test_frozen_tensors_see_a_single_bit(make):
    model = make(lfw=None).model
    frozen = FrozenTensors(model, ["Logits/weights", "Logits/biases"])
    assert len(frozen.verify(model)) == 490
    name = "InceptionResnetV1/Bottleneck/BatchNorm/beta"
    value = model.variables[name].numpy()
    value.view(np.uint32)[0] ^= 1
    model.assign({name: value})
    with pytest.raises(RunError, match=name):
        frozen.verify(model)


@pytest.mark.slow
def test_a_stage_that_failed_leaves_no_trace_and_can_be_tried_again(make, tmp_path):
    """Compare the weights in memory, the recipe, and the bytes of the next try with those without the failed stage."""
    settings = {"lfw": None, "augment": {"random_flip": True}}
    tuner, fresh = make(output=tmp_path / "a", **settings), make(output=tmp_path / "b", **settings)
    before = tuner.model.digests()
    absurd = Stage("block", "Block8", 9, learning_rate=1e30, optimizer="momentum")
    with pytest.raises(RunError, match="the loss became"):
        tuner.run(absurd)
    assert tuner.model.digests() == before
    sane = Stage("block", "Block8", 2, learning_rate=0.001)
    for each in (tuner, fresh):
        each.run(sane)
    assert tuner.model.digests() == fresh.model.digests()
    assert "1.0e+30" not in (tmp_path / "a/recipe.yaml").read_text()


@pytest.mark.slow
def test_a_loss_that_becomes_nan_ends_the_stage_with_the_last_good_weights_and_exit_status_1(make, tmp_path):
    stages = [
        Stage("block", "Block8", 2, learning_rate=0.001, optimizer="momentum"),
        Stage("block", "Block8", 9, learning_rate={0: 0.001, 3: 1e30}, optimizer="momentum"),
    ]
    sane, broken = (make(output=tmp_path / name, data={"train": make.faces}, lfw=None) for name in ("sane", "broken"))
    sane.run(stages[0])
    with pytest.raises(
        RunError, match=r"epoch 3, step \d+: the loss became.*; the weights of epoch 2 are kept"
    ) as found:
        broken.run(stages[1])
    assert found.value.exit_status == 1
    assert broken.model.digests() == sane.model.digests()
    result = broken.results[0]
    assert (result.epochs, result.kept_epoch, result.accepted) == (2, 2, True)
    assert result.failure == str(found.value)
    assert Model.restore(result.folder).digests() == sane.model.digests()
    assert json.loads((result.folder / "result.json").read_text())["failure"] == result.failure


@pytest.mark.slow
def test_the_step_is_that_of_the_kept_epoch(make, monkeypatch):
    tuner = make(lfw=None)
    train = stage_module.train

    def keep_the_first(trainer, state, *arguments, **options):
        train(trainer, state, *arguments, **options)
        state.kept_epoch, state.kept_step = 1, 2

    monkeypatch.setattr(stage_module, "train", keep_the_first)
    result = tuner.run(Stage("head", "Logits", 3))
    assert result.step == 2
    assert f'"model-run.ckpt-{result.step}"' in (result.folder / "checkpoint").read_text()


@pytest.mark.slow
def test_lfw_that_can_no_longer_be_measured_is_a_late_fault_in_one_line(make, monkeypatch):
    tuner = make()
    tuner.begin()

    def gone(*_):
        raise DataError(Problem("lfw/a/a_0001.png", "no such file"), Problem("lfw/b/b_0001.png", "no such file"))

    monkeypatch.setattr(evaluation, "measure_sets", gone)
    with pytest.raises(RunError, match=r"LFW could not be measured: lfw/a/a_0001\.png: no such file"):
        tuner.run(Stage("head", "Logits", 1))


def test_a_broken_old_classifier_is_no_reason_to_refuse_a_checkpoint(make, drawn_checkpoint, tmp_path):
    stored = checkpoints.read(checkpoints.locate(drawn_checkpoint))
    tensors = {name: stored.tensor(name) for name in stored.shapes if name != "Logits/biases"}
    tensors["Logits/weights"] = tensors["Logits/weights"] * np.nan
    checkpoints.write(tmp_path / "broken", "x", 0, tensors, {"preprocessing.json": PREPROCESSING})
    assert make(checkpoint=tmp_path / "broken", lfw=None).model.num_classes == 4


@pytest.mark.slow
@pytest.mark.parametrize("part", ["images", "lfw"])
def test_a_run_is_not_resumed_on_other_inputs(make, part):
    tuner = make()
    tuner.begin()
    path = tuner.folder.path / "inputs.json"
    stored = json.loads(path.read_text())
    stored[part]["sha256"] = "another"
    path.write_text(json.dumps(stored))
    tuner.folder.write_list("inputs.json")
    again = FineTuner.from_inputs(tuner.inputs)
    with pytest.raises(UserError, match=r"other (images|pairs) than .*when the run in .* began"):
        again.resume()


def test_devices_are_set_up_for_one_result_and_true_float32(make):
    import tensorflow as tf

    make(lfw=None)
    assert not tf.config.experimental.tensor_float_32_execution_enabled()
    with pytest.raises(RuntimeError, match="Random ops require a seed"):
        tf.random.uniform([1])
