"""Shapes of outputs and variables, and the smallest image. `tests/network/test_graph_layers.py` compares with Keras."""

from __future__ import annotations

import pytest

from finetune.backbones import (
    Graph,
    Node,
    chain,
    graph_shapes,
    graph_variables,
    has_variables,
    layer_kinds as kinds,
    least_image_size,
    output_shape,
)

MAP = (9, 8, 6)


@pytest.mark.parametrize(
    ("layer", "inputs", "expected"),
    [
        (kinds.Conv2D(5, (3, 3), (2, 2)), [(None, 8, 6)], (None, 3, 5)),
        (kinds.Conv2D(5, (3, 3), (2, 2), "same"), [(9, None, 6)], (5, None, 5)),
        (kinds.Conv2D(5, (3, 3), dilation=(4, 3)), [MAP], (1, 2, 5)),
        (kinds.Add(), [(None, 8, 6), (1, 1, 6)], (None, 8, 6)),
        (kinds.Concatenate(), [(None, 8, 6), (None, 8, 2)], (None, 8, 8)),
        (kinds.Flatten(), [(None, 8, 6)], (None,)),
        (kinds.Reshape((-1, 6)), [MAP], (72, 6)),
        (kinds.Reshape((-1, 6)), [(None, 8, 6)], (None, 6)),
        (kinds.ZeroPadding2D(((1, 0), (2, 3))), [(None, 8, 6)], (None, 13, 6)),
    ],
)
def test_sizes_that_are_not_known_stay_so(layer, inputs, expected):
    assert output_shape(layer, inputs) == expected


@pytest.mark.parametrize(
    ("layer", "inputs", "told"),
    [
        (kinds.Conv2D(5, (3, 3)), [(6,)], "takes feature maps [h, w, c], not [6]"),
        (kinds.Conv2D(5, (3, 3)), [(2, 9, 6)], "has a window of 3 for 2 places"),
        (kinds.Conv2D(5, (3, 3), dilation=(1, 4)), [MAP], "has a window of 9 for 8 places"),
        (kinds.Conv2D(6, (1, 1), groups=4), [MAP], "has 4 groups for 6 channels and 6 filters"),
        (kinds.Cropping2D(((4, 5), (0, 0))), [MAP], "leaves nothing of 9 places"),
        (kinds.Add(), [MAP], "takes two inputs, not 1"),
        (kinds.CustomScaleLayer(0.1), [MAP, MAP, MAP], "takes two inputs, not 3"),
        (kinds.Activation("relu"), [MAP, MAP], "takes one input, not 2"),
        (kinds.Add(), [MAP, (9, 8, 5)], "can't merge [9, 8, 6] and [9, 8, 5]"),
        (kinds.Concatenate(), [MAP, (1, 8, 6)], "can't merge [9, 8, 6] and [1, 8, 6]"),
        (kinds.Add(), [MAP, (6,)], "can't merge [9, 8, 6] and [6]"),
        (kinds.Reshape((5, -1)), [MAP], "can't bring [9, 8, 6] to [5, -1]"),
        (kinds.Reshape((5,)), [(None, 8, 6)], None),
        (kinds.Rescaling((1.0, 2.0)), [MAP], "has 2 numbers for 6 channels"),
        (kinds.Normalization((1.0,), (1.0, 2.0)), [MAP], "has 2 numbers for 6 channels"),
    ],
)
def test_what_a_layer_can_not_take_is_told(layer, inputs, told):
    if told is None:
        assert output_shape(layer, inputs) == (5,)
        return
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        output_shape(layer, inputs)
    assert str(caught.value) == told


def test_the_layer_that_can_not_take_its_inputs_is_named():
    graph = Graph(chain(("pool", kinds.MaxPooling2D()), ("conv", kinds.Conv2D(2, (5, 5)))))
    with pytest.raises(ValueError, match=r"^layer 'conv' has a window of 5 for 4 places$"):
        graph_shapes(graph, (9, 8, 3))


def test_variables_have_the_names_and_shapes_of_keras():
    conv = kinds.SeparableConv2D(5, (3, 3), depth_multiplier=2, use_bias=False)
    graph = Graph(chain(("conv", conv), ("bn", kinds.BatchNormalization(scale=False)), ("flat", kinds.Flatten())))
    assert graph_variables(graph, (9, 9, 4)) == {
        "conv/depthwise_kernel": (3, 3, 4, 2),
        "conv/pointwise_kernel": (1, 1, 8, 5),
        "bn/beta": (5,),
        "bn/moving_mean": (5,),
        "bn/moving_variance": (5,),
    }
    assert has_variables(graph)
    assert not has_variables(Graph(chain(("flat", kinds.Flatten()))))
    dense = Graph(chain(("flat", kinds.Flatten()), ("dense", kinds.Dense(2))))
    assert graph_variables(dense, (9, 9, 4))["dense/kernel"] == (324, 2)
    with pytest.raises(ValueError, match=r"^layer 'dense' has weights whose number depends on the size of the image"):
        graph_variables(dense, (None, None, 4))


def test_the_least_image_is_the_smallest_that_all_units_accept():
    halving = Graph(chain(("conv", kinds.Conv2D(2, (3, 3), (2, 2)))))  # s to (s - 1) // 2
    assert least_image_size([halving]) == 3
    assert least_image_size([halving, halving]) == 7
    assert least_image_size([halving] * 3) == 15
    fixed = Graph((Node("flat", kinds.Reshape((6, 6, 3)), ("",)),))
    assert least_image_size([fixed]) == 6
    with pytest.raises(ValueError, match=r"^layer 'flat' can't bring"):
        least_image_size([Graph((Node("flat", kinds.Reshape((6, 7, 3)), ("",)),))])
