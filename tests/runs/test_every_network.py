"""Every network is trained like Inception-ResNet-v1: what is frozen keeps its bytes, and a killed run loses nothing."""

from __future__ import annotations

import signal

import numpy as np
import pytest
import yaml

from tests.runs.killed import checkpoint_bytes, finish, stop_in_the_middle

pytest.importorskip("tensorflow")
from finetune.backbones import BACKBONES, DEFAULT
from finetune.images import write_faces
from finetune.model import Model
from finetune.recipe import Stage
from finetune.runs.tuner import FineTuner

pytestmark = [pytest.mark.tf, pytest.mark.slow]

SIZES = {"inception_v3": 75, "inception_resnet_v2": 75}
"""Image sides in pixels of networks that can't take 64."""
MIDDLES = {
    "inception_resnet_v2": "Repeat_2/block8_9",
    "squeezenet": "fire8",
    "small_cnn": "Conv2d_3",
    "inception_v3": "mixed10",
    "efficientnet_b1": "block7a",
    "convnext_tiny": "stage_3",
    "own": "second",
}
"""A boundary in the middle of each network."""
OWN = """
import sys, keras
from keras import layers
model = keras.Sequential([
    keras.Input((64, 64, 1)),
    layers.Rescaling(1 / 255),
    layers.Conv2D(8, 3, activation="relu", name="first"),
    layers.MaxPooling2D(),
    layers.Conv2D(16, 3, use_bias=False, name="second"),
    layers.BatchNormalization(name="second_norm"),
    layers.ReLU(),
    layers.GlobalAveragePooling2D(),
    layers.Dense(5, activation="softmax", name="classes"),
])
model.save(sys.argv[1])
"""


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """Make a folder with three drawn people, and the file of a network of their own."""
    folder = tmp_path_factory.mktemp("people")
    write_faces(folder / "faces", people=3, images_per_person=6, size=75, seed=4)
    exec(compile(OWN.replace("sys.argv[1]", repr(str(folder / "own.keras"))), "own", "exec"), {})
    return folder


def settings(name, people, **more):
    """Return the settings of a run that trains a network from scratch on the drawn people."""
    backbone = str(people / "own.keras") if name == "own" else name
    grey = name in ("own", "small_cnn")
    return {
        "backbone": backbone,
        "weights": "none",
        "preprocessing": {"image_size": SIZES.get(name, 64)} | ({"convert": True} if grey else {}),
        "data": {"train": str(people / "faces"), "validation_split": 0.2},
        "batch_size": 6,
        **more,
    }


@pytest.mark.parametrize("name", MIDDLES)
def test_frozen_means_frozen_and_what_trains_is_what_the_boundary_says(name, people, tmp_path, without_reports):
    tuner = FineTuner(None, output=tmp_path / "run", verbose=False, **settings(name, people))
    model, backbone = tuner.model, tuner.model.backbone
    body = [variable for variable in model.variables if not backbone.is_head(variable)]
    paths = sorted((people / "faces").rglob("*.png"))
    digests, embeddings = model.digests(), model.embed(paths)

    head = tuner.run(Stage("head", train_from="Logits", epochs=1, learning_rate=0.01))
    assert head.accepted
    assert model.digests(body) == {variable: digests[variable] for variable in body}
    np.testing.assert_array_equal(model.embed(paths), embeddings)

    before = model.digests()
    tuner.run(Stage("middle", train_from=MIDDLES[name], epochs=1, learning_rate=0.001, batch_norm="train"))
    first = backbone.boundary(MIDDLES[name])
    after = model.digests()
    changed = {variable for variable in after if after[variable] != before[variable]}
    assert changed == {variable for variable in after if backbone.index_of(variable) >= first}
    assert 0 < len(changed) < len(after)

    again = Model.restore(tmp_path / "run/2-middle")
    assert again.backbone == backbone
    assert again.digests() == after
    np.testing.assert_array_equal(again.embed(paths), model.embed(paths))


@pytest.mark.parametrize(
    "name", [one if one == "small_cnn" else pytest.param(one, marks=pytest.mark.thorough) for one in MIDDLES]
)
def test_a_killed_run_ends_with_the_same_bytes(name, people, tmp_path):
    values = settings(name, people)
    stages = [
        {"name": "head", "train_from": "Logits", "epochs": 3, "learning_rate": 0.01},
        {
            "name": "last block",
            "train_from": MIDDLES[name],
            "epochs": 4,
            "batch_norm": "train",
            "keep_probability": 0.7,
        },
    ]

    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump({"output": "x", **values, "augment": {"random_flip": True}, "stages": stages}))
    finish(recipe, tmp_path / "alone/run")
    returned, error = stop_in_the_middle(recipe, tmp_path / "run", signal.SIGKILL)
    assert returned == -9, error
    finish(recipe, tmp_path / "run", "--resume")
    assert checkpoint_bytes(tmp_path / "run") == checkpoint_bytes(tmp_path / "alone/run")


def test_every_network_that_a_recipe_can_name_is_tried():
    assert set(MIDDLES) | {DEFAULT} == {*BACKBONES, "own"}


def test_the_plan_warns_of_random_values_that_stay_frozen(people, tmp_path):
    from finetune.recipe import Recipe
    from finetune.runs.opening import Inputs
    from finetune.runs.planning import plan

    values = settings("convnext_tiny", people, neck="768-32-16", output=str(tmp_path / "run"))
    stages = [{"name": "s", "train_from": "Bottleneck", "epochs": 1}]
    lines = "\n".join(plan(Inputs.open(Recipe.from_values(values | {"stages": stages}))))
    assert "warning: 184 variables with random values stay frozen; begin with train_from: stem" in lines
