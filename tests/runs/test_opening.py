"""A run opens its inputs before the first step: here, the checkpoint of the recipe's network."""

from __future__ import annotations

import pytest

from finetune.errors import CheckpointError
from finetune.recipe.recipe import Recipe

pytest.importorskip("tensorflow")
from finetune.runs.opening import open_weights

pytestmark = pytest.mark.tf


def recipe(checkpoint, **values):
    return Recipe.from_values({"checkpoint": checkpoint, "output": "o", "data": {"train": "d"}} | values)


def test_a_checkpoint_of_another_network_than_the_recipes_is_told_in_one_line(drawn_checkpoint):
    assert open_weights(recipe(drawn_checkpoint)).backbone.name == "inception_resnet_v1"
    with pytest.raises(CheckpointError) as caught:
        open_weights(recipe(drawn_checkpoint, backbone="inception_resnet_v2"))
    assert str(caught.value) == (
        f"{drawn_checkpoint}: holds Inception-ResNet-v1, where the recipe says backbone: inception_resnet_v2; "
        "set backbone: inception_resnet_v1"
    )
