"""Sub-centers: the nearest of a class counts in training, and the dominant one becomes the classifier."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from finetune.recipe.stage import Stage
from finetune.training.objectives import ArcFace, Sizes, SubArcFace

tf = pytest.importorskip("tensorflow")
from finetune.embedding.embedder import unit  # noqa: E402
from finetune.training.objectives.sub_arcface import CENTERS, COUNTS, DECAY  # noqa: E402
from finetune.training.step import Trainer  # noqa: E402
from tests.training.objectives.test_losses import agree, classified, margin, outputs, smoothed  # noqa: E402

pytestmark = pytest.mark.tf
LABELS = tf.constant([0, 1, 2, 3, 0, 1], tf.int64)


def expected(kind, embeddings, labels, centers):
    unit_columns = centers / np.linalg.norm(centers, axis=0)
    nearest = (embeddings @ unit_columns).reshape(len(embeddings), -1, kind.centers).max(2)
    return nearest, margin(ArcFace(margin=kind.margin, scale=kind.scale), nearest, labels)


@settings(max_examples=30)
@given(classified(), st.sampled_from([SubArcFace(scale=8.0), SubArcFace(centers=2, margin=0.2, scale=4.0)]))
def test_the_nearest_sub_center_of_each_class_gets_the_margin(case, kind):
    values, labels = case
    embeddings = values / np.linalg.norm(values, axis=1, keepdims=True)
    centers = np.random.default_rng(2).normal(size=[embeddings.shape[1], 6 * kind.centers])
    cosines, logits = expected(kind, embeddings, labels, centers)
    found = kind.compute(outputs(embeddings, labels, tf.constant(centers), training=True))
    assert float(found["cross_entropy"]) == pytest.approx(smoothed(logits, labels, 0).mean(), rel=1e-6)
    assert float(found["correct"]) == (cosines.argmax(1) == labels).sum()
    own = np.arccos(cosines[np.arange(len(labels)), labels])
    if np.abs(own + kind.margin - np.pi).min() < 1e-3:
        return  # no slope at the angle where the other branch begins

    def loss(columns):
        made = outputs(embeddings, labels, columns, training=True, mean=lambda each: each)
        return kind.compute(made)["cross_entropy"]

    agree(loss, lambda x: smoothed(expected(kind, embeddings, labels, x)[1], labels, 0), centers)


def test_an_evaluation_has_the_classifier_alone():
    embeddings, labels = np.eye(3), np.array([0, 1, 2])
    head = np.random.default_rng(2).normal(size=[3, 4])
    found = SubArcFace().compute(outputs(embeddings, labels, tf.constant(head), training=False))
    plain = ArcFace().compute(outputs(embeddings, labels, tf.constant(head), training=False))
    assert {name: float(value) for name, value in found.items()} == {k: float(v) for k, v in plain.items()}


def begun(kind, head):
    size, classes = head.shape
    tensors = kind.start(Sizes(classes, size, dict))
    kind.begin(tf.Variable(head), tensors)
    return tensors


def test_the_first_sub_center_is_the_classifier_s_column_and_the_others_are_45_degrees_away():
    head = unit(np.random.default_rng(0).normal(size=[4, 1024]).astype(np.float32)).T  # [1024, 4]
    kind = SubArcFace()
    tensors = begun(kind, head)
    centers = tensors[CENTERS].numpy().reshape(1024, 4, 3)
    np.testing.assert_array_equal(centers[:, :, 0], head)
    np.testing.assert_allclose(np.linalg.norm(centers, axis=0), 1, rtol=1e-6)
    cosines = np.einsum("ecj,eck->cjk", centers, centers)  # [4, 3, 3]
    np.testing.assert_allclose(cosines[:, 0, 1:], math.cos(math.pi / 4), atol=0.06)
    np.testing.assert_allclose(cosines[:, 1, 2], 0.5, atol=0.08)
    np.testing.assert_array_equal(kind.classifier(tensors), head)
    np.testing.assert_array_equal(begun(kind, head)[CENTERS], tensors[CENTERS])


def test_images_are_counted_at_the_nearest_sub_center_of_their_class_and_old_ones_fade():
    kind = SubArcFace(centers=2, scale=1.0)
    centers = np.zeros([2, 2, 2], np.float32)  # [E, classes, centers]
    centers[:, 0, 0], centers[:, 0, 1] = (1, 0), (0, 1)
    centers[:, 1, 0], centers[:, 1, 1] = (0, 1), (-1, 0)
    tensors = {CENTERS: tf.Variable(centers.reshape(2, 4)), COUNTS: tf.Variable([[2.0, 0.0], [5.0, 4.0]])}
    embeddings = np.array([[0.9, 0.1], [0.1, 0.9], [0.2, 0.8]], np.float32)
    kind.before_update(outputs(embeddings, [0, 0, 0], tensors[CENTERS], training=True, tensors=tensors))
    np.testing.assert_allclose(tensors[COUNTS], [[2 * DECAY**3 + 1, 2], [5, 4]], rtol=1e-6)
    np.testing.assert_array_equal(kind.classifier(tensors), [[1, 0], [0, 1]])
    kind.before_update(outputs(embeddings[1:], [0, 0], tensors[CENTERS], training=True, tensors=tensors))
    assert tensors[COUNTS].numpy()[0].argmax() == 1
    np.testing.assert_array_equal(kind.classifier(tensors), [[0, 0], [1, 1]])


@pytest.mark.parametrize("values", [{}, {"weight_decay": 0.001}, {"ema": 0.5}], ids=str)
def test_after_each_step_the_classifier_is_made_of_dominant_sub_centers(model, values):
    features = tf.constant(np.abs(np.random.default_rng(5).normal(size=(6, 1792))), tf.float32)
    head, shape = model.variables["Logits/weights"], model.variables["Logits/weights"].shape
    trainer = Trainer(model, Stage("s", "Bottleneck", 1, loss="sub_arcface", **values))
    trainer.begin()
    for step in range(4):
        trainer.step(features, LABELS, 0.01, (1, step))
        state = trainer.state()
        centers, counts = state[CENTERS], state[COUNTS]
        assert centers.shape == (shape[0], 12)
        np.testing.assert_allclose(np.linalg.norm(centers, axis=0), 1, rtol=1e-6)
        np.testing.assert_array_equal(head.numpy(), centers[:, 3 * np.arange(4) + counts.argmax(1)])
    assert head.shape == shape
    np.testing.assert_array_equal(model.variables["Logits/biases"].numpy(), 0)
    assert counts.sum() == pytest.approx(sum((DECAY**n) * count for n, count in passed(4)), rel=1e-5)
    found = trainer.evaluate(features, LABELS)
    named = (unit(trainer.prelogits(features)) @ head.numpy()).argmax(1)
    assert found["correct"] == (named == LABELS.numpy()).sum()


def passed(steps):
    """Yield (images of the class that came later, images) of each step: two classes have two images, two have one."""
    for step in range(steps):
        for images in (2, 2, 1, 1):
            yield images * (steps - 1 - step), images
