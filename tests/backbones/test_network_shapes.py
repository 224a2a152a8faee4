"""The shapes of all variables are those of the network as TensorFlow builds it."""

from __future__ import annotations

import pytest

from finetune.backbones import BACKBONES, by_name, variable_shapes
from tests.checkpoint.odd import V1 as NARROW
from tests.tiny import TINY

tf = pytest.importorskip("tensorflow")
from finetune.network.layers import batch_norm_variables, normalizing, variables_from  # noqa: E402
from finetune.network.specs import build_unit  # noqa: E402

pytestmark = pytest.mark.tf


def asked_for(backbone, size, classes, image):
    """Return the variables that tf-slim asks for while it builds the network, in order, with their shapes."""
    found = {}

    def look_up(name, shape):
        found[name] = shape
        return tf.compat.v1.placeholder(tf.float32, shape)

    def normalize(inputs):
        batch_norm_variables(inputs.shape[-1], backbone.batch_norm)
        return inputs

    widths = {backbone.embedding_unit: size, backbone.head: classes}
    with tf.Graph().as_default(), variables_from(look_up), normalizing(normalize):
        net = tf.compat.v1.placeholder(tf.float32, [None, *image])
        for unit in backbone.units:
            net = build_unit(backbone, unit, net, getattr(unit.made_of, "width", None) or widths.get(unit.name, 0))
    return found


@pytest.mark.parametrize("backbone", [*BACKBONES.values(), TINY, NARROW], ids=lambda backbone: backbone.name)
@pytest.mark.parametrize(("size", "classes", "more"), [(8, 3, 0), (512, 739, 37)])
def test_names_order_and_shapes_are_those_of_the_built_network(backbone, size, classes, more):
    sides = backbone.image_size + more, backbone.image_size + 2 * more
    image = (*sides, backbone.image_shape[2])
    expected = asked_for(backbone, size, classes, image)
    assert [*variable_shapes(backbone, size, classes, image).items()] == [*expected.items()]


def test_the_image_is_that_of_a_training_from_scratch_by_default():
    backbone = by_name("small_cnn")
    assert variable_shapes(backbone, 8, 3) == asked_for(backbone, 8, 3, backbone.image_shape)


def test_the_first_layer_takes_the_channels_of_the_image():
    assert variable_shapes(TINY, 8, 3, (75, 75, 1))[TINY.first_kernel][2] == 1


def test_an_image_that_vanishes_is_refused():
    backbone = by_name("inception_resnet_v1")
    with pytest.raises(ValueError, match="places"):
        variable_shapes(backbone, 8, 3, (50, 50, 3))
