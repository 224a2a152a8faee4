"""Every loss equals NumPy in float64, and its gradient equals finite differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from finetune.training.objectives import ArcFace, CosFace, Softmax
from finetune.training.objectives.combined import Combined

tf = pytest.importorskip("tensorflow")
from finetune.training.objectives.center_loss import center_loss, move_centers  # noqa: E402
from finetune.training.objectives.classification import balanced, cosines, cross_entropy  # noqa: E402
from finetune.training.objectives.distances import distances, hinge, relations  # noqa: E402
from finetune.training.objectives.loss import Outputs  # noqa: E402
from finetune.training.objectives.prelogits_norm import prelogits_norm  # noqa: E402

pytestmark = pytest.mark.tf
STEP = 1e-5


def log_softmax(logits):
    shifted = logits - logits.max(1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(1, keepdims=True))


def smoothed(logits, labels, smoothing):
    n, classes = logits.shape
    targets = np.full([n, classes], smoothing / classes)
    targets[np.arange(n), labels] += 1 - smoothing
    return -(targets * log_softmax(logits)).sum(1)


def margin(kind, cosines, labels):
    out = np.array(cosines, np.float64)
    for row, label in enumerate(labels):
        cosine = float(np.clip(cosines[row, label], -1 + 1e-6, 1 - 1e-6))
        if isinstance(kind, CosFace):
            out[row, label] = cosines[row, label] - kind.margin
        else:
            angle = math.acos(cosine)
            beyond = angle + kind.margin >= math.pi
            out[row, label] = cosine - kind.margin * math.sin(kind.margin) if beyond else math.cos(angle + kind.margin)
    return kind.scale * out


def pairwise(first, second, kind):
    if kind == "squared":
        return ((first - second) ** 2).sum(-1)
    return np.sqrt(((first - second + 1e-6) ** 2).sum(-1))  # as PyTorch's pairwise_distance


def slopes(function, values):
    """Compute central differences of a sum over [n] with respect to `values`, in float64."""
    gradient = np.zeros_like(values)
    for place in np.ndindex(values.shape):
        for sign in (1, -1):
            moved = values.copy()
            moved[place] += sign * STEP
            gradient[place] += sign * float(np.sum(function(moved))) / (2 * STEP)
    return gradient


def agree(function, expected, values):
    """Assert that a TensorFlow function equals NumPy to 1e-6, and that its gradient equals the slopes of NumPy's."""
    tensor = tf.constant(values, tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        result = function(tensor)
        total = tf.reduce_sum(result)
    np.testing.assert_allclose(result, expected(values), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(tape.gradient(total, tensor), slopes(expected, values), rtol=1e-4, atol=1e-4)


@st.composite
def classified(draw, low=-4.0, high=4.0):
    n, classes = draw(st.integers(1, 5)), draw(st.integers(2, 6))
    labels = np.array(draw(st.lists(st.integers(0, classes - 1), min_size=n, max_size=n)))
    seed = draw(st.integers(0, 2**32 - 1))
    return np.random.default_rng(seed).uniform(low, high, [n, classes]), labels


@settings(max_examples=30)
@given(classified(), st.sampled_from([0.0, 0.1, 0.5]))
def test_cross_entropy_with_label_smoothing(case, smoothing):
    logits, labels = case
    agree(lambda x: cross_entropy(x, labels, smoothing), lambda x: smoothed(x, labels, smoothing), logits)


KINDS = [ArcFace(), CosFace(), ArcFace(margin=1.2, scale=10.0), CosFace(margin=0.0, scale=1.0), ArcFace(margin=0.0)]


@settings(max_examples=40)
@given(classified(-0.99, 0.99), st.sampled_from(KINDS))
def test_arcface_and_cosface_margins(case, kind):
    cosines, labels = case
    if isinstance(kind, ArcFace):  # no slope at the angle where the other branch begins
        own = np.arccos(cosines[np.arange(len(labels)), labels])
        if np.abs(own + kind.margin - math.pi).min() < 1e-3:
            return
    agree(lambda x: kind.with_margin(x, labels), lambda x: margin(kind, x, labels), cosines)


def three_margins(kind, cosines, labels):
    out = np.array(cosines, np.float64)
    for row, label in enumerate(labels):
        angle = kind.multiple * math.acos(cosines[row, label]) + kind.margin
        turns = int(angle // math.pi)
        out[row, label] = (-1) ** turns * math.cos(angle) - 2 * turns - kind.cosine
    return kind.scale * out


COMBINED = [Combined(), Combined(multiple=4.0, margin=0.0, cosine=0.0, scale=1.0), Combined(multiple=0.9, margin=3.0)]


@settings(max_examples=40)
@given(classified(-0.99, 0.99), st.sampled_from(COMBINED))
def test_three_margins_at_once(case, kind):
    cosines, labels = case
    agree(lambda x: kind.with_margin(x, labels), lambda x: three_margins(kind, x, labels), cosines)


@settings(max_examples=20)
@given(classified(-0.99, 0.99), st.floats(0.0, 0.9))
def test_the_combination_of_one_margin_is_the_loss_of_that_margin(case, size):
    cosines, labels = case
    within = np.arccos(cosines) + size < math.pi - 1e-3  # ArcFace goes on in another way past π
    angular = Combined(margin=size, cosine=0.0).with_margin(tf.constant(cosines), labels)
    additive = Combined(margin=0.0, cosine=size).with_margin(tf.constant(cosines), labels)
    np.testing.assert_allclose(additive, CosFace(margin=size).with_margin(tf.constant(cosines), labels), atol=1e-9)
    arcface = ArcFace(margin=size).with_margin(tf.constant(cosines), labels)
    np.testing.assert_allclose(angular.numpy()[within], arcface.numpy()[within], atol=1e-9)


@pytest.mark.parametrize("kind", COMBINED)
def test_the_combination_falls_with_the_angle_all_the_way(kind):
    values = tf.constant(np.linspace(-0.999, 0.999, 400)[:, np.newaxis].repeat(2, 1))
    logits = kind.with_margin(values, tf.zeros([400], tf.int64))[:, 0].numpy()
    assert (np.diff(logits) > 0).all()


def test_an_angle_that_would_pass_pi_goes_on_falling():
    values = tf.constant(np.linspace(-0.999, 0.999, 400)[:, np.newaxis].repeat(2, 1))
    logits = ArcFace().with_margin(values, tf.zeros([400], tf.int64))[:, 0].numpy()
    assert (np.diff(logits) > 0).all()


@pytest.mark.parametrize("cosine", [1.0, -1.0])
def test_at_the_ends_of_the_cosine_the_gradient_is_a_number(cosine):
    values = tf.constant([[cosine, 0.0]])
    with tf.GradientTape() as tape:
        tape.watch(values)
        logits = ArcFace().with_margin(values, tf.constant([0], tf.int64))
    assert np.isfinite(tape.gradient(logits, values)).all()


def outputs(prelogits, labels, head, training, mean=tf.reduce_mean, **given):
    """Return a batch of prelogits that are embeddings already."""
    batch = {"images": None, "targets": None, "negatives": "random", "weights": {}, "replicas": 1}
    functions = {"classify": lambda x: x @ head, "embed": lambda x: x, "mean": mean}
    labels = tf.constant(labels, tf.int64)
    return Outputs(tf.constant(prelogits), labels, training=training, head=head, **batch, **functions, **given)


@settings(max_examples=20)
@given(classified(), st.sampled_from([Softmax(label_smoothing=0.2), *KINDS[:2], Combined()]))
def test_balanced_class_weights_make_the_loss_the_mean_over_people_of_each_persons_mean(case, kind):
    prelogits, labels = case
    prelogits = prelogits / np.linalg.norm(prelogits, axis=1, keepdims=True)
    head = np.random.default_rng(2).normal(size=[prelogits.shape[1], 6])
    own, labels = np.unique(labels, return_inverse=True)
    weights = tf.constant(balanced(labels, len(own)), tf.float64)
    each = [
        float(kind.compute(outputs(row[np.newaxis], [label], head, training=True))["cross_entropy"])
        for row, label in zip(prelogits, labels, strict=True)
    ]
    means = [np.mean([loss for loss, label in zip(each, labels, strict=True) if label == of]) for of in range(len(own))]
    found = kind.compute(outputs(prelogits, labels, head, training=True, class_weights=weights))
    assert float(found["cross_entropy"]) == pytest.approx(np.mean(means), rel=1e-5)
    # Two replicas: each sums over its own images, and divides by the number of all.
    half = len(labels) // 2
    parts = [
        kind.compute(
            outputs(
                prelogits[rows],
                labels[rows],
                head,
                training=True,
                mean=lambda values: tf.reduce_sum(values) / len(labels),
                class_weights=weights,
            )
        )["cross_entropy"]
        for rows in (slice(0, half), slice(half, None))
    ]
    assert float(sum(parts)) == pytest.approx(np.mean(means), rel=1e-5)
    plain = kind.compute(outputs(prelogits, labels, head, training=False))
    judged = kind.compute(outputs(prelogits, labels, head, training=False, class_weights=weights))
    assert float(judged["cross_entropy"]) == float(plain["cross_entropy"])
    assert float(found["correct"]) == float(plain["correct"])


def test_a_class_without_images_has_no_weight():
    np.testing.assert_allclose(balanced(np.array([0, 0, 0, 2]), 3), [4 / 9, 0, 4 / 3], rtol=1e-6)


@settings(max_examples=20)
@given(classified(), st.sampled_from([Softmax(label_smoothing=0.2), *KINDS[:3]]), st.booleans())
def test_a_loss_has_its_margin_and_smoothing_while_training_alone(case, kind, training):
    prelogits, labels = case
    prelogits = prelogits / np.linalg.norm(prelogits, axis=1, keepdims=True)
    head = np.random.default_rng(2).normal(size=[prelogits.shape[1], 6])
    found = kind.compute(outputs(prelogits, labels, head, training))
    if isinstance(kind, Softmax):
        plain = logits = prelogits @ head
        smoothing = kind.label_smoothing * training
    else:
        similarities = prelogits @ (head / np.linalg.norm(head, axis=0))
        plain, smoothing = kind.scale * similarities, 0.0
        logits = margin(kind, similarities, labels) if training else plain
    assert set(found) == {"cross_entropy", "correct"}
    np.testing.assert_allclose(found["cross_entropy"], smoothed(logits, labels, smoothing).mean(), rtol=1e-6)
    assert found["correct"] == (plain.argmax(1) == labels).sum()


@st.composite
def rows(draw, count):
    shape = [draw(st.integers(1, 5)), draw(st.integers(1, 7))]
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return [generator.normal(size=shape) for _ in range(count)]


@settings(max_examples=30)
@given(rows(3), st.sampled_from(["squared", "euclidean"]), st.floats(0.01, 2.0))
def test_the_triplet_loss_in_both_distances(case, kind, gap):
    anchor, positive, negative = case

    def expected(x):
        return np.maximum(pairwise(x, positive, kind) - pairwise(x, negative, kind) + gap, 0)

    if (np.abs(pairwise(anchor, positive, kind) - pairwise(anchor, negative, kind) + gap) < 1e-3).any():
        return  # no slope at the hinge
    agree(
        lambda x: hinge(distances(x, tf.constant(positive), kind), distances(x, tf.constant(negative), kind), gap),
        expected,
        anchor,
    )


def test_equal_embeddings_have_a_gradient_in_both_distances():
    same = tf.ones([2, 3])
    for kind in ("squared", "euclidean"):
        with tf.GradientTape() as tape:
            tape.watch(same)
            distance = distances(same, tf.ones([2, 3]), kind)
        assert np.isfinite(tape.gradient(distance, same)).all()


@settings(max_examples=20)
@given(rows(2))
def test_center_loss_and_distillation_are_squared_distances(case):
    values, others = case
    agree(lambda x: center_loss(x, tf.constant(others)), lambda x: ((x - others) ** 2).mean(1), values)
    agree(lambda x: distances(x, tf.constant(others), "squared"), lambda x: ((x - others) ** 2).sum(1), values)


@settings(max_examples=20)
@given(rows(2))
def test_relations_are_squared_differences_of_distances(case):
    values, others = case

    def between(x):
        return np.sqrt(((x[:, np.newaxis] - x) ** 2).sum(2) + 1e-6)

    def expected(x):
        return ((between(x) - between(others)) ** 2).sum(1) / max(len(x) - 1, 1)

    agree(lambda x: relations(x, tf.constant(others)), expected, values)


@settings(max_examples=20)
@given(rows(1), st.sampled_from([1.0, 2.0, 3.0]))
def test_the_norm_of_prelogits(case, p):
    (values,) = case
    values = np.where(np.abs(values) < 1e-3, 0.5, values)  # no slope at 0
    agree(lambda x: prelogits_norm(x, p), lambda x: ((np.abs(x) + 1e-4) ** p).sum(1) ** (1 / p), values)


@settings(max_examples=20)
@given(classified(), st.sampled_from([0.0, 0.5, 0.95]))
def test_centers_move_as_in_the_published_graph(case, alfa):
    prelogits, labels = case
    centers = np.random.default_rng(0).normal(size=[7, prelogits.shape[1]])
    variable = tf.Variable(centers)
    move_centers(variable, tf.constant(prelogits), tf.constant(labels, tf.int64), alfa)
    expected = centers.copy()
    for row, label in zip(prelogits, labels, strict=True):
        expected[label] -= (1 - alfa) * (centers[label] - row)
    np.testing.assert_allclose(variable, expected, rtol=1e-9, atol=1e-9)


@settings(max_examples=20)
@given(rows(1), st.integers(1, 4))
def test_cosines_do_not_depend_on_the_length_of_the_weights(case, classes):
    (values,) = case
    weights = np.random.default_rng(1).normal(size=[values.shape[1], classes])
    unit = values / np.linalg.norm(values, axis=1, keepdims=True)
    expected = unit @ (weights / np.linalg.norm(weights, axis=0))
    for length in (1.0, 7.5):
        np.testing.assert_allclose(cosines(tf.constant(unit), tf.constant(weights * length)), expected, atol=1e-9)
