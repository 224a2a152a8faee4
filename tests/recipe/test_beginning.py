"""A recipe says what the training begins with: a checkpoint, or the weights of a network."""

from __future__ import annotations

from typing import Any

import pytest

from finetune.backbones import BACKBONES
from finetune.errors import RecipeError
from finetune.recipe import Recipe

STAGES = [{"name": "s", "train_from": "Logits", "epochs": 1}]


def made(**values: Any) -> Recipe:
    return Recipe.from_values({"output": "o", "data": {"train": "d"}, "stages": STAGES} | values)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({}, "checkpoint: missing; give a path, or weights: none, imagenet or a file"),
        ({"checkpoint": "m", "weights": "none"}, "weights: found it beside checkpoint; give one of the two"),
        (
            {"checkpoint": "m", "embedding_size": 128},
            "embedding_size: found it without weights; drop it; the checkpoint decides",
        ),
        (
            {"checkpoint": "m", "backbone": "convnext_tiny", "neck": "768-128"},
            "neck: found it without weights; drop it; the checkpoint decides",
        ),
        (
            {"checkpoint": "m", "preprocessing": {"channels": "grey"}},
            "preprocessing.channels: found it without weights: none; drop it; the checkpoint decides",
        ),
        (
            {"weights": "none", "averages": True},
            "averages: found it with weights: none; drop it; there is no checkpoint",
        ),
        (
            {"weights": "imagenet"},
            "weights: there are none of ImageNet for inception_resnet_v1; set backbone: inception_v3, "
            "efficientnet_b1 or convnext_tiny",
        ),
        (
            {"weights": "none", "neck": "768-128"},
            "neck: inception_resnet_v1 has an embedding layer of its own; drop it",
        ),
        (
            {"weights": "none", "backbone": "efficientnet_b1", "neck": "768-128"},
            "neck: begins with 768, where efficientnet_b1 has 1280 features; begin with 1280",
        ),
        (
            {"weights": "none", "backbone": "convnext_tiny", "neck": "768-128", "embedding_size": 64},
            "neck: ends with 128, where embedding_size is 64; drop embedding_size",
        ),
        (
            {"weights": "none", "backbone": "convnext_tiny", "neck": "768"},
            "neck.widths: found the text '768'; give widths such as 768-128",
        ),
        (
            {"weights": "none", "backbone": "small_cnn", "preprocessing": {"image_size": 20}},
            "preprocessing.image_size: found 20; give a whole number of pixels from 22",
        ),
        (
            {"weights": "none", "preprocessing": {"image_size": 40}},
            "preprocessing.image_size: found 40, too few for inception_resnet_v1; give a whole number of pixels "
            "from 75",
        ),
        (
            {"weights": "none", "preprocessing": {"channels": "grey", "standardization": "imagenet"}},
            "preprocessing.standardization: found 'imagenet' for grey images; give unit or per_image",
        ),
    ],
)
def test_what_does_not_fit_together_is_one_line(values: dict[str, Any], told: str) -> None:
    with pytest.raises(RecipeError) as caught:
        made(**values)
    assert str(caught.value) == f"Recipe.{told}"


def test_a_neck_is_a_network_s_last_layers() -> None:
    recipe = made(weights="none", backbone="efficientnet_b1", neck="1280-256-128")
    assert recipe.embedding == 128
    assert recipe.network.names[-3:] == ("Neck_1", "Bottleneck", "Logits")
    hidden, embedding, _ = (unit.made_of for unit in recipe.network.units[-3:])
    assert (hidden.width, hidden.relu, hidden.batch_norm, embedding.batch_norm) == (256, True, True, True)
    plain = made(weights="none", backbone="efficientnet_b1", neck={"widths": "1280-64", "batch_norm": False})
    assert [unit.made_of.batch_norm for unit in plain.network.units[-2:]] == [False, False]
    assert plain.embedding == 64


def test_without_a_neck_the_network_s_usual_embedding_is_made() -> None:
    assert made(weights="none").embedding is None
    assert (BACKBONES["inception_resnet_v1"].embedding_size, BACKBONES["squeezenet"].embedding_size) == (512, 128)
    assert made(weights="none", backbone="convnext_tiny", embedding_size=64).embedding == 64
    assert made(weights="none", backbone="convnext_tiny").network == BACKBONES["convnext_tiny"]
