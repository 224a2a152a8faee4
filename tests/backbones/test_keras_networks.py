"""The units of the networks that are built in as graphs: their names, their shapes and the sizes of their images."""

from __future__ import annotations

import math

import pytest

from finetune import backbones
from finetune.backbones import graph_shapes, graph_variables, has_variables, layer_kinds as kinds, least_image_size

NETWORKS = {
    "inception_v3": (backbones.INCEPTION_V3_UNITS, backbones.INCEPTION_V3_LEAST_SIZE, 299),
    "efficientnet_b1": (backbones.EFFICIENTNET_B1_UNITS, backbones.EFFICIENTNET_B1_LEAST_SIZE, 240),
    "convnext_tiny": (backbones.CONVNEXT_TINY_UNITS, backbones.CONVNEXT_TINY_LEAST_SIZE, 224),
}


def outputs(units, size):
    """Return the shape of each unit's output for an image of this size."""
    shape, shapes = (size, size, 3), {}
    for unit in units:
        shape = graph_shapes(unit.made_of, shape)[unit.made_of.nodes[-1].name]
        shapes[unit.name] = shape
    return shapes


def parameters(units):
    """Return the number of values in all variables."""
    shape, count = (299, 299, 3), 0
    for unit in units:
        count += sum(map(math.prod, graph_variables(unit.made_of, shape).values()))
        shape = graph_shapes(unit.made_of, shape)[unit.made_of.nodes[-1].name]
    return count


@pytest.mark.parametrize(
    ("name", "count"), [("inception_v3", 21_802_784), ("efficientnet_b1", 6_575_232), ("convnext_tiny", 27_820_128)]
)
def test_the_number_of_parameters_is_the_published_one(name, count):
    assert parameters(NETWORKS[name][0]) == count


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "inception_v3",
            {
                "conv2d": (149, 149, 32),
                "conv2d_4": (35, 35, 192),
                "mixed0": (35, 35, 256),
                "mixed2": (35, 35, 288),
                "mixed3": (17, 17, 768),
                "mixed7": (17, 17, 768),
                "mixed8": (8, 8, 1280),
                "mixed10": (8, 8, 2048),
                "avg_pool": (2048,),
            },
        ),
        (
            "efficientnet_b1",
            {
                "stem": (120, 120, 32),
                "block1b": (120, 120, 16),
                "block2a": (60, 60, 24),
                "block5d": (15, 15, 112),
                "block6a": (8, 8, 192),
                "top": (8, 8, 1280),
                "avg_pool": (1280,),
            },
        ),
        (
            "convnext_tiny",
            {
                "stem": (56, 56, 96),
                "stage_0/block_2": (56, 56, 96),
                "stage_1/block_0": (28, 28, 192),
                "stage_2/block_8": (14, 14, 384),
                "stage_3/block_2": (7, 7, 768),
                "avg_pool": (768,),
            },
        ),
    ],
)
def test_the_outputs_of_units_have_the_shapes_of_the_papers(name, expected):
    units, _, size = NETWORKS[name]
    assert {unit: shape for unit, shape in outputs(units, size).items() if unit in expected} == expected


@pytest.mark.parametrize("name", NETWORKS)
def test_an_image_of_the_least_size_leaves_one_place(name):
    units, least, _ = NETWORKS[name]
    assert list(outputs(units, least).values())[-2][:2] == (1, 1)
    assert least_image_size(unit.made_of for unit in units) <= least
    if name != "efficientnet_b1":  # whose convolutions all pad, and which takes Keras's least size
        with pytest.raises(ValueError, match=r"^layer '\w+' has a window of \d for \d places$"):
            outputs(units, least - 1)


@pytest.mark.parametrize(
    ("name", "count", "last"),
    [
        ("inception_v3", 17, ["mixed8", "mixed9", "mixed10", "avg_pool"]),
        ("efficientnet_b1", 26, ["block7a", "block7b", "top", "avg_pool"]),
        ("convnext_tiny", 20, ["stage_3/block_0", "stage_3/block_1", "stage_3/block_2", "avg_pool"]),
    ],
)
def test_units_are_the_blocks_that_people_name(name, count, last):
    names = [unit.name for unit in NETWORKS[name][0]]
    assert len(names) == len(set(names)) == count
    assert names[-4:] == last


def test_the_convolution_that_halves_before_a_stage_belongs_to_its_first_unit():
    units = {unit.name: unit.made_of for unit in backbones.CONVNEXT_TINY_UNITS}
    halving = [
        name
        for name, graph in units.items()
        for node in graph.nodes
        if isinstance(node.layer, kinds.Conv2D) and node.layer.strides == (2, 2)
    ]
    assert halving == ["stage_1/block_0", "stage_2/block_0", "stage_3/block_0"]


def test_the_last_unit_of_convnext_has_variables_and_the_other_poolings_have_none():
    assert {name: has_variables(units[-1].made_of) for name, (units, _, _) in NETWORKS.items()} == {
        "inception_v3": False,
        "efficientnet_b1": False,
        "convnext_tiny": True,
    }


@pytest.mark.parametrize("name", NETWORKS)
def test_nodes_follow_their_inputs_and_units_are_values(name):
    units, _, _ = NETWORKS[name]
    for unit in units:
        known = {""}
        for node in unit.made_of.nodes:
            assert known.issuperset(node.inputs)
            assert node.name not in known
            known.add(node.name)
    assert hash(units) == hash(tuple(units))
