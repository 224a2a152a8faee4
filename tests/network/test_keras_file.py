"""Networks that are read from Keras's files compute what Keras computes: its own networks, and small ones."""

from __future__ import annotations

import json
import math
import random
import zipfile

import numpy as np
import pytest

from finetune.backbones import graph_shapes, graph_variables, layer_kinds as kinds, least_image_size, read_network
from finetune.checkpoint.formats import by_name, keras_names

tf = pytest.importorskip("tensorflow")
import keras  # noqa: E402

from finetune.network import build_graph, fold_graph  # noqa: E402
from finetune.network.layers import existing_variables  # noqa: E402

pytestmark = pytest.mark.tf
L = keras.layers


def keras_layers(model: keras.Model) -> list[keras.Layer]:
    """Return all layers of a model, those of nested models too."""
    return [
        inner
        for layer in model.layers
        for inner in (keras_layers(layer) if isinstance(layer, keras.Model) else [layer])
    ]


def randomized(model: keras.Model) -> keras.Model:
    """Give a model random scales, offsets and moving statistics."""
    generator = np.random.default_rng(7)
    for layer in keras_layers(model):
        for weight in layer.weights:
            place = weight.path.rpartition("/")[2]
            if place in ("moving_variance", "gamma", "variance") or "layer_scale" in layer.name:
                weight.assign(generator.uniform(0.5, 1.5, weight.shape))
            elif place in ("beta", "moving_mean", "bias", "mean", "alpha"):
                weight.assign(0.1 * generator.normal(size=weight.shape))
        if isinstance(layer, L.Normalization):
            layer.finalize_state()
    return model


def published(name: str, **options) -> keras.Model:
    """Return one of Keras's networks with random values, the same in every run."""
    keras.utils.clear_session()
    random.seed(3)  # Keras draws its seeds from it; TensorFlow's own seed stays unset
    return randomized(getattr(keras.applications, name)(weights=None, **options))


def stored(model: keras.Model) -> dict[str, np.ndarray]:
    """Return a model's values by `LAYER/VARIABLE`, with ConvNeXt's scales as `gamma`."""
    return {
        f"{layer.name}/{'gamma' if 'layer_scale' in layer.name else weight.name}": weight.numpy()
        for layer in keras_layers(model)
        for weight in layer.weights
    }


def variables_of(network, values):
    """Return the variables of a network by TF1 name, of the shapes that it asks for, and their number of values."""
    found, shape = {}, network.image
    for unit in network.units:
        for name, size in graph_variables(unit.made_of, shape).items():
            assert values[name].shape == size
            found[f"network/{unit.name}/{name}"] = tf.constant(values[name])
        shape = graph_shapes(unit.made_of, shape)[unit.made_of.nodes[-1].name]
    return found, sum(math.prod(value.shape) for value in found.values())


def forward(units, images, variables, mode):
    with existing_variables(variables):
        net = images
        for unit in units:
            with tf.compat.v1.variable_scope(f"network/{unit.name}"):
                net = build_graph(unit.made_of, net, mode)
    return net


def agreement(network, values, features: keras.Model, size: int) -> float:
    """Return the largest difference from Keras's features, relative to the largest one, stored and folded."""
    first = {type(node.layer) for node in network.units[0].made_of.nodes}
    brightest = 255 if first & {kinds.Rescaling, kinds.Normalization} else 1
    images = np.random.default_rng(5).uniform(0, brightest, (2, size, size, 3)).astype(np.float32)
    expected = features(images, training=False).numpy()
    variables, _ = variables_of(network, values)
    folded = variables
    for unit in network.units:
        folded = fold_graph(unit.made_of, f"network/{unit.name}", folded)
    run = tf.function(forward, autograph=False)
    outputs = [run(network.units, images, variables, "stored"), run(network.units, images, folded, "folded")]
    return max(np.abs(one.numpy() - expected).max() for one in outputs) / np.abs(expected).max()


def features_of(model: keras.Model, layer: str) -> keras.Model:
    return keras.Model(model.input, model.get_layer(layer).output)


# The published numbers of parameters, without the classifier's.
NETWORKS = {
    "ResNet50": (23_587_712, "avg_pool", ["conv1", "conv2_block1", "conv2_block2"], "conv5_block3"),
    "MobileNetV2": (2_257_984, "global_average_pooling2d", ["Conv1", "expanded_conv", "block_1"], "Conv_1"),
    "DenseNet121": (7_037_504, "avg_pool", ["conv1", "conv2_block1", "conv2_block2"], "conv5_block16"),
}


@pytest.mark.parametrize("name", ["ResNet50", "MobileNetV2", pytest.param("DenseNet121", marks=pytest.mark.slow)])
def test_a_file_of_a_published_network_gives_its_units_and_its_features(name, tmp_path, monkeypatch):
    parts = {"DepthwiseConv2D": (("kernel", ""), ("bias", "use_bias"))}
    monkeypatch.setattr(keras_names, "PARTS", {**keras_names.PARTS, **parts})
    count, last, first_units, last_unit = NETWORKS[name]
    model = published(name, input_shape=(64, 64, 3), classes=3)
    path = tmp_path / "network.keras"
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        network = read_network(json.loads(archive.read("config.json")))
    weights = by_name(path).open(path, (path,))
    values = {name: weights.get(name) for name in weights.shapes}
    assert variables_of(network, values)[1] == count
    assert [unit.name for unit in network.units[:3]] == first_units
    assert network.units[-1].name == last_unit
    assert network.image == (64, 64, 3)
    assert network.remarks == ("the classifier predictions was left out",)
    assert agreement(network, values, features_of(model, last), 64) <= 1e-5


EFFICIENTNET = [
    "stem", "block1a", "block1b", "block2a", "block2b", "block2c", "block3a", "block3b", "block3c",
    "block4a", "block4b", "block4c", "block4d", "block5a", "block5b", "block5c", "block5d",
    "block6a", "block6b", "block6c", "block6d", "block6e", "block7a", "block7b", "top",
]  # fmt: skip
INCEPTION = ["conv2d", "conv2d_1", "conv2d_2", "conv2d_3", "conv2d_4", *(f"mixed{i}" for i in range(11))]
CONVNEXT = ["stem", *(
    one for stage, blocks in enumerate((3, 3, 9, 3))
    for one in [f"downsampling_conv_{stage - 1}"] * bool(stage) + [f"stage_{stage}_block_{i}" for i in range(blocks)]
)]  # fmt: skip
MOBILENET_V3 = ["conv", "expanded_conv", *(f"expanded_conv_{i}" for i in range(1, 11)), "conv_1"]
MOBILENET = ["conv1", *(f"conv_pw_{i}" for i in range(1, 14))]
VGG = ["block1", "block2", "block3", "block4", "block5"]
XCEPTION = [f"block{i}" for i in range(1, 15)]


@pytest.mark.parametrize(
    ("name", "size", "units"),
    [
        ("EfficientNetB1", 64, EFFICIENTNET),
        ("InceptionV3", 75, INCEPTION),
        ("ConvNeXtTiny", 32, [f"convnext_tiny_{unit}" for unit in CONVNEXT]),
        ("MobileNetV3Small", 64, MOBILENET_V3),
        ("MobileNet", 64, MOBILENET),
        ("VGG16", 32, VGG),
        ("Xception", 71, XCEPTION),
        ("ResNet50V2", 64, None),
        pytest.param("InceptionResNetV2", 75, None, marks=[pytest.mark.slow, pytest.mark.thorough]),
        pytest.param("NASNetMobile", 64, ["stem", "separable_conv"], marks=[pytest.mark.slow, pytest.mark.thorough]),
        pytest.param("EfficientNetV2B0", 64, None, marks=[pytest.mark.slow, pytest.mark.thorough]),
    ],
)
def test_networks_of_keras_are_cut_at_their_blocks_and_give_their_features(name, size, units):
    model = published(name, input_shape=(size, size, 3), include_top=False, pooling="avg")
    network = read_network(json.loads(model.to_json()))
    if units is not None:
        assert [unit.name for unit in network.units] == units
    assert agreement(network, stored(model), model, size) <= 1e-5
    assert least_image_size(unit.made_of for unit in network.units) <= size


def transferred():
    """Return a network as tutorials make them: preprocessing, a nested network, pooling and a classifier."""
    base = keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            L.Conv2D(8, 3, 2, "same", name="conv2d"),
            L.PReLU(shared_axes=[1, 2], name="prelu"),
            L.SeparableConv2D(6, 3, name="separable"),
            L.BatchNormalization(name="norm"),
        ],
        name="base",
    )
    inputs = keras.Input((32, 32, 3))
    net = L.RandomFlip(name="flip")(inputs)
    net = L.Normalization(name="normalize")(net / 0.5 - 1.0)
    net = base(net, training=False)
    side = L.DepthwiseConv2D(3, padding="same", depth_multiplier=2, name="depthwise")(net)
    side = L.BatchNormalization(name="side_norm")(side)
    side = L.Conv2D(6, 1, name="side_conv")(keras.ops.relu(side))
    net = L.Maximum(name="maximum")([net, side]) * 0.5 + side
    net = L.GlobalMaxPooling2D(name="pool")(net)
    embedding = L.Dense(5, name="embedding")(L.Dropout(0.3, name="dropout")(net))
    people = L.Softmax(name="softmax")(L.Dense(3, name="people")(embedding))
    return randomized(keras.Model(inputs, people))


def test_a_network_with_preprocessing_and_a_nested_model_gives_its_features(tmp_path):
    keras.utils.clear_session()
    random.seed(3)  # Keras draws its seeds from it; TensorFlow's own seed stays unset
    model = transferred()
    model.save(tmp_path / "network.keras")
    with zipfile.ZipFile(tmp_path / "network.keras") as archive:
        network = read_network(json.loads(archive.read("config.json")))
    assert [unit.name for unit in network.units] == ["conv2d", "separable", "side", "embedding"]
    assert network.remarks == (
        "the classifier people was left out",
        "what acts in Keras's training alone was left out: flip, dropout",
    )
    assert agreement(network, stored(model), features_of(model, "embedding"), 32) <= 1e-5


def test_a_lambda_and_a_custom_layer_are_refused_before_any_of_their_code_runs(tmp_path):
    class Mine(L.Layer):
        def call(self, inputs):
            return inputs

    inputs = keras.Input((8, 8, 3))
    net = L.Lambda(lambda net: net * 2, name="code")(inputs)
    model = keras.Model(inputs, L.Conv2D(2, 3, name="conv")(Mine(name="mine")(net)))
    with pytest.raises(Exception, match="is a Lambda") as caught:
        read_network(json.loads(model.to_json()))
    assert [problem.found for problem in caught.value.problems] == [
        "layer 'code' is a Lambda, whose code would have to be executed",
        "layer 'mine' is of the class 'Mine', which is not Keras's own",
    ]
