"""Files that Keras saves of its own networks are read by name, and ImageNet's weights by Keras's order."""

from __future__ import annotations

import random

import numpy as np
import pytest

pytest.importorskip("keras")
import keras

from finetune.backbones import BACKBONES, Neck, by_name, keras_order, variable_sizes, with_neck
from finetune.checkpoint import Beginning, account, imagenet_weights
from finetune.errors import CheckpointError, UserError
from finetune.model import Model

pytestmark = pytest.mark.tf
NETWORKS = [name for name, backbone in BACKBONES.items() if backbone.keras_name]
FORMS = ("model.keras", "model.h5", "model.weights.h5")


@pytest.fixture(scope="module")
def models():
    """Return a function that builds a network of Keras's, with drawn statistics, once."""
    made = {}

    def make(name):
        if name not in made:
            random.seed(3)  # Keras draws its seeds from it; TensorFlow's own seed stays unset
            build = getattr(keras.applications, BACKBONES[name].keras_name)
            made[name] = build(weights=None, include_top=False, pooling="avg")
            generator = np.random.default_rng(4)
            for variable in made[name].variables:
                if variable.name in ("moving_mean", "moving_variance", "gamma", "beta"):
                    variable.assign(generator.uniform(0.5, 1.5, variable.shape))
        return made[name]

    return make


def layers_of(model):
    for layer in model.layers:
        yield from layers_of(layer) if hasattr(layer, "layers") else [layer]


def expected(name, model):
    """Return the values by TF1 name, by the place of each layer among those of its kind with the same shapes."""
    ours = [(scope, node) for scope, node in keras_order(BACKBONES[name]) if variable_sizes(node.layer, 1)]
    theirs = [layer for layer in layers_of(model) if layer.weights and type(layer).__name__ != "Normalization"]
    return {
        f"{scope}/{node.name}/{part}": np.asarray(value)
        for (scope, node), layer in zip(ours, theirs, strict=True)
        for part, value in zip(variable_sizes(node.layer, 1), layer.weights, strict=True)
    }


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("form", [FORMS[0], *(pytest.param(form, marks=pytest.mark.slow) for form in FORMS[1:])])
def test_every_value_of_a_file_is_restored_and_the_neck_is_fresh(name, form, models, tmp_path):
    model, path = models(name), tmp_path / form
    (model.save_weights if "weights" in form else model.save)(path)
    neck = with_neck(BACKBONES[name], Neck((24,), batch_norm=False))
    found = account(path, class_names=("ann", "bob"), beginning=Beginning(neck, 16))
    wanted = expected(name, model)
    assert found.values.keys() == wanted.keys()
    for variable, value in wanted.items():
        np.testing.assert_array_equal(found.values[variable], value, err_msg=variable)
    dense = [f"{name}/{unit}/{part}" for unit in ("Neck_1", "Bottleneck") for part in ("weights", "biases")]
    assert set(found.plan.fresh) == {*dense, "Logits/weights", "Logits/biases"}
    assert found.needed[f"{name}/Bottleneck/weights"] == (24, 16)


def test_as_a_checkpoint_such_a_file_lacks_its_embedding(models, tmp_path):
    models("efficientnet_b1").save(tmp_path / "model.keras")
    with pytest.raises(CheckpointError, match=r"missing; without it there is no embedding; give it as weights"):
        account(tmp_path / "model.keras")


def test_a_neck_that_the_weights_have_is_kept_unless_the_recipe_asks_for_another(tmp_path):
    backbone = with_neck(BACKBONES["efficientnet_b1"], Neck((24,), batch_norm=False))
    Model.fresh(backbone, 16).save(tmp_path)
    kept = account(tmp_path, class_names=("ann",), beginning=Beginning(BACKBONES["efficientnet_b1"]))
    assert (kept.backbone, kept.contents.embedding_size) == (backbone, 16)
    assert kept.plan.fresh == ("Logits/weights", "Logits/biases")


def test_weights_of_another_network_are_told_by_both_names(models, tmp_path):
    models("efficientnet_b1").save(tmp_path / "model.keras")
    with pytest.raises(CheckpointError) as caught:
        account(tmp_path / "model.keras", beginning=Beginning(BACKBONES["convnext_tiny"], 16))
    assert str(caught.value) == (
        f"{tmp_path}/model.keras: holds EfficientNet-B1, where the recipe says backbone: convnext_tiny; "
        "give weights of ConvNeXt-Tiny, or set backbone"
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_imagenets_weights_are_those_that_keras_gives(name, models, monkeypatch):
    model, asked = models(name), []

    def build(**options):
        asked.append(options)
        return model

    monkeypatch.setattr(keras.applications, BACKBONES[name].keras_name, build)
    found, wanted = imagenet_weights(BACKBONES[name]), expected(name, model)
    assert asked == [{"weights": "imagenet", "include_top": False, "pooling": "avg"}]
    assert found.keys() == wanted.keys()
    assert all(np.array_equal(found[variable], value) for variable, value in wanted.items())


def test_without_a_connection_one_line_says_what_to_do(monkeypatch):
    def build(**options):
        raise Exception("URL fetch failure on https://x: None -- no such host\nmore")

    monkeypatch.setattr(keras.applications, "ConvNeXtTiny", build)
    with pytest.raises(UserError) as caught:
        imagenet_weights(BACKBONES["convnext_tiny"])
    assert str(caught.value) == (
        "weights: ImageNet's weights of ConvNeXt-Tiny could not be downloaded (URL fetch failure on https://x: None -- "
        "no such host); connect to the internet once, or give a file of Keras with these weights: weights=FILE"
    )


def test_another_image_size_than_that_of_the_weights_is_named(tmp_path):
    model = Model.fresh("small_cnn", classes=3)
    assert model.backbone.flattens
    assert not by_name("squeezenet").flattens
    where = model.save(tmp_path, "small")
    with pytest.raises(CheckpointError) as caught:
        Model.restore(tmp_path, image_size=72)
    (problem,) = caught.value.problems
    assert str(problem) == (
        f"{where} small_cnn/Bottleneck/weights: shape [2304, 64]; the network needs [3136, 64]; "
        "give the image size of its training, not 72"
    )
