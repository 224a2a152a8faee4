"""Each format, loaded by its own runtime in a fresh process, computes what the checkpoint does."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")
from finetune.agreement import Agreement, agreements
from finetune.errors import UserError
from finetune.export import exporter
from finetune.export.certificate import Certificate
from finetune.export.formats import FORMATS
from finetune.images import Preprocessing
from finetune.model import Model
from finetune.recipe.sections import LFW

pytestmark = pytest.mark.tf

SUFFIXES = {"pb": ".pb", "keras": ".keras", "h5": ".h5", "onnx": ".onnx", "tflite": ".tflite", "openvino": ".bin"}


@pytest.fixture(scope="module")
def named(drawn_checkpoint) -> Model:
    """Return a model whose classes have names."""
    model = Model.restore(drawn_checkpoint)
    names = [f"person {i}" for i in range(model.num_classes)]
    return Model(model.backbone, model.variables, model.preprocessing, names, model.origin)


@pytest.fixture(scope="module")
def exported(named, tmp_path_factory):
    """Return a function that exports with the head, once per format, and gives the certificate and the folder."""

    @functools.cache
    def export(to: str) -> tuple[Certificate, Path]:
        out = tmp_path_factory.mktemp(to) / "mine"
        return exporter.export(named, to, out, head=True), out

    return export


@pytest.mark.slow
@pytest.mark.parametrize("to", FORMATS)
def test_with_its_head_it_computes_what_the_checkpoint_does(to, named, exported, capfd):
    certificate, out = exported(to)
    assert set(certificate.agreements) == {"embeddings", "logits", "probabilities"}
    assert max(agreement.largest_difference for agreement in certificate.agreements.values()) <= 1e-5
    assert certificate.agreements["embeddings"].smallest_cosine > 0.99999
    assert certificate.problems() == []

    stored = json.loads((out / "certificate.json").read_text())
    assert stored["outputs"]["embeddings"]["largest_difference"] <= 1e-5
    assert set(stored["sha256"]) == {
        str(path.relative_to(out)) for path in out.rglob("*") if path.is_file() and path.name != "certificate.json"
    }
    assert (out / "class_names.txt").read_text().splitlines() == list(named.class_names)
    assert json.loads((out / "preprocessing.json").read_text()) == {"image_size": 75, "standardization": "fixed"}
    if to in SUFFIXES:
        assert (out / f"mine{SUFFIXES[to]}").stat().st_size > 90e6
    assert list(out.parent.iterdir()) == [out]
    assert capfd.readouterr().out == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    "to", ["h5", *(pytest.param(to, marks=pytest.mark.thorough) for to in ("saved_model", "tflite"))]
)
def test_each_image_is_standardized_within_where_the_checkpoint_asks_for_it(to, drawn_checkpoint, tmp_path):
    model = Model.restore(drawn_checkpoint, standardization="per_image")
    certificate = exporter.export(model, to, tmp_path / "mine")
    assert set(certificate.agreements) == {"embeddings"}
    assert certificate.agreements["embeddings"].largest_difference <= 1e-5
    assert not (tmp_path / "mine/class_names.txt").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("quantize", "share"), [pytest.param("float16", 0.5, marks=pytest.mark.thorough), ("int8", 0.25)]
)
def test_quantized_weights_take_their_share_of_the_bytes(quantize, share, drawn_checkpoint, tmp_path):
    certificate = exporter.export(drawn_checkpoint, "tflite", tmp_path / "small", quantize=quantize)
    values = sum(value.size for value in Model.restore(drawn_checkpoint).tensors().values()) - 512 * 120
    size = (tmp_path / "small/small.tflite").stat().st_size
    assert size == pytest.approx(4 * values * share, rel=0.05)
    assert 1e-5 < certificate.agreements["embeddings"].largest_difference < {"float16": 5e-3, "int8": 5e-2}[quantize]


@pytest.mark.slow
def test_from_tf1_by_a_frozen_graph_to_tf1_every_tensor_keeps_its_bytes(named, exported, tmp_path):
    first, frozen, second = exported("tf1")[1], tmp_path / "frozen", tmp_path / "second"
    exporter.export(first, "pb", frozen, head=True)
    exporter.export(frozen, "tf1", second, head=True)
    model = Model.restore(second)
    assert len(model.variables) == 492
    for name, value in named.tensors().items():
        assert model.variables[name].numpy().tobytes() == value.tobytes(), name
    assert model.class_names == named.class_names
    assert model.preprocessing == Model.restore(first).preprocessing
    values = [next(folder.glob("*.data-*")).read_bytes() for folder in (first, second)]
    assert values[0] == values[1]


@pytest.mark.slow
def test_the_files_of_tf1_are_named_as_the_published_scripts_look_for_them(drawn_checkpoint, tmp_path):
    exporter.export(drawn_checkpoint, "tf1", tmp_path / "mine, v1.2")
    names = {path.name for path in (tmp_path / "mine, v1.2").iterdir()}
    assert {"model-mine_ v1_2.meta", "model-mine_ v1_2.ckpt-0.index"} < names


WITHOUT_FINETUNE = """
import importlib.abc, sys

class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in ("finetune", "tf_slim"):
            raise ImportError(name)

sys.meta_path.insert(0, Refuse())
import keras, numpy as np

pixels = np.load("pixels.npy")
for name in ("keras", "h5"):
    model = keras.models.load_model(f"{name}/mine.{name}")
    assert not model.trainable_weights
    np.save(f"{name}.npy", model.predict(pixels.astype("float32"), verbose=0)["embeddings"])
"""


@pytest.mark.slow
def test_keras_models_load_where_finetune_is_not_installed(named, exported, tmp_path):
    for name in ("keras", "h5"):
        (tmp_path / name).symlink_to(exported(name)[1])
    pixels = exporter.probes(Preprocessing(75))
    np.save(tmp_path / "pixels.npy", pixels)
    command = [sys.executable, "-I", "-c", WITHOUT_FINETUNE]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    for name in ("keras", "h5"):
        assert np.abs(np.load(tmp_path / f"{name}.npy") - named.embed(pixels)).max() < 1e-5


@pytest.mark.slow
def test_a_saved_model_serves_uint8_images_by_its_signatures(named, exported):
    import tensorflow as tf

    signatures = tf.saved_model.load(str(exported("saved_model")[1])).signatures
    assert set(signatures) == {"serving_default", "embed", "classify"}
    pixels = exporter.probes(Preprocessing(75))[:3]
    for name in ("serving_default", "embed"):
        assert np.abs(signatures[name](images=tf.constant(pixels))["embeddings"] - named.embed(pixels)).max() < 1e-5
    answers = signatures["classify"](images=tf.constant(pixels))
    assert np.abs(answers["logits"] - named.logits(pixels)).max() < 1e-4
    np.testing.assert_allclose(answers["probabilities"].numpy().sum(1), 1, rtol=1e-5)


@pytest.mark.slow
def test_batch_norm_is_folded_away_in_what_is_converted(exported):
    import onnx
    from ai_edge_litert.interpreter import Interpreter

    graph = onnx.load(exported("onnx")[1] / "mine.onnx").graph
    assert sum(node.op_type == "Conv" for node in graph.node) == 132
    assert not [node for node in graph.node if node.op_type == "BatchNormalization"]
    details = Interpreter(str(exported("tflite")[1] / "mine.tflite")).get_tensor_details()
    assert not [tensor["name"] for tensor in details if "batchnorm" in tensor["name"].lower()]


@pytest.mark.slow
def test_lfw_is_measured_before_and_after(drawn_checkpoint, faces, tmp_path):
    lfw = LFW(faces / "strangers", faces / "pairs.txt", "cosine", subtract_mean=True, flip=True)
    certificate = exporter.export(drawn_checkpoint, "pb", tmp_path / "mine", lfw=lfw)
    assert certificate.n_images == len(exporter.probes(Preprocessing(75))) + 24
    assert certificate.lfw_before.flip
    assert certificate.lfw_after.accuracy == certificate.lfw_before.accuracy
    assert np.abs(certificate.lfw_after.distances - certificate.lfw_before.distances).max() < 1e-5
    stored = json.loads((tmp_path / "mine/certificate.json").read_text())["lfw"]
    assert stored["before"]["accuracy"] == stored["after"]["accuracy"] == certificate.lfw_before.accuracy
    assert (stored["pairs"], stored["difference"]["gained"], stored["difference"]["lost"]) == (40, 0, 0)


def test_an_agreement_is_the_worst_of_all_rows_and_values():
    expected = {"embeddings": np.array([[1.0, 0.0], [0.6, 0.8]]), "logits": np.array([[4.0, -8.0]])}
    found = {"embeddings": np.array([[1.0, 0.0], [0.8, 0.6]]), "logits": np.array([[4.0, -8.5]])}
    result = agreements(expected, found)
    assert result["embeddings"].largest_difference == pytest.approx(0.2)
    assert result["embeddings"].smallest_cosine == pytest.approx(0.96)
    assert result["logits"] == Agreement(0.5 / 8)


def test_a_checkpoint_without_a_classifier_has_no_head_to_export(drawn_checkpoint, tmp_path):
    model = Model.restore(drawn_checkpoint)
    body = {name: value for name, value in model.variables.items() if not name.startswith("Logits")}
    headless = Model(model.backbone, body, model.preprocessing, (), model.origin)
    with pytest.raises(UserError, match="holds no classifier; leave out the head"):
        exporter.export(headless, "pb", tmp_path / "mine", head=True)
    assert list(tmp_path.iterdir()) == []
