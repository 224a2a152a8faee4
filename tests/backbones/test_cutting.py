"""A network is cut where a single tensor crosses, and its units are named after the blocks of its layers."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from finetune.backbones import Graph, Node, chain, cut, layer_kinds as kinds

CONV, NORM, RELU, POOL = kinds.Conv2D(4, (1, 1)), kinds.BatchNormalization(), kinds.ReLU(), kinds.MaxPooling2D()
WITH_KERNEL = {"conv": CONV, "dense": kinds.Dense(4)}


def line(*names: str) -> Graph:
    """Return layers one after another. Names with `conv` or `dense` in them, and no `pad`, have kernels."""
    layers = [
        next((kind for word, kind in WITH_KERNEL.items() if word in name and "pad" not in name), RELU) for name in names
    ]
    return Graph(chain(*zip(names, layers, strict=True)))


def units(graph: Graph) -> dict[str, list[str]]:
    return {unit.name: [node.name for node in unit.made_of.nodes] for unit in cut(graph)}


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        (
            line("conv2d", "max_pooling2d", "conv2d_1", "activation", "dense"),
            {"conv2d": ["conv2d", "max_pooling2d"], "conv2d_1": ["conv2d_1", "activation"], "dense": ["dense"]},
        ),
        (
            line("scaling", "stem_conv", "stem_relu", "block1_conv1", "block1_conv2", "block1_pool", "block2_conv1"),
            {
                "stem": ["scaling", "stem_conv", "stem_relu"],
                "block1": ["block1_conv1", "block1_conv2", "block1_pool"],
                "block2_conv1": ["block2_conv1"],
            },
        ),
        (
            line("block_1_conv", "block_1_dwconv", "block_2_conv", "block_2_dwconv"),
            {"block_1": ["block_1_conv", "block_1_dwconv"], "block_2": ["block_2_conv", "block_2_dwconv"]},
        ),
        (
            line("conv1", "conv_dw_1", "conv_pw_1", "conv_pad_2", "conv_dw_2", "conv_pw_2"),
            {
                "conv1": ["conv1"],
                "conv_pw_1": ["conv_dw_1", "conv_pw_1"],
                "conv_pw_2": ["conv_pad_2", "conv_dw_2", "conv_pw_2"],
            },
        ),
        (
            line("conv1", "expanded_conv_in", "expanded_conv_out", "expanded_conv_1_in", "expanded_conv_1_out"),
            {
                "conv1": ["conv1"],
                "expanded_conv": ["expanded_conv_in", "expanded_conv_out"],
                "expanded_conv_1": ["expanded_conv_1_in", "expanded_conv_1_out"],
            },
        ),
        (
            line("conv1_conv", "pool2_bn", "pool2_relu", "pool2_conv", "pool2_pool", "bn"),
            {
                "conv1_conv": ["conv1_conv"],
                "pool2": ["pool2_bn", "pool2_relu", "pool2_conv", "pool2_pool", "bn"],
            },
        ),
        (
            line("net_stem_conv", "net_down_conv_0", "net_down_conv_1"),
            {name: [name] for name in ("net_stem_conv", "net_down_conv_0", "net_down_conv_1")},
        ),
        (
            line("a_conv", "a_relu", "b_conv", "a_conv2", "a_pool"),  # two units would be called `a`
            {"a_conv": ["a_conv", "a_relu"], "b_conv": ["b_conv"], "a_conv2": ["a_conv2", "a_pool"]},
        ),
        (line("only_conv"), {"only_conv": ["only_conv"]}),
        (line("relu", "pool"), {}),
    ],
)
def test_segments_of_one_block_make_up_a_unit(graph, expected):
    assert units(graph) == expected


def residual(name: str, source: str, *layers: str) -> tuple[Node, ...]:
    """Return a block whose output is added to its input."""
    nodes = chain(*((f"{name}_{layer}", CONV) for layer in layers), after=source)
    return (*nodes, Node(f"{name}_add", kinds.Add(), (nodes[-1].name, source)))


def test_a_residual_block_is_a_unit_whose_nodes_take_the_unit_before_as_input():
    nodes = (
        Node("conv1_conv", CONV, ("",)),
        *residual("conv2_block1", "conv1_conv", "1_conv", "2_conv"),
        *residual("conv2_block2", "conv2_block1_add", "1_conv", "2_conv"),
        Node("pool", POOL, ("conv2_block2_add",)),
    )
    found = cut(Graph(nodes))
    assert [unit.name for unit in found] == ["conv1_conv", "conv2_block1", "conv2_block2"]
    assert [node.inputs for node in found[1].made_of.nodes] == [
        ("",),
        ("conv2_block1_1_conv",),
        ("conv2_block1_2_conv", ""),
    ]
    assert [node.name for node in found[2].made_of.nodes][-1] == "pool"


def test_branches_that_no_name_joins_are_named_after_the_layer_that_ends_them():
    nodes = (
        Node("conv2d", CONV, ("",)),
        Node("conv2d_1", CONV, ("conv2d",)),
        Node("conv2d_2", CONV, ("conv2d",)),
        Node("mixed0", kinds.Concatenate(), ("conv2d_1", "conv2d_2")),
        Node("pool", POOL, ("mixed0",)),
    )
    assert units(Graph(nodes)) == {"conv2d": ["conv2d"], "mixed0": ["conv2d_1", "conv2d_2", "mixed0", "pool"]}


@st.composite
def graphs(draw) -> Graph:
    """Draw a graph in which the output depends on every layer."""
    nodes, open_ends = [], [""]
    for i in range(draw(st.integers(1, 25))):
        earlier = ["", *(node.name for node in nodes)]
        inputs = draw(st.lists(st.sampled_from(earlier), min_size=1, max_size=2, unique=True))
        name = draw(st.sampled_from(["conv", "block_1", "block_2", "b1", "b"])) + f"_{draw(st.sampled_from('xyz'))}{i}"
        nodes.append(Node(name, draw(st.sampled_from([CONV, RELU])), tuple(inputs)))
        open_ends = [one for one in open_ends if one not in inputs] + [name]
    nodes.append(Node("end", kinds.Add(), tuple(open_ends)))
    return Graph(tuple(nodes))


@given(graphs())
def test_units_hold_all_layers_once_and_each_takes_only_the_output_of_the_one_before(graph):
    found = cut(graph)
    if not found:
        assert not any(node.layer == CONV for node in graph.nodes)
        return
    joined, before = [], ""
    for unit in found:
        inside = {node.name for node in unit.made_of.nodes}
        for node in unit.made_of.nodes:
            assert all(name == "" or name in inside for name in node.inputs)
            joined.append(node._replace(inputs=tuple(name or before for name in node.inputs)))
        before = unit.made_of.nodes[-1].name
    assert tuple(joined) == graph.nodes
    assert len({unit.name for unit in found}) == len(found)
    assert all(any(node.layer == CONV for node in unit.made_of.nodes) for unit in found)
