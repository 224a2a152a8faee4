"""The classifier of class means names the nearest, and its scale is the best by leaving each image out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

pytest.importorskip("tensorflow")
from finetune.training import head

pytestmark = pytest.mark.tf


def drawn(seed, people, most, noise=0.6, length=7.0):
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(people), generator.integers(1, most + 1, people))
    rows = generator.normal(size=[people, 8])[labels] + noise * generator.normal(size=[len(labels), 8])
    rows *= length / np.linalg.norm(rows, axis=1, keepdims=True)
    return rows.astype(np.float32), labels


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(2, 9), st.integers(1, 6))
def test_the_nearest_class_mean_is_named(seed, people, most):
    rows, labels = drawn(seed, people, most)
    weights, biases = head.prototypes(rows, labels, people)
    others, _ = drawn(seed + 1, people, 4)
    means = np.stack([(rows[labels == person] / 7).mean(0) for person in range(people)])
    distances = ((others[:, np.newaxis] / 7 - means) ** 2).sum(-1)
    logits = others @ weights + biases
    assert (logits.argmax(1) == distances.argmin(1)).all()
    differences = logits - logits[:, :1]
    scale = 2 * np.abs(differences).max() / np.abs(distances - distances[:, :1]).max()
    np.testing.assert_allclose(differences, -scale / 2 * (distances - distances[:, :1]), atol=1e-3 * scale)


@pytest.mark.parametrize("noise", [0.2, 0.6, 1.2])
def test_the_scale_is_the_one_of_least_cross_entropy_when_each_image_is_left_out(noise):
    rows, labels = drawn(3, 6, 5, noise)
    embeddings = rows.astype(np.float64) / 7
    able = [i for i in range(len(labels)) if (labels == labels[i]).sum() > 1]
    totals = []
    for scale in head.SCALES:
        total = 0.0
        for i in able:
            kept = np.arange(len(labels)) != i
            means = [embeddings[(labels == p) & (kept | (labels != labels[i]))].mean(0) for p in range(6)]
            logits = np.array([-scale / 2 * ((embeddings[i] - mean) ** 2).sum() for mean in means])
            total += np.log(np.exp(logits - logits.max()).sum()) - (logits - logits.max())[labels[i]]
        totals.append(total)
    best = head.SCALES[int(np.argmin(totals))]
    weights, _ = head.prototypes(rows, labels, 6)
    mean = embeddings[labels == 0].mean(0)
    assert np.linalg.norm(weights[:, 0]) == pytest.approx(best * np.linalg.norm(mean) / 7, rel=1e-4)


def test_with_one_image_each_there_is_a_scale_nevertheless():
    rows = np.eye(4, 8, dtype=np.float32) * 5
    weights, biases = head.prototypes(rows, np.arange(4), 4)
    assert np.isfinite(weights).all()
    assert ((rows @ weights + biases).argmax(1) == np.arange(4)).all()
