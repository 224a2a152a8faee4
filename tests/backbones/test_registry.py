"""The registry finds a backbone by its name, and the backbone that a checkpoint holds."""

from __future__ import annotations

import pytest

from finetune.backbones import BACKBONES, DEFAULT, LEAST_IMAGE_SIZE, PUBLISHED, by_name, recognise
from finetune.errors import CheckpointError, Problem, UserError

GIVE = "give a checkpoint of FaceNet's Inception-ResNet-v1, Inception-ResNet-v2 or SqueezeNet"


def test_every_backbone_is_found_by_its_name():
    assert (
        [by_name(name).name for name in BACKBONES]
        == list(BACKBONES)
        == [
            *(DEFAULT, "inception_resnet_v2", "squeezenet", "small_cnn"),
            *("inception_v3", "efficientnet_b1", "convnext_tiny"),
        ]
    )
    assert min(backbone.least_image_size for backbone in BACKBONES.values()) == LEAST_IMAGE_SIZE
    assert {model.backbone for model in PUBLISHED.values()} <= set(BACKBONES)


def test_no_two_backbones_share_a_scope_by_which_checkpoints_and_kept_features_are_told_apart():
    assert len({backbone.scope for backbone in BACKBONES.values()}) == len(BACKBONES)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("inception_resnet_v3", "no backbone 'inception_resnet_v3'; did you mean 'inception_resnet_v"),
        ("vgg", "no backbone 'vgg'; choose one of inception_resnet_v1, inception_resnet_v2"),
    ],
)
def test_another_name_is_told_with_the_nearest(name, told):
    with pytest.raises(UserError, match=r"^no backbone") as caught:
        by_name(name)
    assert str(caught.value).startswith(told)


@pytest.mark.parametrize("number", [1, 2])
def test_a_checkpoint_is_recognised_by_the_scope_of_its_variables(number):
    shapes = {f"InceptionResnetV{number}/Block8/Conv2d_1x1/biases": (4,), "Logits/weights": (4, 3), "global_step": ()}
    assert recognise(shapes) is by_name(f"inception_resnet_v{number}")


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["pnet/conv1/weights"], "holds MTCNN"),
        (["vgg/a", "vgg/b", "fc"], "holds another network, with variables under fc, vgg"),
        (["a/w", "b/w", "c/w", "d/w", "e/w", "f/w"], "holds another network, with variables under a, b, c, d, e"),
        ([], "is empty"),
    ],
)
def test_another_network_is_said_in_one_line(names, found):
    with pytest.raises(CheckpointError) as caught:
        recognise(dict.fromkeys(names, (2, 2)), "m.ckpt-1")
    assert caught.value.problems == (Problem("m.ckpt-1", found, GIVE),)
