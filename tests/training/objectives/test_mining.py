"""Every miner agrees with brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from finetune.training.objectives import Triplet

tf = pytest.importorskip("tensorflow")
from finetune.training.objectives import mining  # noqa: E402
from finetune.training.objectives.distances import distances, hinge, squared_distances  # noqa: E402

pytestmark = pytest.mark.tf


@st.composite
def batches(draw):
    """Draw embeddings on a grid, so that distances are often equal. Some images occur twice."""
    n = draw(st.integers(1, 9))
    labels = np.array(draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)), np.int64)
    values = np.array(draw(st.lists(st.integers(0, 2), min_size=3 * n, max_size=3 * n)), np.float32).reshape(n, 3)
    images = np.arange(n)
    for row in range(1, n):
        if labels[row] == labels[row - 1] and draw(st.booleans()):
            images[row], values[row] = images[row - 1], values[row - 1]
    return values, labels, images


def between(values):
    return ((values[:, np.newaxis] - values) ** 2).sum(-1)


def brute_hard(distances, labels, images):
    """Find for each anchor its farthest positive and its nearest negative."""
    found = []
    for a in range(len(labels)):
        positives = [p for p in range(len(labels)) if labels[p] == labels[a] and images[p] != images[a]]
        negatives = [n for n in range(len(labels)) if labels[n] != labels[a]]
        if positives and negatives:
            far = max(positives, key=lambda p: distances[a, p])
            found.append((a, far, min(negatives, key=lambda n: distances[a, n])))
    return found


def brute_semi_hard(distances, labels, images):
    """Find for each pair of one person the nearest negative beyond the positive, or the farthest of all."""
    found = []
    for a in range(len(labels)):
        negatives = [n for n in range(len(labels)) if labels[n] != labels[a]]
        for p in range(len(labels)):
            if labels[p] != labels[a] or images[p] == images[a] or not negatives:
                continue
            farther = [n for n in negatives if distances[a, n] > distances[a, p]]
            if farther:
                found.append((a, p, min(farther, key=lambda n: distances[a, n])))
            else:
                found.append((a, p, max(negatives, key=lambda n: distances[a, n])))
    return found


@pytest.mark.parametrize(("mine", "brute"), [(mining.hard, brute_hard), (mining.semi_hard, brute_semi_hard)])
@settings(max_examples=150)
@given(batch=batches())
def test_the_triplets_of_a_batch_are_those_of_brute_force(mine, brute, batch):
    values, labels, images = batch
    apart = between(values)
    triplets = mine(tf.constant(apart), tf.constant(labels), tf.constant(images))
    assert [tuple(t) for t in triplets.numpy()] == brute(apart, labels, images)


@pytest.mark.slow
@settings(max_examples=60)
@given(batches(), st.sampled_from(["squared", "euclidean"]))
def test_every_triplet_is_counted_once(batch, kind):
    values, labels, _ = batch
    loss = Triplet(distance=kind)
    expected = np.zeros(5)
    for a in range(len(labels)):
        for p in range(len(labels)):
            for n in range(len(labels)):
                if p == a or labels[p] != labels[a] or labels[n] == labels[a]:
                    continue
                near, far = ((values[a] - values[other]).astype(np.float64) for other in (p, n))
                if kind == "squared":
                    near, far = (near**2).sum(), (far**2).sum()
                else:
                    near, far = np.sqrt(((near + 1e-6) ** 2).sum()), np.sqrt(((far + 1e-6) ** 2).sum())
                value = near - far + loss.gap
                # On the grid a loss of 0 stands on the hinge, on either side of it.
                expected += [max(value, 0), 1, value > 1e-5, near, far]
    total, count, active, near, far = mining.every_triplet(tf.constant(values), tf.constant(labels), kind, loss.gap)
    np.testing.assert_allclose([total, count, near, far], expected[[0, 1, 3, 4]], rtol=1e-5, atol=1e-4)
    if kind == "squared":
        assert active == expected[2]


@settings(max_examples=40)
@given(batches())
def test_squared_distances_are_those_between_the_rows(batch):
    values, _, _ = batch
    np.testing.assert_allclose(squared_distances(tf.constant(values)), between(values), atol=1e-5)


def test_a_batch_of_triplets_is_taken_in_turn():
    assert mining.given(tf.zeros([7])).numpy().tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize("mine", [mining.hard, mining.semi_hard])
@pytest.mark.parametrize("labels", [[0], [0, 1], [0, 0, 0]])
def test_a_batch_without_a_triplet_has_no_loss_and_a_gradient_of_0(mine, labels):
    embeddings = tf.constant(np.random.default_rng(0).normal(size=[len(labels), 4]), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(embeddings)
        triplets = mine(squared_distances(embeddings), tf.constant(labels, tf.int64), tf.range(len(labels)))
        anchor, positive, negative = (tf.gather(embeddings, triplets[:, i]) for i in range(3))
        near, far = (distances(anchor, other, "euclidean") for other in (positive, negative))
        total = tf.reduce_sum(hinge(near, far, 1.0))
    assert triplets.shape == (0, 3)
    assert float(total) == 0.0
    np.testing.assert_array_equal(tf.convert_to_tensor(tape.gradient(total, embeddings)), 0)
