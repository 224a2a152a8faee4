"""The measures of a stage beside its loss agree with their definitions, step by step."""

from __future__ import annotations

import numpy as np
import pytest

from finetune.backbones import by_name
from finetune.recipe.stage import Stage

tf = pytest.importorskip("tensorflow")
from finetune.embedding.embedder import unit  # noqa: E402
from finetune.training.step import Trainer  # noqa: E402

pytestmark = pytest.mark.tf
V1 = by_name("inception_resnet_v1")
LABELS = tf.constant([0, 1, 2, 3, 0, 1], tf.int64)
WEIGHTS = "InceptionResnetV1/Bottleneck/weights"


@pytest.fixture
def features():
    return tf.constant(np.abs(np.random.default_rng(5).normal(size=(6, 1792))), tf.float32)


def sgd(train_from="Bottleneck", **values):
    return Stage("s", train_from, 1, optimizer={"name": "momentum", "momentum": 0.0}, **values)


def gradients(model, features, stage, labels=LABELS, **given):
    """Return the change that one step of plain descent at rate 1 subtracts, and the result of the step."""
    before = model.tensors()
    trainer = Trainer(model, stage, labels=np.asarray(labels))
    trainer.begin()
    start = model.tensors(trainer.weights)
    result = trainer.step(features, labels, 1.0, (1, 1), **given)
    moved = {name: start[name] - model.variables[name].numpy() for name in trainer.weights}
    model.assign(before)
    return moved, result


def norm(tensors):
    return np.sqrt(sum((value.astype(np.float64) ** 2).sum() for value in tensors.values()))


def test_gradients_longer_than_the_norm_are_scaled_to_it_and_shorter_ones_are_left(model, features):
    plain, result = gradients(model, features, sgd())
    assert result["gradient_norm"] == pytest.approx(norm(plain), rel=1e-4)
    clipped, _ = gradients(model, features, sgd(clip_norm=norm(plain) / 4))
    assert norm(clipped) == pytest.approx(norm(plain) / 4, rel=1e-4)
    for name, value in plain.items():
        np.testing.assert_allclose(clipped[name], value / 4, rtol=1e-2, atol=1e-6)
    left, _ = gradients(model, features, sgd(clip_norm=norm(plain) * 2))
    for name, value in plain.items():
        np.testing.assert_array_equal(left[name], value)


def test_l2_sp_pulls_toward_the_restored_weights_and_leaves_the_classifier(model, features):
    generator = np.random.default_rng(1)
    names = [name for name in Trainer(model, sgd()).weights if not V1.is_head(name)]
    away = {name: generator.normal(0, 0.01, model.variables[name].shape).astype(np.float32) for name in names}
    model.assign({name: model.variables[name].numpy() + away[name] for name in names})
    plain, without = gradients(model, features, sgd())
    pulled, result = gradients(model, features, sgd(l2_sp=0.5))
    squares = sum((value.astype(np.float64) ** 2).sum() for value in away.values())
    assert result["l2_sp"] == pytest.approx(0.5 * squares / 2, rel=1e-4)
    assert result["loss"] == pytest.approx(without["loss"] + result["l2_sp"], rel=1e-5)
    for name in plain:
        expected = 0.5 * away[name] if name in away else 0.0
        np.testing.assert_allclose(pulled[name] - plain[name], expected, atol=2e-5)


def test_center_loss_enters_the_loss_and_pulls_prelogits_to_their_centres(model, features):
    trainer = Trainer(model, sgd(center_loss={"factor": 0.5, "alfa": 0.9}))
    centers = np.random.default_rng(8).normal(size=(4, 512)).astype(np.float32)
    trainer.load(trainer.state() | {"centers": centers})
    prelogits = trainer.prelogits(features).astype(np.float64)
    expected = ((prelogits - centers[LABELS.numpy()]) ** 2).mean()
    without = Trainer(model, sgd()).evaluate(features, LABELS)
    result = trainer.evaluate(features, LABELS)
    assert result["center_loss"] == pytest.approx(expected, rel=1e-4)
    assert result["loss"] == pytest.approx(without["loss"] + 0.5 * expected, rel=1e-4)


def test_a_step_moves_the_centres_toward_the_prelogits_that_it_saw(model, features):
    trainer = Trainer(model, sgd(center_loss={"factor": 0.5, "alfa": 0.9}))
    trainer.begin()
    prelogits = trainer.prelogits(features)
    trainer.step(features, LABELS, 0.0, (1, 1))
    expected = np.zeros([4, 512], np.float32)  # where the published graph begins
    np.add.at(expected, LABELS.numpy(), (1 - 0.9) * prelogits)
    np.testing.assert_allclose(trainer.state()["centers"], expected, rtol=1e-3, atol=1e-5)
    assert np.abs(expected).max() > 1e-2


def test_weight_decay_is_half_the_squares_of_trained_kernels_and_leaves_biases(model, features):
    model.variables["Logits/biases"].assign([1.0, 2.0, 3.0, 4.0])
    plain, without = gradients(model, features, sgd())
    decayed, result = gradients(model, features, sgd(weight_decay=0.1))
    kernels = [name for name in plain if name.endswith("/weights")]
    assert set(kernels) == {WEIGHTS, "Logits/weights"}
    squares = sum((model.variables[name].numpy().astype(np.float64) ** 2).sum() for name in kernels)
    assert result["weight_decay"] == pytest.approx(0.1 * squares / 2, rel=1e-4)
    assert result["loss"] == pytest.approx(without["loss"] + result["weight_decay"], rel=1e-5)
    for name in plain:
        expected = 0.1 * model.variables[name].numpy() if name in kernels else 0.0
        np.testing.assert_allclose(decayed[name] - plain[name], expected, atol=2e-5)


def test_l2_sp_holds_every_trained_unit_of_the_backbone(model):
    stage = sgd("Block8", l2_sp=0.5)
    trainer = Trainer(model, stage)
    names = [name for name in trainer.weights if not V1.is_head(name)]
    assert len({name.split("/")[1] for name in names}) == 2  # Block8 and Bottleneck
    pixels = np.random.default_rng(6).integers(256, size=(6, 75, 75, 3), dtype=np.uint8)
    given = model.prefix(trainer.first)(pixels)
    for name in names:
        value = model.variables[name].numpy()
        model.assign({name: value + 0.01})
        away = (model.variables[name].numpy().astype(np.float64) - value) ** 2
        assert trainer.evaluate(given, LABELS)["l2_sp"] == pytest.approx(0.5 * away.sum() / 2, rel=1e-3), name
        model.assign({name: value})


def test_held_back_images_are_judged_without_label_smoothing(model, features):
    smoothed = Trainer(model, sgd(loss={"name": "softmax", "label_smoothing": 0.3}))
    plain = Trainer(model, sgd()).evaluate(features, LABELS)
    assert smoothed.evaluate(features, LABELS)["cross_entropy"] == pytest.approx(plain["cross_entropy"], rel=1e-6)
    _, trained = gradients(model, features, smoothed.stage)
    assert abs(trained["cross_entropy"] - plain["cross_entropy"]) > 1e-3


def test_balanced_class_weights_give_the_mean_of_the_gradients_of_each_person(model, features):
    labels = tf.constant([0, 1, 2, 3, 0, 0], tf.int64)
    weighted, result = gradients(model, features, sgd(class_weight="balanced"), labels)
    of_people = []
    for person in range(4):
        rows = np.flatnonzero(labels.numpy() == person)
        of_people.append(gradients(model, tf.gather(features, rows), sgd(), tf.gather(labels, rows)))
    assert result["loss"] == pytest.approx(np.mean([other["loss"] for _, other in of_people]), rel=1e-5)
    for name, value in weighted.items():
        np.testing.assert_allclose(value, np.mean([moved[name] for moved, _ in of_people], axis=0), atol=2e-6)


def test_distillation_is_the_mean_squared_distance_to_the_embeddings_given(model, features):
    targets = np.random.default_rng(2).normal(size=(6, 512)).astype(np.float32)
    targets /= np.linalg.norm(targets, axis=1, keepdims=True)
    embeddings = unit(Trainer(model, sgd()).prelogits(features))
    _, without = gradients(model, features, sgd())
    _, result = gradients(model, features, sgd(distillation=3.0), targets=targets)
    assert result["distillation"] == pytest.approx(((embeddings - targets) ** 2).sum(1).mean(), rel=1e-5)
    assert result["loss"] == pytest.approx(without["loss"] + 3 * result["distillation"], rel=1e-5)
    _, near = gradients(model, features, sgd(distillation=3.0), targets=embeddings)
    assert near["distillation"] < 1e-10


def test_relations_are_the_differences_of_the_distances_within_the_batch(model, features):
    targets = np.random.default_rng(2).normal(size=(6, 512)).astype(np.float32)
    targets /= np.linalg.norm(targets, axis=1, keepdims=True)
    embeddings = unit(Trainer(model, sgd()).prelogits(features))
    between = [np.linalg.norm(rows[:, np.newaxis] - rows, axis=2) for rows in (embeddings, targets)]
    expected = ((between[0] - between[1]) ** 2).sum() / (6 * 5)  # all pairs of different images
    _, plain = gradients(model, features, sgd(distillation=3.0), targets=targets)
    _, result = gradients(model, features, sgd(distillation={"factor": 3.0, "relations": 7.0}), targets=targets)
    assert result["distillation"] == pytest.approx(plain["distillation"] + 7 * expected, rel=1e-3)
    turned = embeddings[:, ::-1]  # another place, and the same relations
    moved, far = gradients(model, features, sgd(distillation={"factor": 3.0, "relations": 7.0}), targets=turned)
    without, _ = gradients(model, features, sgd(distillation=3.0), targets=turned)
    assert far["distillation"] == pytest.approx(((embeddings - turned) ** 2).sum(1).mean(), rel=1e-3)
    np.testing.assert_allclose(moved[WEIGHTS], without[WEIGHTS], atol=1e-3 * np.abs(without[WEIGHTS]).max())


def test_averages_follow_the_published_decay_and_are_what_is_measured(model, features):
    trainer = Trainer(model, sgd(ema=0.9))
    trainer.begin()
    expected = model.variables[WEIGHTS].numpy().astype(np.float64)
    for step in range(1, 5):
        trainer.step(features, LABELS, 0.1, (1, step))
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * model.variables[WEIGHTS].numpy()
    raw = model.variables[WEIGHTS].numpy()
    with trainer.averaged():
        np.testing.assert_allclose(model.variables[WEIGHTS].numpy(), expected, rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(model.variables[WEIGHTS].numpy(), raw)
    assert np.abs(raw - expected).max() > 1e-6


def test_earlier_blocks_move_by_less(model):
    pixels = np.random.default_rng(6).integers(256, size=(6, 75, 75, 3), dtype=np.uint8)
    stage = sgd("Block8")
    given = model.prefix(Trainer(model, stage).first)(pixels)
    plain, _ = gradients(model, given, stage)
    slowed, _ = gradients(model, given, sgd("Block8", layer_decay=0.5))
    for name, value in plain.items():
        factor = 1.0 if V1.is_head(name) else 0.5 if "Bottleneck" in name else 0.25
        np.testing.assert_allclose(slowed[name], factor * value, rtol=2e-2, atol=1e-6)


@pytest.mark.parametrize("loss", ["arcface", "cosface", "combined", "curricularface", "adaface", "sub_arcface"])
def test_a_normalized_head_has_unit_columns_and_no_biases(model, features, loss):
    model.variables["Logits/biases"].assign([1.0, 2.0, 3.0, 4.0])
    trainer = Trainer(model, sgd(loss=loss))
    trainer.begin()
    assert "Logits/biases" not in trainer.weights
    assert "Logits/biases" in trainer.names
    before = model.variables["Logits/weights"].numpy()
    for step in range(3):
        trainer.step(features, LABELS, 0.01, (1, step))
    head = model.variables["Logits/weights"].numpy()
    np.testing.assert_allclose(np.linalg.norm(head, axis=0), 1, rtol=1e-6)
    np.testing.assert_array_equal(model.variables["Logits/biases"].numpy(), 0)
    assert np.abs(head - before).max() > 1e-4
    # The saved classifier, which has no scale, ranks the classes as the stage did.
    plain = trainer.prelogits(features) @ head
    np.testing.assert_array_equal(plain.argmax(1), (unit(trainer.prelogits(features)) @ head).argmax(1))


def test_a_triplet_step_moves_embeddings_and_no_classifier(model, features):
    trainer = Trainer(model, sgd(loss="triplet"))
    before = model.digests()
    result = trainer.step(features, tf.constant([0, 0, 1, 2, 2, 3], tf.int64), 0.1, (1, 1))
    changed = {name for name, digest in model.digests().items() if digest != before[name]}
    assert {name for name in changed if V1.is_head(name)} == set()
    assert WEIGHTS in changed
    assert (result["triplets"], "cross_entropy" in result) == (2, False)
    assert result["loss"] == pytest.approx(result["triplet"])


@pytest.mark.parametrize(
    "values",
    [
        {"ema": 0.99, "layer_decay": 0.7},
        {"center_loss": {"factor": 0.1}, "clip_norm": 1.0},
        {"loss": "arcface"},
        {"loss": "adaface"},
        {"loss": "curricularface"},
        {"loss": "sub_arcface", "ema": 0.9},
        {"loss": "triplet"},
    ],
    ids=str,
)
def test_state_holds_everything_that_a_step_changes(model, features, values):
    stage = Stage("s", "Bottleneck", 1, **values)
    once = Trainer(model, stage)
    once.begin()
    start = model.tensors(once.names)
    once.step(features, LABELS, 0.01, (1, 1))
    saved = once.state()
    once.step(features, LABELS, 0.01, (1, 2))
    twice = once.state()
    model.assign(start)
    resumed = Trainer(model, stage)
    resumed.load(saved)
    resumed.step(features, LABELS, 0.01, (1, 2))
    again = resumed.state()
    assert set(again) == set(twice)
    for name, value in twice.items():
        np.testing.assert_array_equal(again[name], value)


def test_what_a_step_has_seen_are_the_prelogits_before_its_update(model, features):
    trainer = Trainer(model, sgd())
    before = trainer.prelogits(features)
    trainer.step(features, LABELS, 0.1, (1, 1))
    np.testing.assert_allclose(trainer.seen(), before, rtol=1e-4, atol=1e-4)
