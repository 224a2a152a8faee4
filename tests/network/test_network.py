"""The network: FaceNet's variables, slices that compose, batch normalization that stays frozen."""

from __future__ import annotations

import numpy as np
import pytest

from finetune.architecture import HEAD, UNITS, boundary, is_moving_statistic, unit_of

tf = pytest.importorskip("tensorflow")
from benchmarks import plain  # noqa: E402
from finetune import network  # noqa: E402
from finetune.network import layers  # noqa: E402

pytestmark = pytest.mark.tf
SIZE = 75


def test_has_the_variables_of_facenets_graph():
    shapes = network.variable_shapes(512, 739)
    body = {name: shape for name, shape in shapes.items() if unit_of(name) != HEAD}
    assert len(body) == 490
    assert sum(int(np.prod(shape)) for shape in body.values()) == 23_497_424
    assert shapes["Logits/weights"] == (512, 739)
    assert shapes["InceptionResnetV1/Repeat_1/block17_10/Branch_1/Conv2d_0b_1x7/weights"] == (1, 7, 128, 128)
    assert not [name for name in shapes if name.endswith("/gamma")]


def test_every_variable_belongs_to_a_unit_and_comes_in_the_order_of_the_units():
    order = [UNITS.index(unit_of(name)) for name in network.variable_shapes(512, 10)]
    assert order == sorted(order)
    assert set(order) == {i for i, unit in enumerate(UNITS) if "Pool" not in unit}


@pytest.mark.real
def test_asks_for_just_what_the_real_checkpoint_stores(shared):
    reader = tf.train.load_checkpoint(str(next((shared / "facenet").glob("*.index")).with_suffix("")))
    stored = {name: tuple(shape) for name, shape in reader.get_variable_to_shape_map().items()}
    assert stored == dict(network.variable_shapes(512, 739))


@pytest.mark.parametrize("train_from", ["Conv2d_4b_3x3", "Repeat_1/block17_3", "Repeat_2", "Block8", "Logits"])
def test_a_prefix_and_its_suffix_give_what_the_whole_gives(variables, train_from):
    images = tf.constant(np.random.default_rng(1).normal(size=(2, SIZE, SIZE, 3)), tf.float32)
    whole = network.forward(images, variables, 0, len(UNITS))
    middle = network.forward(images, variables, 0, boundary(train_from))
    np.testing.assert_array_equal(network.forward(middle, variables, boundary(train_from), len(UNITS)), whole)


def test_a_suffix_alone_asks_for_its_own_variables_only(variables):
    first = boundary("Repeat_2")
    own = {n: v for n, v in variables.items() if first <= UNITS.index(unit_of(n)) < boundary(HEAD)}
    features = tf.constant(np.random.default_rng(8).normal(size=(1, 3, 3, 1792)), tf.float32)
    np.testing.assert_array_equal(network.forward(features, own, first), network.forward(features, variables, first))


def test_an_unknown_variable_is_an_error(variables):
    lacking = {name: v for name, v in variables.items() if name != "InceptionResnetV1/Block8/Conv2d_1x1/biases"}
    with pytest.raises(KeyError, match="Block8/Conv2d_1x1/biases"):
        network.forward(tf.zeros([1, 3, 3, 1792]), lacking, boundary("Block8"))


def _statistics():
    return {
        "BatchNorm/beta": tf.Variable([0.5, -1.0]),
        "BatchNorm/moving_mean": tf.Variable([1.0, 2.0]),
        "BatchNorm/moving_variance": tf.Variable([4.0, 0.25]),
    }


def test_folded_weights_and_biases_give_what_batch_norm_by_the_stored_statistics_gives():
    generator = np.random.default_rng(2)
    inputs, weights = generator.normal(size=(6, 5)), generator.normal(size=(5, 2))
    layer = {"layer/weights": tf.constant(weights, tf.float32)}
    layer |= {f"layer/{name}": value for name, value in _statistics().items()}
    folded = network.fold({**layer, "other/weights": tf.constant(3.0), "other/biases": tf.constant(4.0)})
    expected = (inputs @ weights - [1.0, 2.0]) / np.sqrt(np.array([4.0, 0.25]) + 0.001) + [0.5, -1.0]
    np.testing.assert_allclose(inputs @ folded["layer/weights"].numpy() + folded["layer/biases"], expected, atol=1e-5)
    assert set(folded) == {"layer/weights", "layer/biases", "other/weights", "other/biases"}
    assert (float(folded["other/weights"]), float(folded["other/biases"])) == (3.0, 4.0)


def test_folded_variables_give_what_the_network_of_scaled_branches_and_stored_statistics_gives(variables):
    images = np.random.default_rng(5).normal(size=(2, 75, 75, 3)).astype(np.float32)
    folded = network.fold(variables)
    assert not [name for name in folded if "/BatchNorm/" in name]
    np.testing.assert_allclose(
        network.forward(images, folded, batch_norm="folded"),
        plain.forward(images, variables, 0, len(UNITS) - 1),
        atol=1e-4,
    )
    scope = "InceptionResnetV1/Repeat_1/block17_3/Conv2d_1x1"
    np.testing.assert_allclose(folded[f"{scope}/weights"], 0.1 * variables[f"{scope}/weights"].numpy(), rtol=1e-6)


def test_gradients_pass_through_the_fold_to_weights_and_beta():
    weights = tf.Variable([[1.0, 2.0]])
    layer = {"layer/weights": weights} | {f"layer/{name}": value for name, value in _statistics().items()}
    with tf.GradientTape() as tape:
        folded = network.fold(layer)
        loss = tf.reduce_sum(folded["layer/weights"] * [[2.0, 3.0]] + folded["layer/biases"] * [5.0, 7.0])
    by_weights, by_beta = tape.gradient(loss, [weights, layer["layer/BatchNorm/beta"]])
    np.testing.assert_allclose(by_weights, [[2.0, 3.0]] / np.sqrt(np.array([4.0, 0.25]) + 0.001), rtol=1e-6)
    np.testing.assert_allclose(by_beta, [5.0, 7.0])


@pytest.mark.parametrize("shape", [(6, 2), (3, 2, 2, 2)])
def test_training_batch_norm_normalizes_by_the_batch_and_moves_the_statistics(shape):
    inputs = np.random.default_rng(3).normal(size=shape).astype(np.float32)
    values = _statistics()
    with layers.existing_variables(values):
        outputs = tf.function(layers.batch_norm, autograph=False)(inputs).numpy()
    after = {name: value.numpy() for name, value in values.items()}
    flat = inputs.reshape(-1, 2).astype(np.float64)
    mean, variance = flat.mean(0), flat.var(0)
    np.testing.assert_allclose(outputs.reshape(-1, 2), (flat - mean) / np.sqrt(variance + 0.001) + [0.5, -1], atol=1e-4)
    # The fused kernel stores the unbiased variance, as TensorFlow 1's did.
    np.testing.assert_allclose(after["BatchNorm/moving_mean"], [1, 2] + 0.005 * (mean - [1, 2]), atol=1e-6)
    unbiased = flat.var(0, ddof=1)
    np.testing.assert_allclose(
        after["BatchNorm/moving_variance"], [4, 0.25] + 0.005 * (unbiased - [4, 0.25]), atol=1e-6
    )


def test_no_operation_of_a_frozen_forward_pass_could_write_a_variable(variables):
    forward = tf.function(lambda x: network.forward(x, variables), autograph=False)
    graph = forward.get_concrete_function(tf.TensorSpec([None, SIZE, SIZE, 3])).graph
    writing = [op.name for op in graph.get_operations() if "Assign" in op.type]
    assert writing == []


def test_training_batch_norm_in_a_suffix_moves_its_statistics_and_no_others(variables):
    before = {name: value.numpy() for name, value in variables.items()}
    features = tf.constant(np.random.default_rng(4).normal(size=(4, 3, 3, 1792)), tf.float32)
    first = boundary("Block8")
    network.forward(features, variables, first, batch_norm="train")
    changed = {name for name, value in variables.items() if not np.array_equal(before[name], value.numpy())}
    assert changed == {n for n in variables if is_moving_statistic(n) and UNITS.index(unit_of(n)) >= first}
    for name, value in before.items():
        variables[name].assign(value)


def test_dropout_acts_before_bottleneck_and_is_the_same_for_the_same_seed(variables):
    pooled = tf.ones([2, 1792])
    first = boundary("Bottleneck")

    def run(keep, seed):
        return network.forward(pooled, variables, first, keep_probability=keep, dropout_seed=tf.constant(seed)).numpy()

    np.testing.assert_array_equal(run(0.5, [1, 2]), run(0.5, [1, 2]))
    assert not np.array_equal(run(0.5, [1, 2]), run(0.5, [1, 3]))
    assert not np.array_equal(run(0.5, [1, 2]), run(1.0, [1, 2]))


def test_multiply_adds_count_a_convolution_by_hand():
    costs = dict(zip(UNITS, network.multiply_adds(512, 10, 160), strict=True))
    assert costs["Conv2d_1a_3x3"] == 79 * 79 * 3 * 3 * 3 * 32
    assert costs["Bottleneck"] == 1792 * 512
    assert costs["Logits"] == 512 * 10
    assert costs["MaxPool_3a_3x3"] == 0


@pytest.mark.parametrize("stop", [boundary(HEAD), len(UNITS)])
def test_in_bfloat16_a_slice_without_convolutions_rounds_nothing(variables, stop):
    prelogits = tf.constant(np.random.default_rng(5).normal(size=(3, 8)), tf.float32)
    expected = network.forward(prelogits, variables, boundary(HEAD), stop)
    given = network.forward(prelogits, variables, boundary(HEAD), stop, precision="bfloat16")
    np.testing.assert_array_equal(given, expected)
