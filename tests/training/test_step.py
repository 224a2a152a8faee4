"""One training step: the loss by hand, gradients only after the boundary, optimizers by their papers."""

from __future__ import annotations

import numpy as np
import pytest

from finetune.backbones import by_name
from finetune.images.preprocessing import Preprocessing
from finetune.recipe.stage import Stage
from tests.tiny import TINY

tf = pytest.importorskip("tensorflow")
from finetune import network  # noqa: E402
from finetune.model import Model  # noqa: E402
from finetune.training.replicated import StepBatch  # noqa: E402
from finetune.training.step import Trainer  # noqa: E402

pytestmark = pytest.mark.tf
V1, V2 = by_name("inception_resnet_v1"), by_name("inception_resnet_v2")
PEOPLE = ("ann", "bob", "cid", "dee")


@pytest.fixture
def batch():
    generator = np.random.default_rng(5)
    return generator.normal(size=(6, 512)).astype(np.float32), np.array([0, 1, 2, 3, 0, 1])


def _loss_by_hand(model, prelogits, labels, decay, factor, p):
    """Compute the loss in float64: cross-entropy, L2 of the trained weights, and the published prelogits norm."""
    weights = model.variables["Logits/weights"].numpy().astype(np.float64)
    biases = model.variables["Logits/biases"].numpy().astype(np.float64)
    logits = prelogits @ weights + biases
    shifted = np.exp(logits - logits.max(1, keepdims=True))
    probabilities = shifted / shifted.sum(1, keepdims=True)
    cross_entropy = -np.log(probabilities[np.arange(len(labels)), labels]).mean()
    norm = (((np.abs(prelogits) + 1e-4) ** p).sum(1) ** (1 / p)).mean()
    loss = cross_entropy + decay * (weights**2).sum() / 2 + factor * norm
    gradient = prelogits.T @ (probabilities - np.eye(len(PEOPLE))[labels]) / len(labels) + decay * weights
    return loss, cross_entropy, norm, (logits.argmax(1) == labels).sum(), gradient


@pytest.mark.parametrize(("decay", "factor", "p"), [(0.0, 0.0, 1.0), (0.01, 5e-4, 1.0), (0.0, 0.1, 2.0)])
def test_the_loss_is_that_of_the_published_script(model, batch, decay, factor, p):
    features, labels = batch
    stage = Stage("head", "Logits", 1, weight_decay=decay, prelogits_norm={"factor": factor, "p": p})
    *expected, _ = _loss_by_hand(model, features.astype(np.float64), labels, decay, factor, p)
    result = Trainer(model, stage).evaluate(tf.constant(features), tf.constant(labels))
    found = result["loss"], result["cross_entropy"], result["prelogits_norm"], result["correct"]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def _by_hand(name, gradients, rate):
    """Compute the weights' change after each gradient, by the published update rules with FaceNet's constants."""
    change = np.zeros_like(gradients[0])
    first, second = np.zeros_like(change), np.zeros_like(change)
    if name == "adagrad":
        second += 0.1
    for t, g in enumerate(gradients, start=1):
        if name == "adam":
            first, second = 0.9 * first + 0.1 * g, 0.999 * second + 0.001 * g**2
            step = rate * np.sqrt(1 - 0.999**t) / (1 - 0.9**t) * first / (np.sqrt(second) + 0.1)
        elif name == "adagrad":
            second = second + g**2
            step = rate * g / np.sqrt(second)
        elif name == "adadelta":
            second = 0.9 * second + 0.1 * g**2
            update = np.sqrt(first + 1e-6) / np.sqrt(second + 1e-6) * g
            first = 0.9 * first + 0.1 * update**2
            step = rate * update
        elif name == "rmsprop":
            second = 0.9 * second + 0.1 * g**2
            first = 0.9 * first + rate * g / np.sqrt(second + 1.0)
            step = first
        else:
            first = 0.9 * first + g
            step = rate * (g + 0.9 * first)
        change = change - step
    return change


@pytest.mark.parametrize("name", ["adam", "adagrad", "adadelta", "rmsprop", "momentum"])
def test_optimizers_follow_their_papers_with_facenets_constants(model, batch, name):
    features, labels = batch
    stage = Stage("head", "Logits", 1, optimizer={"name": name, "constants": "facenet"})
    trainer = Trainer(model, stage)
    start = model.variables["Logits/weights"].numpy().astype(np.float64)
    gradients = []
    for step in range(3):
        gradients.append(_loss_by_hand(model, features.astype(np.float64), labels, 0, 0, 1)[-1])
        trainer.step(tf.constant(features), tf.constant(labels), 0.05, (1, step))
    change = model.variables["Logits/weights"].numpy() - start
    np.testing.assert_allclose(change, _by_hand(name, gradients, 0.05), rtol=2e-3, atol=2e-6)


@pytest.mark.parametrize("batch_norm", ["frozen", "train"])
@pytest.mark.parametrize(
    ("backbone", "train_from"),
    [
        *((V1, name) for name in ("Logits", "Bottleneck", "Repeat_2/block8_5")),
        pytest.param(V2, "Repeat_2/block8_9", marks=pytest.mark.slow),
        *((TINY, name) for name in TINY.boundaries),
    ],
)
def test_a_step_changes_what_trains_and_nothing_else(random_variables, backbone, train_from, batch_norm):
    model = Model(backbone, random_variables(backbone), Preprocessing(75), PEOPLE[:3])
    model.assign({n: np.ones_like(v) for n, v in model.tensors().items() if n.endswith("/beta")})  # no ReLU is dead
    stage = Stage("s", train_from, 1, batch_norm=batch_norm, keep_probability=0.9)
    trainer = Trainer(model, stage)
    first = backbone.boundary(train_from)
    generator = np.random.default_rng(6)
    pixels = generator.integers(256, size=(4, 75, 75, 3), dtype=np.uint8)
    features = model.prefix(first)(pixels)
    before = model.digests()
    trainer.step(features, tf.constant([0, 1, 2, 0], tf.int64), 0.1, (1, 1))
    changed = {name for name, digest in model.digests().items() if digest != before[name]}
    after = {name for name in before if backbone.index_of(name) >= first}
    moving = {name for name in after if "/moving_" in name}
    assert changed == (after if batch_norm == "train" else after - moving)
    assert changed == set(trainer.names)


def test_gradients_are_the_slopes_of_the_loss(model):
    """Compare with central differences through Bottleneck's frozen batch norm, in the direction of a random step."""
    stage = Stage("s", "Bottleneck", 1, optimizer="momentum")
    trainer = Trainer(model, stage)
    generator = np.random.default_rng(7)
    features = tf.constant(generator.normal(size=(5, 1792)), tf.float32)
    labels = tf.constant([0, 1, 2, 3, 0], tf.int64)
    name = "InceptionResnetV1/Bottleneck/weights"
    direction = generator.normal(size=model.variables[name].shape).astype(np.float32)
    start = model.variables[name].numpy()
    slopes = []
    for sign in (1, -1):
        model.variables[name].assign(start + sign * 1e-3 * direction)
        slopes.append(trainer.evaluate(features, labels)["loss"])
    model.variables[name].assign(start)
    weights = [model.variables[n] for n in trainer.weights]
    with tf.GradientTape() as tape:
        prelogits = network.forward_pass(V1, features, model.variables, slice(trainer.first, -1))
        logits = network.forward_pass(V1, prelogits, model.variables, network.HEAD)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
    gradient = tape.gradient(loss, weights)[trainer.weights.index(name)].numpy()
    assert (slopes[0] - slopes[1]) / 2e-3 == pytest.approx(float((gradient * direction).sum()), rel=2e-2)


@pytest.mark.slow
@pytest.mark.parametrize("batch_norm", ["frozen", "train"])
def test_in_bfloat16_masters_head_and_loss_are_float32_and_a_step_is_nearly_the_same(drawn_checkpoint, batch_norm):
    pixels = np.random.default_rng(9).integers(256, size=(8, 75, 75, 3), dtype=np.uint8)
    labels = tf.constant([0, 1, 2, 3, 0, 1, 2, 3], tf.int64)
    stage = Stage("s", "Repeat_2/block8_5", 1, optimizer="momentum", batch_norm=batch_norm)
    changes, losses = {}, {}
    for precision in ("float32", "bfloat16"):
        model = Model.restore(drawn_checkpoint, class_names=PEOPLE, seed=3, precision=precision)
        trainer = Trainer(model, stage)
        before = model.tensors(trainer.weights)
        losses[precision] = trainer.step(model.prefix(trainer.first)(pixels), labels, 0.01, (1, 1))["loss"]
        after = model.tensors(trainer.weights)
        assert {value.dtype for value in after.values()} == {np.dtype(np.float32)}
        changes[precision] = np.concatenate([(after[name] - before[name]).ravel() for name in before])
    full, half = changes["float32"], changes["bfloat16"]
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=3e-2)
    assert losses["bfloat16"] != losses["float32"]
    assert full @ half / np.linalg.norm(full) / np.linalg.norm(half) > 0.95


def test_state_holds_everything_that_a_step_changes(model, batch):
    features, labels = (tf.constant(part) for part in batch)
    stage = Stage("head", "Logits", 1)
    once = Trainer(model, stage)
    start = model.tensors(once.names)
    once.step(features, labels, 0.1, (1, 1))
    saved = once.state()
    once.step(features, labels, 0.1, (1, 2))
    twice = model.tensors(once.names)

    model.assign(start)
    resumed = Trainer(model, stage)
    resumed.load(saved)
    resumed.step(features, labels, 0.1, (1, 2))
    for name, value in twice.items():
        np.testing.assert_array_equal(model.variables[name].numpy(), value)


def test_training_around_frozen_statistics_takes_no_gradient_of_the_fused_batch_norm(model):
    """Avoid that gradient, because it has no deterministic kernel on GPUs, where such a stage would end in an error."""
    trainer = Trainer(model, Stage("s", "Repeat_2/block8_5", 1))
    features = tf.TensorSpec([None, *model.prefix(trainer.first)(np.zeros([1, 75, 75, 3], np.uint8)).shape[1:]])
    labels, key = tf.TensorSpec([None], tf.int64), tf.TensorSpec([2], tf.int32)
    graph = trainer._step.get_concrete_function(StepBatch(features, labels, labels, None, key))
    kinds = {operation.type for operation in graph.graph.get_operations()}
    assert "Conv2DBackpropFilter" in kinds
    assert not [kind for kind in kinds if "FusedBatchNormGrad" in kind]


def test_units_after_the_last_block_stay_frozen_and_pass_the_gradient_on(random_variables):
    """The first units change as they do where all units train with frozen statistics, and the classifier trains too."""
    rate, labels = 0.1, tf.constant([0, 1, 2, 0], tf.int64)
    pixels = np.random.default_rng(6).integers(256, size=(4, 75, 75, 3), dtype=np.uint8)
    first, last = "Conv2d_1a_3x3", "Repeat"
    found, before = {}, {}
    for train_to in (None, last):
        model = Model(TINY, random_variables(TINY), Preprocessing(75), PEOPLE[:3])
        model.assign({n: np.ones_like(v) for n, v in model.tensors().items() if n.endswith("/beta")})  # no ReLU is dead
        before = model.tensors()
        stage = Stage("s", first, 1, optimizer="momentum", train_to=train_to)
        trainer = Trainer(model, stage)
        trainer.step(model.prefix(trainer.first)(pixels), labels, rate, (1, 1))
        found[train_to] = model.tensors()
    trained = {name for name in before if TINY.index_of(name) < TINY.end(last) and not TINY.is_statistic(name)}
    trained |= {name for name in before if TINY.is_head(name)}
    assert {name for name in before if not np.array_equal(before[name], found[last][name])} == trained
    for name in trained:
        np.testing.assert_allclose(found[last][name], found[None][name], rtol=1e-4, atol=1e-6, err_msg=name)


def test_batch_norm_moves_only_in_the_units_that_train(random_variables):
    model = Model(TINY, random_variables(TINY), Preprocessing(75), PEOPLE[:3])
    first, last = "Conv2d_1a_3x3", "Repeat"
    trainer = Trainer(model, Stage("s", first, 1, batch_norm="train", train_to=last, loss="none", distillation=1))
    before = model.digests()
    pixels = np.random.default_rng(6).integers(256, size=(4, 75, 75, 3), dtype=np.uint8)
    targets = np.eye(4, model.embedding_size, dtype=np.float32)
    features = model.prefix(trainer.first)(pixels)
    trainer.step(features, tf.constant([0, 1, 2, 0], tf.int64), 0.1, (1, 1), targets=targets)
    moving = [name for name in before if TINY.is_statistic(name)]
    moved = {name for name in moving if model.digests()[name] != before[name]}
    assert moved == {name for name in moving if TINY.index_of(name) < TINY.end(last)}
    assert len(moved) < len(moving)
