"""Variables, costs and shapes are FaceNet's, and agree with counts by hand."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

from finetune.backbones import BACKBONES, by_name, has_variables, variable_shapes
from tests.tiny import TINY

tf = pytest.importorskip("tensorflow")
from finetune import network  # noqa: E402

pytestmark = pytest.mark.tf
V1, V2 = by_name("inception_resnet_v1"), by_name("inception_resnet_v2")


def shapes_of(backbone, size):
    return network.output_shapes(backbone, 8, 3, (size, size, backbone.image_shape[2]))


@pytest.mark.parametrize(
    ("backbone", "variables", "values", "digest"),
    [
        (V1, 490, 23_497_424, "f2ca9519ffe0e855257dfb4cadacec2f135987717853aa4cd9e22a26f35daed6"),
        (V2, 900, 55_124_704, "f5076f391e8b3391883d61441dc3fb5ae0f4b5c8cbfba5a32841ec6a47c90725"),
    ],
    ids=["v1", "v2"],
)
def test_has_the_variables_of_facenets_graph(backbone, variables, values, digest):
    """Compare with a digest of the names and shapes in the published code, for an embedding of 512 values."""
    shapes = variable_shapes(backbone, 512, 739)
    body = {name: shape for name, shape in shapes.items() if not name.startswith("Logits/")}
    assert (len(body), sum(int(np.prod(shape)) for shape in body.values())) == (variables, values)
    assert hashlib.sha256(json.dumps(sorted(body.items())).encode()).hexdigest() == digest
    assert (shapes["Logits/weights"], shapes["Logits/biases"]) == ((512, 739), (739,))


@pytest.mark.parametrize("backbone", [*BACKBONES.values(), TINY], ids=lambda backbone: backbone.name)
def test_every_variable_belongs_to_a_unit_and_comes_in_the_order_of_the_units(backbone):
    order = [backbone.index_of(name) for name in variable_shapes(backbone, 512, 10)]
    assert order == sorted(order)
    assert {backbone.names[i] for i in order} == {one.name for one in backbone.units if has_variables(one.made_of)}


@pytest.mark.real
def test_asks_for_just_what_the_real_checkpoint_stores(shared):
    reader = tf.train.load_checkpoint(str(next((shared / "facenet").glob("*.index")).with_suffix("")))
    stored = {name: tuple(shape) for name, shape in reader.get_variable_to_shape_map().items()}
    assert stored == dict(variable_shapes(V1, 512, 739))


def test_scales_are_variables_where_the_batch_normalization_has_them():
    shapes = variable_shapes(TINY, 5, 3)
    assert shapes["Tiny/Mixed_5b/Branch_1/Conv2d_0b_1x1/BatchNorm/gamma"] == (2,)
    assert shapes["Tiny/Bottleneck/BatchNorm/gamma"] == (5,)
    assert sum(name.endswith("/gamma") for name in shapes) == sum(name.endswith("/beta") for name in shapes) == 14


def test_multiply_adds_count_a_convolution_by_hand():
    costs = dict(zip(V1.names, network.multiply_adds(V1, 512, 10, (160, 160, 3)), strict=True))
    assert costs["Conv2d_1a_3x3"] == 79 * 79 * 3 * 3 * 3 * 32
    assert costs["Bottleneck"] == 1792 * 512
    assert costs["Logits"] == 512 * 10
    assert costs["MaxPool_3a_3x3"] == 0


# EfficientNet pads, and so a smaller image does not vanish: its least size is Keras's.
@pytest.mark.parametrize(
    "backbone",
    [TINY, *(one for name, one in BACKBONES.items() if name != "efficientnet_b1")],
    ids=lambda backbone: backbone.name,
)
def test_the_least_image_leaves_one_place_before_the_last_pooling_and_a_smaller_one_none(backbone):
    last = next(i for i, shape in enumerate(shapes_of(backbone, backbone.least_image_size)) if len(shape) == 1) - 1
    assert shapes_of(backbone, backbone.least_image_size)[last][:2] == (1, 1)
    with pytest.raises(ValueError, match=r"[Nn]egative dimension"):
        shapes_of(backbone, backbone.least_image_size - 1)


def test_shapes_go_from_unit_to_unit():
    shapes = dict(zip(TINY.names, network.output_shapes(TINY, 5, 3, (75, 75, 3)), strict=True))
    assert shapes["Conv2d_1a_3x3"] == (37, 37, 4)
    assert shapes["Mixed_5b"] == (18, 18, 6)
    assert shapes["Mixed_6a"] == (8, 8, 8)
    assert (shapes["AvgPool_1a_8x8"], shapes["Bottleneck"], shapes["Logits"]) == ((8,), (5,), (3,))
