"""Slices of the network compose, and batch normalization stays frozen."""

from __future__ import annotations

import numpy as np
import pytest

from finetune.backbones import by_name
from tests.tiny import TINY

tf = pytest.importorskip("tensorflow")
from finetune import network  # noqa: E402

pytestmark = pytest.mark.tf
V1, V2 = by_name("inception_resnet_v1"), by_name("inception_resnet_v2")
SIZE = 75


@pytest.mark.parametrize(
    ("backbone", "train_from"),
    [
        *((V1, name) for name in ("Conv2d_4b_3x3", "Repeat_1/block17_3", "Repeat_2", "Block8", "Logits")),
        *((V2, name) for name in ("Mixed_5b", "Repeat_1", "Conv2d_7b_1x1", "Bottleneck")),
        *((TINY, name) for name in TINY.boundaries),
    ],
)
def test_a_prefix_and_its_suffix_give_what_the_whole_gives(random_variables, backbone, train_from):
    variables, cut = random_variables(backbone), backbone.boundary(train_from)
    images = tf.constant(np.random.default_rng(1).normal(size=(2, SIZE, SIZE, 3)), tf.float32)
    whole = network.forward_pass(backbone, images, variables, slice(None))
    middle = network.forward_pass(backbone, images, variables, slice(0, cut))
    np.testing.assert_array_equal(network.forward_pass(backbone, middle, variables, slice(cut, None)), whole)


def test_a_suffix_alone_asks_for_its_own_variables_only(variables):
    first = V1.boundary("Repeat_2")
    own = {n: v for n, v in variables.items() if first <= V1.index_of(n) < V1.boundary("Logits")}
    features = tf.constant(np.random.default_rng(8).normal(size=(1, 3, 3, 1792)), tf.float32)
    given, expected = (network.forward_pass(V1, features, of, slice(first, -1)) for of in (own, variables))
    np.testing.assert_array_equal(given, expected)


def test_an_unknown_variable_is_an_error(variables):
    lacking = {name: v for name, v in variables.items() if name != "InceptionResnetV1/Block8/Conv2d_1x1/biases"}
    with pytest.raises(KeyError, match="Block8/Conv2d_1x1/biases"):
        network.forward_pass(V1, tf.zeros([1, 3, 3, 1792]), lacking, slice(V1.boundary("Block8"), -1))


@pytest.mark.parametrize("backbone", [V1, V2, TINY], ids=lambda backbone: backbone.name)
def test_no_operation_of_a_frozen_forward_pass_could_write_a_variable(random_variables, backbone):
    variables = random_variables(backbone)
    forward = tf.function(lambda x: network.forward_pass(backbone, x, variables), autograph=False)
    graph = forward.get_concrete_function(tf.TensorSpec([None, SIZE, SIZE, 3])).graph
    assert [op.name for op in graph.get_operations() if "Assign" in op.type] == []


@pytest.mark.parametrize(
    ("backbone", "train_from", "shape"),
    [(V1, "Block8", (3, 3, 1792)), (V2, "Block8", (3, 3, 2080)), (TINY, "Repeat", (18, 18, 6))],
)
def test_training_batch_norm_in_a_suffix_moves_its_statistics_and_no_others(
    random_variables, backbone, train_from, shape
):
    variables, first = random_variables(backbone), backbone.boundary(train_from)
    before = {name: value.numpy() for name, value in variables.items()}
    features = tf.constant(np.random.default_rng(4).normal(size=(4, *shape)), tf.float32)
    network.forward_pass(backbone, features, variables, slice(first, -1), batch_norm="train")
    changed = {name for name, value in variables.items() if not np.array_equal(before[name], value.numpy())}
    assert changed == {n for n in variables if n.split("/moving_")[1:] and backbone.index_of(n) >= first}


def test_dropout_acts_before_the_embedding_unit_and_is_the_same_for_the_same_seed(random_variables):
    variables, first = random_variables(TINY), TINY.boundary("Bottleneck")

    def run(dropout):
        return network.forward_pass(TINY, tf.ones([2, 8]), variables, slice(first, -1), dropout=dropout).numpy()

    def half(seed):
        return run(network.Dropout(0.5, tf.constant(seed)))

    np.testing.assert_array_equal(half([1, 2]), half([1, 2]))
    assert not np.array_equal(half([1, 2]), half([1, 3]))
    assert not np.array_equal(half([1, 2]), run(None))


@pytest.mark.parametrize("units", [slice(TINY.head_index, TINY.head_index), network.HEAD], ids=str)
def test_in_bfloat16_a_slice_without_convolutions_rounds_nothing(random_variables, units):
    prelogits, variables = tf.constant(np.random.default_rng(5).normal(size=(3, 8)), tf.float32), random_variables(TINY)
    expected, given = (
        network.forward_pass(TINY, prelogits, variables, units, precision=precision)
        for precision in ("float32", "bfloat16")
    )
    np.testing.assert_array_equal(given, expected)
