"""AdaFace's margins, and the averages of the norms that they follow, equal NumPy in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from finetune.recipe.stage import Stage
from finetune.training.objectives import AdaFace, CosFace

tf = pytest.importorskip("tensorflow")
from finetune.training.objectives.adaface import DEVIATION, MEAN, clipped_norms  # noqa: E402
from finetune.training.step import Trainer  # noqa: E402
from tests.training.objectives.test_losses import agree, classified, outputs, smoothed  # noqa: E402

pytestmark = pytest.mark.tf
LABELS = tf.constant([0, 1, 2, 3, 0, 1], tf.int64)


def margins(kind, cosines, labels, scaler):
    out = np.clip(np.array(cosines, np.float64), -0.999, 0.999)
    for row, label in enumerate(labels):
        angle = math.acos(out[row, label]) - kind.margin * scaler[row]
        angle = min(max(angle, 0.001), math.pi - 0.001)
        out[row, label] = math.cos(angle) - (kind.margin + kind.margin * scaler[row])
    return kind.scale * out


@settings(max_examples=40)
@given(classified(-0.99, 0.99), st.sampled_from([AdaFace(), AdaFace(margin=1.0, scale=8.0)]), st.integers(0, 99))
def test_margins_by_quality(case, kind, seed):
    cosines, labels = case
    scaler = np.random.default_rng(seed).uniform(-1, 1, len(labels))
    angles = np.arccos(cosines[np.arange(len(labels)), labels]) - kind.margin * scaler
    if (np.minimum(angles, math.pi - angles) < 2e-3).any():
        return  # no slope where the angle is cut off
    quality = tf.constant(scaler)
    agree(lambda x: kind.with_margins(x, labels, quality), lambda x: margins(kind, x, labels, scaler), cosines)


def test_an_image_of_the_mean_norm_has_cosface_s_margin():
    cosines, labels = tf.constant([[0.3, -0.2], [0.9, 0.1]], tf.float64), tf.constant([0, 1], tf.int64)
    found = AdaFace().with_margins(cosines, labels, tf.zeros([2], tf.float64))
    np.testing.assert_allclose(found, CosFace(margin=0.4).with_margin(cosines, labels), rtol=1e-9)


def test_the_worst_quality_has_arcface_s_margin_alone_and_the_best_pulls_the_other_way():
    cosine, label = 0.2, tf.constant([0], tf.int64)
    angle = math.acos(cosine)
    for quality, expected in ((-1.0, math.cos(angle + 0.4)), (1.0, math.cos(angle - 0.4) - 0.8)):
        found = AdaFace(scale=1.0).with_margins(
            tf.constant([[cosine]], tf.float64), label, tf.constant([quality], tf.float64)
        )
        assert float(found[0, 0]) == pytest.approx(expected)


def test_the_constants_are_the_paper_s():
    kind = AdaFace()
    assert (kind.margin, kind.h, kind.scale, kind.t_alpha) == (0.4, 0.333, 64.0, 0.01)


def normalized(x):
    return tf.nn.l2_normalize(x, 1)


def batch(prelogits, labels, head, mean, deviation, *, training=True):
    tensors = {MEAN: tf.Variable(mean, dtype=tf.float64), DEVIATION: tf.Variable(deviation, dtype=tf.float64)}
    made = outputs(prelogits, labels, head, training, tensors=tensors)
    object.__setattr__(made, "embed", normalized)
    return made


def expected_averages(norms, mean, deviation, alpha=0.01):
    norms = np.clip(norms, 0.001, 100)
    mean = alpha * norms.mean() + (1 - alpha) * mean if mean else norms.mean()
    if len(norms) == 1:
        return mean, deviation
    return mean, alpha * norms.std(ddof=1) + (1 - alpha) * deviation if deviation else norms.std(ddof=1)


@settings(max_examples=25)
@given(classified(-3, 3), st.sampled_from([(0.0, 0.0), (2.0, 0.5), (30.0, 4.0)]))
def test_the_loss_compares_norms_with_averages_that_include_the_batch(case, averages):
    prelogits, labels = case
    head = np.random.default_rng(1).normal(size=[prelogits.shape[1], 6])
    made = batch(prelogits, labels, head, *averages)
    found = AdaFace(scale=8.0).compute(made)
    norms = np.linalg.norm(prelogits, axis=1)
    mean, deviation = expected_averages(norms, *averages)
    scaler = np.clip(0.333 * (norms - mean) / (deviation + 0.001), -1, 1)
    cosines = prelogits / norms[:, np.newaxis] @ (head / np.linalg.norm(head, axis=0))
    logits = margins(AdaFace(scale=8.0), cosines, labels, scaler)
    assert float(found["cross_entropy"]) == pytest.approx(smoothed(logits, labels, 0).mean(), rel=1e-6)
    assert float(found["correct"]) == (cosines.argmax(1) == labels).sum()
    plain = AdaFace(scale=8.0).compute(batch(prelogits, labels, head, *averages, training=False))
    assert float(plain["cross_entropy"]) == pytest.approx(smoothed(8 * cosines, labels, 0).mean(), rel=1e-6)


def test_no_gradient_flows_through_the_norms():
    prelogits = tf.constant(np.random.default_rng(3).normal(size=[4, 5]))
    with tf.GradientTape() as tape:
        tape.watch(prelogits)
        norms = clipped_norms(prelogits)
    assert tape.gradient(norms, prelogits) is None
    # A loss that depends on the direction alone does not change along the prelogits.
    head = np.random.default_rng(4).normal(size=[5, 6])
    made = batch(prelogits.numpy(), np.array([0, 1, 2, 3]), head, 2.0, 0.5)
    with tf.GradientTape() as tape:
        tape.watch(made.prelogits)
        loss = AdaFace().compute(made)["cross_entropy"]
    gradient = tape.gradient(loss, made.prelogits).numpy()
    assert np.abs(gradient).max() > 0.1
    np.testing.assert_allclose((gradient * made.prelogits.numpy()).sum(1), 0, atol=1e-9)


def test_the_averages_are_stored():
    mean = deviation = 0.0
    made = batch(np.ones([1, 2]), [0], np.eye(2), mean, deviation)
    generator = np.random.default_rng(0)
    for count in (1, 3, 1, 5, 4):  # one image has no deviation
        prelogits = generator.normal(size=[count, 2]) * generator.choice([1e-5, 1.0, 200.0], [count, 1])
        object.__setattr__(made, "prelogits", tf.constant(prelogits))
        AdaFace().before_update(made)
        mean, deviation = expected_averages(np.linalg.norm(prelogits, axis=1), mean, deviation)
        assert float(made.tensors[MEAN]) == pytest.approx(mean)
        assert float(made.tensors[DEVIATION]) == pytest.approx(deviation)


def test_a_stage_begins_with_the_norms_of_its_first_batch_and_moves_on(model):
    features = np.abs(np.random.default_rng(5).normal(size=(6, 1792))).astype(np.float32)
    trainer = Trainer(model, Stage("s", "Bottleneck", 1, loss="adaface"))
    trainer.begin()
    mean = deviation = 0.0
    for step, factor in enumerate((1.0, 2.0, 0.5)):
        before = trainer.prelogits(tf.constant(features * factor))
        trainer.step(tf.constant(features * factor), LABELS, 0.001, (1, step))
        mean, deviation = expected_averages(np.linalg.norm(before, axis=1), mean, deviation)
        state = trainer.state()
        assert state[MEAN] == pytest.approx(mean, rel=1e-4)
        assert state[DEVIATION] == pytest.approx(deviation, rel=1e-3)
