"""Every network exports to Keras and ONNX within 1e-5, and the small one's weights load in plain Keras."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("keras")
import keras

from finetune.backbones import BACKBONES
from finetune.errors import CheckpointError, UserError
from finetune.export import export
from finetune.images import Preprocessing, usual_preprocessing
from finetune.model import Model

pytestmark = [pytest.mark.tf, pytest.mark.slow]
SIZES = {"inception_v3": 75, "inception_resnet_v1": 75, "inception_resnet_v2": 75}


def model_of(name, size=None):
    """Return a network with drawn weights, whose statistics and scales are drawn too."""
    usual = usual_preprocessing(BACKBONES[name])
    side = size or SIZES.get(name, 64)
    contract = Preprocessing(side, usual.standardization, channels=usual.channels, convert=usual.channels == "grey")
    model = Model.fresh(name, 16, ["ann", "bob", "cid"], preprocessing=contract, seed=5)
    generator = np.random.default_rng(6)
    positive = ("/gamma", "/moving_variance")
    drawn = {
        variable: generator.uniform(0.5, 1.5, value.shape)
        if variable.endswith(positive)
        else value + 0.05 * generator.standard_normal(value.shape)
        for variable, value in model.tensors().items()
    }
    model.assign({variable: value.astype(np.float32) for variable, value in drawn.items()})
    return model


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize("to", ["keras", pytest.param("onnx", marks=pytest.mark.thorough)])
def test_a_network_exports_within_a_hundred_thousandth_and_is_read_back(name, to, tmp_path):
    if to == "onnx":
        pytest.importorskip("tf2onnx")
        pytest.importorskip("onnxruntime")
    model = model_of(name)
    checkpoint = model.save(tmp_path / "model")
    certificate = export(checkpoint, to, tmp_path / "out", head=True)
    assert set(certificate.agreements) == {"embeddings", "logits", "probabilities"}
    assert certificate.agreements["embeddings"].largest_difference <= 1e-5
    if to == "onnx" and model.backbone.features:
        with pytest.raises(CheckpointError, match=r"with other shapes and folded weights; give the checkpoint"):
            Model.restore(tmp_path / "out")
        return
    again = Model.restore(tmp_path / "out")
    pixels = np.random.default_rng(7).integers(0, 256, [4, *model.preprocessing.shape]).astype(np.uint8)
    np.testing.assert_allclose(again.embed(pixels), model.embed(pixels), rtol=0, atol=1e-6)
    if to == "keras":
        assert again.digests() == model.digests()


def test_the_small_network_has_175779_parameters_and_its_h5_weights_load_in_plain_keras(tmp_path):
    model = model_of("small_cnn", 64)
    model = Model.restore(model.save(tmp_path / "small"), class_names=("ann", "bob", "cid"))
    wide = Model.fresh("small_cnn", classes=3)
    assert sum(int(np.prod(variable.shape)) for variable in wide.variables.values()) == 175_779
    checkpoint = model.save(tmp_path / "saved")
    export(checkpoint, "h5", tmp_path / "out", head=True)
    plain = keras.Sequential(
        [
            keras.Input((64, 64, 1)),
            keras.layers.Conv2D(32, 3, activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Conv2D(32, 3, activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Conv2D(64, 3, activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Flatten(),
            keras.layers.Dense(16, activation="relu"),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(3),
        ]
    )
    plain.load_weights(tmp_path / "out/out.h5")
    pixels = np.random.default_rng(8).integers(0, 256, [5, 64, 64, 1]).astype(np.uint8)
    np.testing.assert_allclose(
        np.asarray(plain(pixels.astype(np.float32) / 255)), model.logits(pixels), rtol=1e-4, atol=1e-5
    )


def test_what_h5_cannot_hold_is_one_line(tmp_path):
    checkpoint = Model.fresh("convnext_tiny", 8).save(tmp_path / "model")
    with pytest.raises(UserError, match="ConvNeXt-Tiny has a LayerScale, which Keras does not find again"):
        export(checkpoint, "h5", tmp_path / "out")
    assert not (tmp_path / "out").exists()
