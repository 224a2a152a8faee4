"""A graph computes its layers in order, and folding keeps its values and passes gradients."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from finetune.backbones import (
    Graph,
    Node,
    chain,
    foldable,
    graph_shapes,
    layer_kinds as kinds,
    variable_sizes,
)

tf = pytest.importorskip("tensorflow")
from finetune.network import build_graph, fold_graph  # noqa: E402
from finetune.network.layers import existing_variables  # noqa: E402

pytestmark = pytest.mark.tf
SHAPE = (7, 7, 4)
NORM = kinds.BatchNormalization()
STATISTICS = ("moving_mean", "moving_variance")


def random_values(graph: Graph, scope: str = "unit", seed: int = 3) -> dict[str, np.ndarray]:
    """Return random values of a graph's variables by TF1 name; variances and scales are positive."""
    generator, shapes = np.random.default_rng(seed), graph_shapes(graph, SHAPE)
    values = {}
    for node in graph.nodes:
        for name, size in variable_sizes(node.layer, shapes[node.inputs[0]][-1]).items():
            positive = name in ("gamma", "moving_variance")
            drawn = generator.uniform(0.3, 2.0, size) if positive else 0.5 * generator.normal(size=size)
            values[f"{scope}/{node.name}/{name}"] = drawn.astype(np.float32)
    return values


def run(graph: Graph, inputs, variables, mode="stored", scope: str = "unit"):
    with existing_variables(variables), tf.compat.v1.variable_scope(scope):
        return build_graph(graph, inputs, mode)


def images(seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(3, *SHAPE)).astype(np.float32)


SAME = {"padding": "same"}
LAYERS = st.one_of(
    st.builds(kinds.Conv2D, st.just(4), st.just((3, 3)), use_bias=st.booleans(), **{"padding": st.just("same")}),
    st.builds(kinds.Conv2D, st.just(4), st.just((1, 1)), groups=st.just(2), use_bias=st.booleans()),
    st.builds(
        kinds.DepthwiseConv2D, st.just((3, 3)), use_bias=st.booleans(), padding=st.just("same"),
        activation=st.sampled_from(["linear", "tanh"]),
    ),
    st.builds(kinds.SeparableConv2D, st.just(4), st.just((3, 3)), use_bias=st.booleans(), padding=st.just("same")),
    st.builds(kinds.Dense, st.just(4), use_bias=st.booleans(), activation=st.sampled_from(["linear", "relu"])),
    st.builds(
        kinds.BatchNormalization, epsilon=st.sampled_from([1e-6, 1e-3, 0.1]), center=st.booleans(), scale=st.booleans()
    ),
    st.just(kinds.Activation("silu")),
    st.just(kinds.Add()),
)  # fmt: skip


@st.composite
def graphs(draw) -> Graph:
    """Draw a graph of layers that keep the shape of an image. A sum takes any two earlier outputs."""
    nodes: list[Node] = []
    for i, layer in enumerate(draw(st.lists(LAYERS, min_size=1, max_size=8))):
        earlier = ["", *(node.name for node in nodes)]
        others = (draw(st.sampled_from(earlier)),) if isinstance(layer, kinds.Add) else ()
        nodes.append(Node(f"layer_{i}", layer, (earlier[-1] if draw(st.integers(0, 3)) else earlier[0], *others)))
    return Graph(tuple(nodes))


@settings(deadline=None, max_examples=40)
@given(graphs())
def test_folding_keeps_the_values_of_any_graph(graph):
    values = random_values(graph)
    folded = fold_graph(graph, "unit", {name: tf.constant(value) for name, value in values.items()})
    expected = run(graph, images(), {name: tf.constant(value) for name, value in values.items()}).numpy()
    outputs = run(graph, images(), folded, "folded").numpy()
    assert np.abs(outputs - expected).max() <= 1e-5 * np.abs(expected).max()
    removed = {f"unit/{norm}/{name}" for norm in foldable(graph) for name in ("gamma", "beta", *STATISTICS)}
    biases = {f"unit/{source}/bias" for source in foldable(graph).values()}
    assert set(folded) == set(values) - removed | biases


def test_variables_of_other_units_are_returned_as_they_are():
    graph = Graph(chain(("conv", kinds.Conv2D(4, (3, 3), use_bias=False)), ("bn", NORM)))
    others = {"other/conv/kernel": 1, "unit_2/bn/moving_variance": 2}
    assert fold_graph(graph, "unit", others) == others
    values = {name: tf.constant(value) for name, value in random_values(graph).items()}
    assert fold_graph(graph, "unit", values | others).items() >= others.items()


def test_gradients_pass_through_the_fold_as_they_do_through_the_separate_operation():
    graph = Graph(chain(("conv", kinds.DepthwiseConv2D((3, 3), depth_multiplier=2)), ("bn", NORM)))
    variables = {name: tf.Variable(value) for name, value in random_values(graph).items()}
    trained = [name for name in variables if not name.endswith(STATISTICS)]
    gradients = []
    for mode in ("stored", "folded"):
        with tf.GradientTape() as tape:
            used = fold_graph(graph, "unit", variables) if mode == "folded" else variables
            loss = tf.reduce_sum(tf.sin(run(graph, images(), used, mode)))
        gradients.append(tape.gradient(loss, [variables[name] for name in trained]))
    assert trained == ["unit/conv/kernel", "unit/conv/bias", "unit/bn/gamma", "unit/bn/beta"]
    for of_stored, of_folded in zip(*gradients, strict=True):
        np.testing.assert_allclose(of_folded, of_stored, rtol=1e-3, atol=1e-3)


def test_stored_statistics_do_not_move_and_those_of_the_batch_move_once():
    graph = Graph(chain(("conv", kinds.Conv2D(4, (3, 3))), ("bn", kinds.BatchNormalization(0.75)), ("bn_1", NORM)))
    variables = {name: tf.Variable(value) for name, value in random_values(graph).items()}
    before = {name: value.numpy() for name, value in variables.items()}
    run(graph, images(), variables)
    assert all((value.numpy() == before[name]).all() for name, value in variables.items())
    run(graph, images(), variables, "train")
    moved = {name for name, value in variables.items() if (value.numpy() != before[name]).any()}
    assert moved == {f"unit/{norm}/{name}" for norm in ("bn", "bn_1") for name in STATISTICS}
    kernel, bias = before["unit/conv/kernel"], before["unit/conv/bias"]
    outputs = tf.nn.conv2d(images(), kernel, 1, "VALID").numpy().astype(np.float64) + bias
    for name, statistic in zip(STATISTICS, (outputs.mean((0, 1, 2)), outputs.var((0, 1, 2))), strict=True):
        expected = 0.75 * before[f"unit/bn/{name}"] + 0.25 * statistic
        np.testing.assert_allclose(variables[f"unit/bn/{name}"], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("mode", ["folded", "stored", "train"])
def test_a_graph_computes_in_the_type_of_its_input(mode):
    graph = Graph(chain(("conv", kinds.Conv2D(4, (3, 3))), ("bn", NORM), ("act", kinds.Activation("silu"))))
    variables = {name: tf.Variable(value) for name, value in random_values(graph).items()}
    used = fold_graph(graph, "unit", variables) if mode == "folded" else variables
    expected = run(graph, images(), used, mode)
    outputs = run(graph, tf.cast(images(), tf.bfloat16), used, mode)
    assert (outputs.dtype, expected.dtype) == (tf.bfloat16, tf.float32)
    np.testing.assert_allclose(tf.cast(outputs, tf.float32), expected, atol=0.1)
