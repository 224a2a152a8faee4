"""Each kind of layer computes what Keras's layer of that name computes, with its variables by Keras's names."""

from __future__ import annotations

import json

import numpy as np
import pytest

from finetune.backbones import Graph, Node, graph_shapes, layer_kinds as kinds
from finetune.backbones.keras_kinds import layer_kind
from finetune.backbones.keras_settings import Settings

tf = pytest.importorskip("tensorflow")
import keras  # noqa: E402

from finetune.network import build_graph  # noqa: E402
from finetune.network.layers import existing_variables  # noqa: E402

pytestmark = pytest.mark.tf
keras_layers = keras.layers
MAP, ROW = (9, 8, 6), (6,)
"""Shapes of the inputs, without the axis of the batch: a feature map, and features."""

CASES = [
    (kinds.Conv2D(5, (3, 2)), keras_layers.Conv2D(5, (3, 2)), [MAP]),
    (
        kinds.Conv2D(5, (3, 3), (2, 2), "same", use_bias=False, activation="silu"),
        keras_layers.Conv2D(5, 3, 2, "same", use_bias=False, activation="silu"),
        [MAP],
    ),
    (
        kinds.Conv2D(4, (3, 3), padding="same", dilation=(2, 2), activation="relu"),
        keras_layers.Conv2D(4, 3, padding="same", dilation_rate=2, activation="relu"),
        [MAP],
    ),
    (kinds.Conv2D(4, (3, 3), (2, 1), groups=2), keras_layers.Conv2D(4, 3, (2, 1), groups=2), [MAP]),
    (kinds.Conv2D(12, (3, 3), groups=6), keras_layers.Conv2D(12, 3, groups=6), [MAP]),
    (kinds.DepthwiseConv2D((3, 3), (2, 2)), keras_layers.DepthwiseConv2D(3, 2), [MAP]),
    (
        kinds.DepthwiseConv2D((2, 3), padding="same", depth_multiplier=2, use_bias=False, activation="tanh"),
        keras_layers.DepthwiseConv2D((2, 3), padding="same", depth_multiplier=2, use_bias=False, activation="tanh"),
        [MAP],
    ),
    (
        kinds.SeparableConv2D(5, (3, 3), depth_multiplier=2, dilation=(2, 2)),
        keras_layers.SeparableConv2D(5, 3, depth_multiplier=2, dilation_rate=2),
        [MAP],
    ),
    (kinds.Dense(5), keras_layers.Dense(5), [ROW]),
    (kinds.Dense(5, use_bias=False, activation="gelu"), keras_layers.Dense(5, "gelu", use_bias=False), [MAP]),
    (kinds.Dense(5), keras_layers.Dense(5), [(4, 6)]),
    (kinds.BatchNormalization(), keras_layers.BatchNormalization(), [MAP]),
    (
        kinds.BatchNormalization(0.9, 1e-6, center=False, scale=False),
        keras_layers.BatchNormalization(momentum=0.9, epsilon=1e-6, center=False, scale=False),
        [ROW],
    ),
    (kinds.LayerNormalization(1e-6), keras_layers.LayerNormalization(epsilon=1e-6), [MAP]),
    (
        kinds.LayerNormalization(center=False, scale=False),
        keras_layers.LayerNormalization(center=False, scale=False),
        [ROW],
    ),
    (kinds.Normalization(), keras_layers.Normalization(), [MAP]),
    (
        kinds.Normalization((1.0, 2.0, 3.0, 4.0, 5.0, 6.0), (1.0, 2.0, 3.0, 4.0, 5.0, 0.0)),
        keras_layers.Normalization(mean=[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], variance=[1.0, 2.0, 3.0, 4.0, 5.0, 0.0]),
        [MAP],
    ),
    (kinds.Rescaling((0.5,), (-1.0,)), keras_layers.Rescaling(0.5, -1.0), [MAP]),
    (kinds.Rescaling((1, 2, 3, 4, 5, 6), (0.0,)), keras_layers.Rescaling([1, 2, 3, 4, 5, 6]), [MAP]),
    *[(kinds.Activation(name), keras_layers.Activation(name), [MAP]) for name in kinds.Function.__args__],
    (kinds.ReLU(), keras_layers.ReLU(), [MAP]),
    (kinds.ReLU(6.0), keras_layers.ReLU(6.0), [MAP]),
    (kinds.ReLU(1.0, 0.25), keras_layers.ReLU(1.0, 0.25), [MAP]),
    (kinds.ReLU(negative_slope=0.3), keras_layers.LeakyReLU(0.3), [MAP]),
    (kinds.PReLU(), keras_layers.PReLU(shared_axes=[1, 2]), [MAP]),
    (kinds.ZeroPadding2D(((1, 2), (0, 3))), keras_layers.ZeroPadding2D(((1, 2), (0, 3))), [MAP]),
    (kinds.Cropping2D(((1, 2), (0, 3))), keras_layers.Cropping2D(((1, 2), (0, 3))), [MAP]),
    (kinds.MaxPooling2D((3, 2), (2, 2), "same"), keras_layers.MaxPooling2D((3, 2), 2, "same"), [MAP]),
    (kinds.MaxPooling2D(), keras_layers.MaxPooling2D(), [MAP]),
    (kinds.AveragePooling2D((3, 3), (1, 1), "same"), keras_layers.AveragePooling2D(3, 1, "same"), [MAP]),
    (kinds.AveragePooling2D((3, 2), (2, 1)), keras_layers.AveragePooling2D((3, 2), (2, 1)), [MAP]),
    (kinds.GlobalAveragePooling2D(), keras_layers.GlobalAveragePooling2D(), [MAP]),
    (kinds.GlobalAveragePooling2D(keepdims=True), keras_layers.GlobalAveragePooling2D(keepdims=True), [MAP]),
    (kinds.GlobalMaxPooling2D(), keras_layers.GlobalMaxPooling2D(), [MAP]),
    (kinds.GlobalMaxPooling2D(keepdims=True), keras_layers.GlobalMaxPooling2D(keepdims=True), [MAP]),
    (kinds.Flatten(), keras_layers.Flatten(), [MAP]),
    (kinds.Reshape((8, -1, 3)), keras_layers.Reshape((8, -1, 3)), [MAP]),
    (kinds.Reshape((1, 1, 6)), keras_layers.Reshape((1, 1, 6)), [ROW]),
    (kinds.Add(), keras_layers.Add(), [MAP, MAP, MAP]),
    (kinds.Multiply(), keras_layers.Multiply(), [MAP, (1, 1, 6)]),
    (kinds.Average(), keras_layers.Average(), [MAP, MAP, MAP]),
    (kinds.Maximum(), keras_layers.Maximum(), [MAP, MAP]),
    (kinds.Concatenate(), keras_layers.Concatenate(), [MAP, (9, 8, 2), MAP]),
    (kinds.Identity(), keras_layers.Dropout(0.5), [MAP]),
    (kinds.Identity(), keras_layers.SpatialDropout2D(0.5), [MAP]),
]


def computed(layer, theirs, shapes, batch_norm="stored", dtype=np.float32):
    """Return what our layer and Keras's give for the same inputs and variables, and the variables of both."""
    generator = np.random.default_rng(4)
    given = [(3 * generator.normal(size=(5, *shape))).astype(np.float32) for shape in shapes]
    taken = given[0] if len(given) == 1 else given
    theirs(taken)
    for weight in theirs.weights:
        if weight.name != "count":
            weight.assign(generator.uniform(0.5, 2.0, weight.shape))
    if isinstance(theirs, keras_layers.Normalization):
        theirs.finalize_state()
    ours = {f"layer/{weight.name}": tf.Variable(weight.value) for weight in theirs.weights if weight.name != "count"}
    named = [f"input_{i}" for i in range(len(given))] if len(given) > 1 else [""]
    inputs = tf.concat([tf.reshape(one, [5, -1]) for one in given], 1) if len(given) > 1 else given[0]
    nodes = _split(shapes, named) if len(given) > 1 else ()
    graph = Graph((*nodes, Node("layer", layer, tuple(named))))
    with existing_variables(ours):
        outputs = tf.function(build_graph, autograph=False)(graph, tf.cast(inputs, dtype), batch_norm)
    shape = inputs.shape[1:]
    assert graph_shapes(graph, tuple(shape))["layer"] == tuple(outputs.shape[1:])
    return outputs, theirs(taken, training=batch_norm == "train"), ours, theirs


def _split(shapes, names):
    """Return nodes that take several inputs out of one row: a crop along the row, then a reshape."""
    total, start = sum(int(np.prod(shape)) for shape in shapes), 0
    nodes = [Node("row", kinds.Reshape((1, total, 1)), ("",))]
    for shape, name in zip(shapes, names, strict=True):
        end = start + int(np.prod(shape))
        nodes.append(Node(f"{name}_part", kinds.Cropping2D(((0, 0), (start, total - end))), ("row",)))
        nodes.append(Node(name, kinds.Reshape(shape), (f"{name}_part",)))
        start = end
    return tuple(nodes)


@pytest.mark.parametrize(("layer", "theirs", "shapes"), CASES, ids=lambda case: repr(case)[:60])
def test_a_layer_computes_what_keras_computes(layer, theirs, shapes):
    outputs, expected, ours, _ = computed(layer, theirs, shapes)
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-5)
    assert set(ours) == {f"layer/{weight.name}" for weight in theirs.weights if weight.name != "count"}


@pytest.mark.parametrize(("layer", "theirs", "shapes"), CASES, ids=lambda case: repr(case)[:60])
def test_a_layer_is_read_from_the_configuration_that_keras_writes(layer, theirs, shapes):
    config = json.loads(json.dumps(theirs.get_config()))
    assert layer_kind(type(theirs).__name__, Settings(config, len(shapes[0]))) == layer


@pytest.mark.parametrize("mode", ["stored", "train"])
@pytest.mark.parametrize(
    ("layer", "theirs", "shapes"),
    [case for case in CASES if isinstance(case[0], kinds.Kernel | kinds.BatchNormalization | kinds.LayerNormalization)],
    ids=lambda case: repr(case)[:60],
)
def test_gradients_are_those_of_keras(layer, theirs, shapes, mode):
    _, _, ours, theirs = computed(layer, theirs, shapes)
    inputs = tf.Variable(np.random.default_rng(8).normal(size=(5, *shapes[0])).astype(np.float32))
    trained = [weight for weight in theirs.trainable_weights if "moving" not in weight.name]
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.sin(theirs(inputs, training=mode == "train")))
    expected = tape.gradient(loss, [inputs, *(weight.value for weight in trained)])
    with tf.GradientTape() as tape, existing_variables(ours):
        loss = tf.reduce_sum(tf.sin(build_graph(Graph((Node("layer", layer, ("",)),)), inputs, mode)))
    found = tape.gradient(loss, [inputs, *(ours[f"layer/{weight.name}"] for weight in trained)])
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4 * np.abs(other).max())


def test_layer_scale_multiplies_each_channel_by_gamma():
    inputs = np.random.default_rng(4).normal(size=(2, 3, 3, 4)).astype(np.float32)
    gamma = tf.Variable([1.0, -2.0, 0.0, 0.5])
    with existing_variables({"layer/gamma": gamma}):
        outputs = build_graph(Graph((Node("layer", kinds.LayerScale(), ("",)),)), inputs, "stored")
    np.testing.assert_array_equal(outputs, inputs * gamma.numpy())


def test_a_scaled_sum_adds_the_second_input_by_its_scale():
    nodes = (Node("half", kinds.Rescaling((0.5,)), ("",)), Node("sum", kinds.CustomScaleLayer(0.1), ("", "half")))
    inputs = np.random.default_rng(4).normal(size=(2, 3, 3, 4)).astype(np.float32)
    np.testing.assert_allclose(build_graph(Graph(nodes), inputs, "stored"), 1.05 * inputs, rtol=1e-6)


@pytest.mark.parametrize("shape", [MAP, ROW])
@pytest.mark.parametrize("epsilon", [0.001, 1e-6])
@pytest.mark.parametrize("centred", [True, False])
def test_batch_norm_in_training_moves_its_statistics_as_keras_does(shape, epsilon, centred):
    settings = {"momentum": 0.8, "epsilon": epsilon, "center": centred, "scale": centred}
    theirs = keras_layers.BatchNormalization(**settings)
    outputs, expected, ours, theirs = computed(kinds.BatchNormalization(**settings), theirs, [shape], "train")
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-5)
    for weight in theirs.weights:
        np.testing.assert_allclose(ours[f"layer/{weight.name}"], weight, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("layer", "theirs", "shapes"), CASES, ids=lambda case: repr(case)[:60])
def test_a_layer_computes_in_bfloat16_and_its_outputs_lie_near(layer, theirs, shapes):
    outputs, expected, _, _ = computed(layer, theirs, shapes, dtype=tf.bfloat16)
    assert outputs.dtype == tf.bfloat16
    expected = np.asarray(expected)
    assert np.abs(tf.cast(outputs, tf.float32) - expected).max() <= 0.06 * np.abs(expected).max()


def test_layer_normalization_in_bfloat16_sums_in_float32():
    values = 100 + np.random.default_rng(1).normal(size=(4, 512)).astype(np.float32)
    inputs = tf.cast(values, tf.bfloat16)
    ours = {"layer/gamma": tf.ones([512]), "layer/beta": tf.zeros([512])}
    with existing_variables(ours):
        graph = Graph((Node("layer", kinds.LayerNormalization(1e-6), ("",)),))
        outputs = tf.cast(build_graph(graph, inputs, "stored"), tf.float32).numpy()
    rounded = tf.cast(inputs, tf.float64).numpy()
    expected = (rounded - rounded.mean(1, keepdims=True)) / rounded.std(1, keepdims=True)
    np.testing.assert_allclose(outputs, expected, atol=0.02)
