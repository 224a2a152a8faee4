"""CurricularFace weighs hard classes by an average of the cosines, and equals NumPy in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from finetune.recipe.stage import Stage
from finetune.training.objectives import ArcFace, CurricularFace

tf = pytest.importorskip("tensorflow")
from finetune.arrays import unit_rows  # noqa: E402
from finetune.training.objectives.curricularface import LEVEL  # noqa: E402
from finetune.training.step import Trainer  # noqa: E402
from tests.training.objectives.test_losses import agree, classified, margin, outputs, smoothed  # noqa: E402

pytestmark = pytest.mark.tf
LABELS = np.array([0, 1, 2, 3, 0, 1], np.int64)


def expected(kind, cosines, labels, level):
    out = margin(ArcFace(margin=kind.margin, scale=1.0), cosines, labels)
    for row, label in enumerate(labels):
        limit = math.cos(math.acos(cosines[row, label]) + kind.margin)
        for column, cosine in enumerate(cosines[row]):
            if column != label and cosine > limit:
                out[row, column] = cosine * (level + cosine)
    return kind.scale * out


@settings(max_examples=40)
@given(
    classified(-0.99, 0.99), st.sampled_from([CurricularFace(), CurricularFace(margin=0.2, scale=8.0)]), st.floats(0, 1)
)
def test_hard_classes_are_weighed_and_the_own_class_has_arcface_s_margin(case, kind, level):
    cosines, labels = case
    own = np.arccos(cosines[np.arange(len(labels)), labels])[:, np.newaxis] + kind.margin
    if np.abs(cosines - np.cos(own)).min() < 1e-3 or np.abs(own - math.pi).min() < 1e-3:
        return  # no slope where a class becomes hard, or where the other branch begins
    t = tf.constant(level, tf.float64)
    agree(lambda x: kind.with_level(x, labels, t), lambda x: expected(kind, x, labels, level), cosines)


def test_the_constants_are_the_paper_s():
    assert (CurricularFace().margin, CurricularFace().scale) == (0.5, 64.0)


def test_the_level_of_a_batch_includes_its_own_cosines_and_has_no_gradient():
    generator = np.random.default_rng(0)
    embeddings = unit_rows(generator.normal(size=[6, 5]))
    head = generator.normal(size=[5, 4])
    level = tf.Variable(0.3, dtype=tf.float64)
    made = outputs(embeddings, LABELS, tf.constant(head), training=True, tensors={LEVEL: level})
    cosines = embeddings @ (head / np.linalg.norm(head, axis=0))
    moved = 0.99 * 0.3 + 0.01 * cosines[np.arange(6), LABELS].mean()
    logits = expected(CurricularFace(scale=8.0), cosines, LABELS, moved)
    found = CurricularFace(scale=8.0).compute(made)
    assert float(found["cross_entropy"]) == pytest.approx(smoothed(logits, LABELS, 0).mean(), rel=1e-9)
    assert float(level) == 0.3
    CurricularFace().before_update(made)
    assert float(level) == pytest.approx(moved, rel=1e-12)
    with tf.GradientTape() as tape:
        values = tf.constant(cosines)
        tape.watch(values)
        t = CurricularFace()._level(values, made)
    assert tape.gradient(t, values) is None


def test_a_stage_moves_the_level_by_each_batch_before_its_update(model):
    features = tf.constant(np.abs(np.random.default_rng(5).normal(size=(6, 1792))), tf.float32)
    trainer = Trainer(model, Stage("s", "Bottleneck", 1, loss="curricularface"))
    trainer.begin()
    level = 0.0
    for step in range(3):
        head = model.variables["Logits/weights"].numpy()
        own = (unit_rows(trainer.prelogits(features)) @ head)[np.arange(6), LABELS]
        trainer.step(features, tf.constant(LABELS), 0.01, (1, step))
        level = 0.99 * level + 0.01 * own.mean()
        assert float(trainer.state()[LEVEL]) == pytest.approx(level, rel=1e-4, abs=1e-7)
