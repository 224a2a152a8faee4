"""The networks that are built in as graphs have Keras's variables, and compute what Keras computes."""

from __future__ import annotations

import random
from typing import NamedTuple

import numpy as np
import pytest

from finetune import backbones

tf = pytest.importorskip("tensorflow")
import keras  # noqa: E402

from finetune.network import build_graph, fold_graph  # noqa: E402
from finetune.network.layers import existing_variables  # noqa: E402

pytestmark = pytest.mark.tf
LEFT_OUT = (
    keras.layers.InputLayer,
    keras.layers.Rescaling,
    keras.layers.Normalization,
    keras.layers.Dropout,
    keras.layers.ZeroPadding2D,  # EfficientNet's, for which its convolutions pad here
)
"""Keras's layers that our networks do without."""


class Pair(NamedTuple):
    """A network of ours, Keras's own, and random values for both by TF1 name."""

    units: tuple[backbones.Unit, ...]
    theirs: keras.Model
    values: dict[str, np.ndarray]


def keras_layers(model: keras.Model) -> list[keras.Layer]:
    """Return all layers of a model, those of nested models too."""
    return [
        inner
        for layer in model.layers
        for inner in (keras_layers(layer) if isinstance(layer, keras.Model) else [layer])
    ]


def keras_network(name: str, size: int) -> keras.Model:
    """Return Keras's network from standardized images to features, with random values and moving statistics."""
    keras.utils.clear_session()
    random.seed(3)  # Keras draws its seeds from it; TensorFlow's own seed stays unset
    model = getattr(keras.applications, name)(
        weights=None, include_top=False, pooling="avg", input_shape=(size, size, 3)
    )
    generator = np.random.default_rng(7)
    for layer in keras_layers(model):
        if isinstance(layer, keras.layers.Normalization | keras.layers.Rescaling):
            continue
        for weight in layer.weights:
            place = weight.path.rpartition("/")[2]
            if place in ("moving_variance", "gamma") or "layer_scale" in layer.name:
                weight.assign(generator.uniform(0.5, 1.5, weight.shape))
            elif place in ("beta", "moving_mean", "bias"):
                weight.assign(0.1 * generator.normal(size=weight.shape))
    return model


def after_preprocessing(model: keras.Model) -> keras.Model:
    """Return Keras's network without the layers that rescale and normalize images."""
    last = [layer for layer in model.layers if isinstance(layer, keras.layers.Normalization | keras.layers.Rescaling)]
    return keras.Model(last[-1].output, model.output) if last else model


def names(model: keras.Model) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a model's variables by `LAYER/VARIABLE`, with ConvNeXt's scales as `gamma`."""
    return {
        f"{layer.name}/{'gamma' if 'layer_scale' in layer.name else weight.name}": weight
        for layer in keras_layers(model)
        if not isinstance(layer, LEFT_OUT)
        for weight in layer.weights
    }


@pytest.fixture(
    scope="module",
    params=[
        ("InceptionV3", "INCEPTION_V3", 107),
        ("EfficientNetB1", "EFFICIENTNET_B1", 90),  # odd sizes inside, for which Keras pads by other amounts
        ("ConvNeXtTiny", "CONVNEXT_TINY", 64),
    ],
    ids=["inception_v3", "efficientnet_b1", "convnext_tiny"],
)
def pair(request):
    keras_name, ours, size = request.param
    units, model = getattr(backbones, f"{ours}_UNITS"), keras_network(keras_name, size)
    theirs = {name: weight.numpy() for name, weight in names(model).items()}
    values = {
        f"network/{unit.name}/{name}": theirs[name]
        for unit in units
        for name in theirs
        if name.rpartition("/")[0] in {node.name for node in unit.made_of.nodes}
    }
    return Pair(units, model, values)


def forward(units, images, variables, mode):
    """Run all units, each in its own scope."""
    with existing_variables(variables):
        net = images
        for unit in units:
            with tf.compat.v1.variable_scope(f"network/{unit.name}"):
                net = build_graph(unit.made_of, net, mode)
    return net


def images_for(model: keras.Model, count: int = 2) -> np.ndarray:
    return np.random.default_rng(5).normal(size=(count, *model.input_shape[1:])).astype(np.float32)


def test_layers_and_variables_are_those_of_keras(pair):
    asked: dict[str, tuple[int, ...]] = {}
    shape: backbones.Shape = pair.theirs.input_shape[1:]
    for unit in pair.units:
        asked |= backbones.graph_variables(unit.made_of, shape)
        shape = backbones.graph_shapes(unit.made_of, shape)[unit.made_of.nodes[-1].name]
    assert asked == {name: tuple(weight.shape) for name, weight in names(pair.theirs).items()}
    theirs = {layer.name: layer for layer in (*pair.theirs.operations, *keras_layers(pair.theirs))}
    ours = {node.name for unit in pair.units for node in unit.made_of.nodes}
    without = [layer for name, layer in theirs.items() if name not in ours]
    # ConvNeXt's `identity` is dropout with rate 0, and its nested models only hold layers.
    others = ("_identity", "_stem", "_block_0", "_block_1", "_block_2", "global_average_pooling2d")
    assert all(isinstance(layer, LEFT_OUT) or layer.name.endswith(others) for layer in without)
    assert ours - set(theirs) <= {"avg_pool"}


@pytest.mark.parametrize("mode", ["stored", "folded"])
def test_outputs_are_those_of_keras(pair, mode):
    model = after_preprocessing(pair.theirs)
    images = images_for(model)
    expected = model(images, training=False).numpy()
    variables = {name: tf.constant(value) for name, value in pair.values.items()}
    if mode == "folded":
        for unit in pair.units:
            variables = fold_graph(unit.made_of, f"network/{unit.name}", variables)
        assert not [name for name in variables if name.endswith("moving_variance")]
    outputs = tf.function(forward, autograph=False)(pair.units, images, variables, mode).numpy()
    assert np.abs(outputs - expected).max() <= 1e-5 * np.abs(expected).max()


def test_statistics_move_in_training_as_those_of_keras_do(pair):
    model = after_preprocessing(pair.theirs)
    images = images_for(model, 8)
    for layer in keras_layers(model):
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0
    variables = {name: tf.Variable(value) for name, value in pair.values.items()}
    expected = model(images, training=True).numpy()
    outputs = tf.function(forward, autograph=False)(pair.units, images, variables, "train").numpy()
    # Layers near the output normalize by few values, which makes rounding errors grow.
    assert np.abs(outputs - expected).max() <= 2e-3 * np.abs(expected).max()
    for name, weight in names(model).items():
        (value,) = (value.numpy() for ours, value in variables.items() if ours.endswith(f"/{name}"))
        np.testing.assert_allclose(
            value, weight.numpy(), rtol=1e-4, atol=1e-4 * np.abs(weight.numpy()).max(), err_msg=name
        )
    moved = [name for name, value in variables.items() if (value.numpy() != pair.values[name]).any()]
    assert set(moved) == {name for name in variables if name.endswith(("moving_mean", "moving_variance"))}
