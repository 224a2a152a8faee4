"""The shapes of all variables are those of the network as TensorFlow builds it."""

from __future__ import annotations

import pytest

from finetune.backbones import BACKBONES, by_name, variable_shapes
from tests.checkpoint.odd import V1 as NARROW
from tests.tiny import TINY

pytest.importorskip("tensorflow")
from finetune import network

pytestmark = pytest.mark.tf


@pytest.mark.parametrize("backbone", [*BACKBONES.values(), TINY, NARROW], ids=lambda backbone: backbone.name)
@pytest.mark.parametrize(("size", "classes", "more"), [(8, 3, 0), (512, 739, 37)])
def test_names_order_and_shapes_are_those_of_the_built_network(backbone, size, classes, more):
    sides = backbone.image_size + more, backbone.image_size + 2 * more
    image = (*sides, backbone.image_shape[2])
    expected = network.variable_shapes(backbone, size, classes, image)
    assert [*variable_shapes(backbone, size, classes, image).items()] == [*expected.items()]


def test_the_image_is_that_of_a_training_from_scratch_by_default():
    backbone = by_name("small_cnn")
    assert variable_shapes(backbone, 8, 3) == dict(network.variable_shapes(backbone, 8, 3))


def test_the_first_layer_takes_the_channels_of_the_image():
    assert variable_shapes(TINY, 8, 3, (75, 75, 1))[TINY.first_kernel][2] == 1


def test_an_image_that_vanishes_is_refused():
    backbone = by_name("inception_resnet_v1")
    with pytest.raises(ValueError, match="places"):
        variable_shapes(backbone, 8, 3, (50, 50, 3))
