"""The graph for ONNX Runtime computes what the network computes in TensorFlow, whatever the network is made of."""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.tf

import onnxruntime  # noqa: E402
import tensorflow as tf  # noqa: E402

from finetune.backbones import BACKBONES, Graph, Node, layer_kinds as kinds  # noqa: E402
from finetune.light.session import IMAGES  # noqa: E402
from finetune.light.translation import Untranslatable, translate  # noqa: E402
from finetune.network.graph import build_graph  # noqa: E402
from finetune.network.layers import existing_variables  # noqa: E402
from finetune.runtime import TensorFlow  # noqa: E402
from tests.tiny import TINY  # noqa: E402

QUICK = ("small_cnn",)


def by_onnxruntime(graph_def, images: np.ndarray) -> np.ndarray:
    model = translate(graph_def)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {IMAGES: np.ascontiguousarray(images.transpose(0, 3, 1, 2))})[0]


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-10)


@pytest.mark.parametrize(
    "backbone",
    [
        TINY,
        *(one if name in QUICK else pytest.param(one, marks=pytest.mark.slow) for name, one in BACKBONES.items()),
    ],
    ids=lambda one: one.name,
)
def test_every_network_gives_tensorflows_embeddings(backbone, random_variables):
    from finetune.images import usual_preprocessing

    preprocessing = usual_preprocessing(backbone)
    graphs = TensorFlow(backbone, random_variables(backbone), preprocessing, "float32")
    graph = graphs.constant(graphs.weights(), backbone.head_index, standardized=True)
    images = np.random.default_rng(1).normal(0, 1, [3, *preprocessing.shape]).astype(np.float32)
    graphs.refresh()
    expected = graphs.compiled(backbone.head_index, standardized=True)(images).numpy()
    found = by_onnxruntime(graph, images)
    assert found.shape == expected.shape
    assert np.abs(unit(found) - unit(expected)).max() <= 1e-5


C, H, W = 6, 9, 7
"""Channels, height and width of the input of one layer."""
LAYERS = {
    "same, odd stride": kinds.Conv2D(4, (3, 2), (2, 3), "same"),
    "dilation": kinds.Conv2D(4, (3, 3), (1, 1), "same", (2, 2)),
    "groups": kinds.Conv2D(9, (3, 3), groups=3),
    "a group per channel": kinds.Conv2D(12, (3, 3), (2, 2), "same", groups=6),
    "depthwise": kinds.DepthwiseConv2D((3, 3), (2, 2), "same", 2),
    "separable": kinds.SeparableConv2D(5, (3, 3), (1, 1), "same", depth_multiplier=2),
    "dense at each place": kinds.Dense(5),
    "stored statistics": kinds.BatchNormalization(),
    "over channels": kinds.LayerNormalization(),
    "constants per channel": kinds.Normalization((0.5,) * C, (2.0,) * C),
    "rescaling per channel": kinds.Rescaling(tuple(map(float, range(1, C + 1))), tuple(map(float, range(C)))),
    "layer scale": kinds.LayerScale(),
    "capped rectifier": kinds.ReLU(0.5),
    "leaky rectifier": kinds.ReLU(negative_slope=0.1),
    "slopes": kinds.PReLU(),
    "zeros": kinds.ZeroPadding2D(((1, 2), (3, 0))),
    "cropping": kinds.Cropping2D(((1, 2), (3, 0))),
    "max pool": kinds.MaxPooling2D((3, 2), (2, 2), "same"),
    "average pool": kinds.AveragePooling2D((3, 3), (2, 2), "same"),
    "global average": kinds.GlobalAveragePooling2D(),
    "global average, kept": kinds.GlobalAveragePooling2D(keepdims=True),
    "global max": kinds.GlobalMaxPooling2D(),
    "flatten": kinds.Flatten(),
    "reshape": kinds.Reshape((W, H, C)),
    "reshape to rows": kinds.Reshape((-1, 2)),
    **{f"function {name}": kinds.Activation(name) for name in kinds.Function.__args__},
}


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
def test_every_layer_gives_tensorflows_values(layer):
    from finetune.backbones import graph_variables

    graph = Graph((Node("layer", layer, ("",)), Node("rows", kinds.Flatten(), ("layer",))))
    generator = np.random.default_rng(2)
    variables = {
        name: generator.uniform(0.5, 1.5, shape).astype(np.float32)
        for name, shape in graph_variables(graph, (H, W, C)).items()
    }
    images = generator.normal(0, 1, [3, H, W, C]).astype(np.float32)

    @tf.function(input_signature=[tf.TensorSpec([None, H, W, C])], autograph=False)
    def forward(inputs):
        with existing_variables({name: tf.constant(value) for name, value in variables.items()}):
            return build_graph(graph, inputs, "stored")

    function = forward.get_concrete_function()
    expected = function(tf.constant(images)).numpy()
    try:
        found = by_onnxruntime(function.graph.as_graph_def(), images)
    except Untranslatable:
        assert isinstance(layer, kinds.Reshape)
        assert len(layer.target_shape) == 2  # no network has it
        return
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize(
    "merge", [kinds.Add(), kinds.Multiply(), kinds.Average(), kinds.Maximum(), kinds.Concatenate()]
)
def test_layers_with_several_inputs_give_tensorflows_values(merge):
    nodes = (Node("first", kinds.Activation("tanh"), ("",)), Node("both", merge, ("", "first")))
    graph = Graph((*nodes, Node("rows", kinds.Flatten(), ("both",))))
    images = np.random.default_rng(2).normal(0, 1, [3, H, W, C]).astype(np.float32)
    signature = [tf.TensorSpec([None, H, W, C])]
    function = tf.function(lambda x: build_graph(graph, x, "stored"), signature, autograph=False)
    concrete = function.get_concrete_function()
    found = by_onnxruntime(concrete.graph.as_graph_def(), images)
    np.testing.assert_allclose(found, concrete(tf.constant(images)).numpy(), rtol=1e-5, atol=1e-5)


def test_an_operation_without_translation_is_named():
    function = tf.function(lambda x: tf.cumsum(x, 1), [tf.TensorSpec([None, 4])], autograph=False)
    with pytest.raises(Untranslatable, match="the operation Cumsum"):
        translate(function.get_concrete_function().graph.as_graph_def())
