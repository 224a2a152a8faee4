"""Runs with a camera's degradations, and the teachers of distillation: of clean crops, of views, of the same images."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tensorflow")
import tensorflow as tf

from finetune.dataset.pipeline import Drawing, view_batches
from finetune.model import Model
from finetune.recipe.sections import Augment
from finetune.recipe.stage import Stage
from finetune.runs.teacher import Teacher

pytestmark = [pytest.mark.tf, pytest.mark.slow]

CAMERA = {
    "mask": 0.3,
    "low_light": [0.5, 1],
    "motion": [0, 5],
    "blur": [0, 1.5],
    "resolution": [16, 64],
    "noise": [0, 8],
    "grey": 0.5,
    "gamma": [0.8, 1.3],
    "jpeg": [20, 60],
}


def taught(tuner, stage: Stage, monkeypatch: pytest.MonkeyPatch):
    """Run a stage, and return the rows, features and targets of each of its steps."""
    seen = []
    plain = Teacher.targets

    def watched(self, stage, index, first):
        targets = plain(self, stage, index, first)

        def of(batch, epoch):
            found = targets(batch, epoch)
            seen.append((batch.rows, batch.features.numpy(), np.asarray(found)))
            return found

        return of

    monkeypatch.setattr(Teacher, "targets", watched)
    tuner.run(stage)
    return seen


def test_the_clean_teacher_is_the_restored_checkpoint_on_unaugmented_crops(make, monkeypatch):
    tuner = make(lfw=None, augment={"random_flip": True, "camera": CAMERA})
    restored = tuner.model.embed(tuner.inputs.train.paths)
    tuner.run(Stage("before", "Block8", 1, learning_rate=0.01))  # the teacher stays as it was
    seen = taught(tuner, Stage("s", "Block8", 2, distillation={"factor": 20, "of": "clean"}), monkeypatch)
    assert sorted(np.concatenate([rows for rows, *_ in seen])) == sorted([*range(len(restored))] * 2)
    for rows, _, targets in seen:
        np.testing.assert_allclose(targets, restored[rows], atol=2e-5)
    assert tuner.rows[-1]["distillation"] > 0


@pytest.mark.parametrize("views", [None, 1])
def test_the_teacher_of_views_is_the_restored_checkpoint_on_what_the_camera_has_not_degraded(make, monkeypatch, views):
    drawn = {"random_crop": True, "random_flip": True, "views": views}
    tuner = make(lfw=None, augment={**drawn, "camera": CAMERA})
    model, paths = tuner.model, tuner.inputs.train.paths
    restored = Model(model.backbone, {n: tf.constant(v) for n, v in model.tensors().items()}, model.preprocessing)
    tuner.run(Stage("before", "Block8", 1, learning_rate=0.01))
    seen = taught(tuner, Stage("s", "Block8", 2, distillation={"factor": 20, "of": "view"}), monkeypatch)
    steps = len(seen) // 2
    for epoch, part in ((1, seen[:steps]), (2, seen[steps:])):
        augment = Augment(**drawn)
        key = Drawing(tuner.recipe.seed, 2, epoch).key(augment)
        images = view_batches(
            paths, np.arange(len(paths)), preprocessing=model.preprocessing, augment=augment, batch_size=99, key=key
        )
        (pixels,) = images
        expected = restored.embed(pixels.numpy())
        for rows, _, targets in part:
            np.testing.assert_allclose(targets, expected[rows], atol=2e-5)
    first, second = (dict(zip(rows, targets, strict=True)) for rows, _, targets in (seen[0], seen[steps]))
    both = first.keys() & second.keys()
    assert all(np.array_equal(first[row], second[row]) == (views == 1) for row in both)


def test_the_teacher_of_the_same_images_is_the_restored_checkpoint_on_them(make, monkeypatch):
    tuner = make(lfw=None, augment={"camera": CAMERA})
    first = tuner.model.backbone.boundary("Block8")
    units = slice(first, tuner.model.backbone.head_index)
    from finetune import network

    names = network.units_of(tuner.model.backbone, tuner.model.variables, units)
    weights = tuner.model.tensors(names)
    tuner.run(Stage("before", "Block8", 1, learning_rate=0.01, batch_norm="train"))
    assert any(np.any(tuner.model.tensors(names)[name] != value) for name, value in weights.items())
    seen = taught(tuner, Stage("s", "Block8", 1, distillation={"factor": 20, "of": "same"}), monkeypatch)
    for _, features, targets in seen:
        prelogits = network.forward_pass(tuner.model.backbone, features, weights, units).numpy()
        np.testing.assert_allclose(targets, prelogits / np.linalg.norm(prelogits, axis=1, keepdims=True), atol=2e-5)
    assert tuner.rows[-1]["distillation"] > 0


def test_without_augmentation_both_teachers_say_the_same(make, monkeypatch):
    tuner = make(lfw=None)
    restored = tuner.model.embed(tuner.inputs.train.paths)
    for rows, _, targets in taught(
        tuner, Stage("s", "Block8", 1, distillation={"factor": 1, "of": "same"}), monkeypatch
    ):
        np.testing.assert_allclose(targets, restored[rows], atol=2e-5)


def test_a_run_with_a_camera_is_drawn_again_alike_and_kept_views_are_those_that_are_drawn(make, tmp_path):
    curves = []
    for name, cache in (("one", "off"), ("again", "off"), ("kept", "memory")):
        tuner = make(lfw=None, output=tmp_path / name, cache=cache, augment={"camera": CAMERA, "views": 2})
        tuner.run(Stage("s", "Bottleneck", 3, learning_rate=0.001, distillation={"factor": 20, "of": "same"}))
        curves.append([[row["loss"], row["distillation"]] for row in tuner.rows])
    assert curves[0] == curves[1]
    np.testing.assert_allclose(curves[2], curves[0], rtol=1e-4, atol=1e-6)
