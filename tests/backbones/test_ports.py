"""The names of ports cover every variable of the network once, and are those that the ports' own code gives."""

from __future__ import annotations

import pytest

from finetune.backbones import BACKBONES, PORTS, find_port, layer_order, layers
from finetune.backbones.keras_layers import KERAS_NUMBERED

CASES = [
    (port, BACKBONES[name]) for port in PORTS.values() for name in port.backbones if not BACKBONES[name].keras_name
]
FP, DP, KF, DF = "facenet-pytorch", "deepface-pytorch", "keras-facenet", "deepface"
KERNEL = (2, 3, 1, 0)
"""Axes of PyTorch's kernels that give TensorFlow's."""
V1 = BACKBONES["inception_resnet_v1"]


@pytest.mark.parametrize(("port", "backbone"), CASES, ids=lambda case: case.name)
def test_every_variable_has_one_name_in_a_port(port, backbone) -> None:
    named = [theirs.variable for theirs in port.tensors(backbone).values() if not theirs.is_scale]
    needed = {variable for layer in layers(backbone) for variable in layer.variables}
    assert len(named) == len(set(named))
    assert set(named) == {name for name in needed if port is not KERAS_NUMBERED or not backbone.is_head(name)}


@pytest.mark.parametrize(("port", "backbone"), CASES, ids=lambda case: case.name)
def test_a_port_is_told_by_its_names(port, backbone) -> None:
    names = {name for name, theirs in port.tensors(backbone).items() if not theirs.is_scale}
    assert find_port(names | {"optimizer/step"}) == (port, backbone)
    assert find_port([name for name in names if "ogits" not in name]) == (port, backbone)


def test_other_names_are_those_of_no_port() -> None:
    assert find_port([]) is None
    assert find_port([variable for layer in layers(V1) for variable in layer.variables]) is None
    assert find_port(["conv2d_1a.conv.weight", "logits.weight"]) is None


# From the published code of each port.
@pytest.mark.parametrize(
    ("port", "theirs", "variable", "axes"),
    [
        (FP, "conv2d_4b.conv.weight", "Conv2d_4b_3x3/weights", KERNEL),
        (
            FP,
            "repeat_1.0.branch0.bn.running_var",
            "Repeat/block35_1/Branch_0/Conv2d_1x1/BatchNorm/moving_variance",
            None,
        ),
        (FP, "repeat_2.9.branch1.2.conv.weight", "Repeat_1/block17_10/Branch_1/Conv2d_0c_7x1/weights", KERNEL),
        (FP, "mixed_6a.branch0.bn.bias", "Mixed_6a/Branch_0/Conv2d_1a_3x3/BatchNorm/beta", None),
        (FP, "mixed_7a.branch2.2.bn.running_mean", "Mixed_7a/Branch_2/Conv2d_1a_3x3/BatchNorm/moving_mean", None),
        (FP, "block8.conv2d.bias", "Block8/Conv2d_1x1/biases", None),
        (FP, "last_linear.weight", "Bottleneck/weights", (1, 0)),
        (FP, "last_bn.bias", "Bottleneck/BatchNorm/beta", None),
        (DP, "block17.0.up.weight", "Repeat_1/block17_1/Conv2d_1x1/weights", KERNEL),
        (DP, "block8.5.branch_1.0.conv.weight", "Block8/Branch_1/Conv2d_0a_1x1/weights", KERNEL),
        (DP, "bottleneck_bn.running_mean", "Bottleneck/BatchNorm/moving_mean", None),
        (KF, "Block17_10_Branch_1_Conv2d_0b_1x7/kernel", "Repeat_1/block17_10/Branch_1/Conv2d_0b_1x7/weights", None),
        (KF, "Block8_6_Conv2d_1x1/bias", "Block8/Conv2d_1x1/biases", None),
        (KF, "Bottleneck_BatchNorm/beta", "Bottleneck/BatchNorm/beta", None),
        (DF, "Block17_10_Branch_10_Conv2d_0b_1x7/kernel", "Repeat_1/block17_10/Branch_1/Conv2d_0b_1x7/weights", None),
        (DF, "Block8_6_Branch_1_Conv2d_0a_1x1/kernel", "Block8/Branch_1/Conv2d_0a_1x1/weights", None),
        (
            DF,
            "Block17_1_Branch_1_Conv2d_0a_1x1_BatchNorm/moving_mean",
            "Repeat_1/block17_1/Branch_1/Conv2d_0a_1x1/BatchNorm/moving_mean",
            None,
        ),
    ],
)
def test_names_are_those_of_the_published_code(port, theirs, variable, axes) -> None:
    assert PORTS[port].tensors(V1)[theirs] == (f"InceptionResnetV1/{variable}", axes)


def test_heads_have_their_ports_names() -> None:
    assert PORTS["facenet-pytorch"].tensors(V1)["logits.weight"] == ("Logits/weights", (1, 0))
    assert PORTS["finetune"].tensors(V1)["Logits/bias"] == ("Logits/biases", None)


def test_the_order_of_layers_in_keras_is_by_distance_from_the_output() -> None:
    order = layer_order(V1, PORTS["keras-facenet"])
    names = list(order)
    assert len(names) == 245 == len(set(names))
    assert names[:2] == ["Conv2d_1a_3x3", "Conv2d_1a_3x3_BatchNorm"]
    at = names.index("Block35_1_Branch_2_Conv2d_0a_1x1")
    assert names[at : at + 13] == [
        "Block35_1_Branch_2_Conv2d_0a_1x1",
        "Block35_1_Branch_2_Conv2d_0a_1x1_BatchNorm",
        "Block35_1_Branch_1_Conv2d_0a_1x1",
        "Block35_1_Branch_2_Conv2d_0b_3x3",
        "Block35_1_Branch_1_Conv2d_0a_1x1_BatchNorm",
        "Block35_1_Branch_2_Conv2d_0b_3x3_BatchNorm",
        "Block35_1_Branch_0_Conv2d_1x1",
        "Block35_1_Branch_1_Conv2d_0b_3x3",
        "Block35_1_Branch_2_Conv2d_0c_3x3",
        "Block35_1_Branch_0_Conv2d_1x1_BatchNorm",
        "Block35_1_Branch_1_Conv2d_0b_3x3_BatchNorm",
        "Block35_1_Branch_2_Conv2d_0c_3x3_BatchNorm",
        "Block35_1_Conv2d_1x1",
    ]
    assert names[-2:] == ["Bottleneck", "Bottleneck_BatchNorm"]
    assert order["Bottleneck_BatchNorm"] == [
        "Bottleneck_BatchNorm/beta",
        "Bottleneck_BatchNorm/moving_mean",
        "Bottleneck_BatchNorm/moving_variance",
    ]
