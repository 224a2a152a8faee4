"""Exports read again in this process compute what the checkpoint does, in batches and mirrored."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

pytest.importorskip("tensorflow")
import tensorflow as tf

from finetune.export import exporter, reload
from finetune.export.formats import Content, find
from finetune.images.drawn_face import Identity
from finetune.images.drawn_photo import draw_face
from finetune.images.preprocessing import Preprocessing
from finetune.model import Model
from tests.tiny import TINY

pytestmark = pytest.mark.tf


@pytest.fixture(scope="module")
def named(drawn_checkpoint) -> Model:
    model = Model.restore(drawn_checkpoint)
    names = [f"person {number}" for number in range(model.num_classes)]
    return Model(model.backbone, model.variables, model.preprocessing, names, model.origin)


@pytest.fixture(scope="module")
def tiny(random_variables) -> Model:
    return Model(TINY, random_variables(TINY), Preprocessing(75), ("ann", "bob", "cid"))


@pytest.fixture
def written(tmp_path):
    """Return a function that writes a format with its head into a folder."""

    def write(name, model):
        folder = tmp_path / name
        folder.mkdir()
        find(name).write(Content.of(model, head=True), folder)
        return folder

    return write


def run(name, folder, pixels, tmp_path, monkeypatch, *options):
    """Run the program and return the arrays that it writes."""
    np.save(tmp_path / "pixels.npy", pixels)
    arguments = ["reload.py", name, str(folder), str(tmp_path / "pixels.npy"), str(tmp_path / "out.npz"), *options]
    monkeypatch.setattr(sys, "argv", arguments)
    monkeypatch.setattr(tf.compat.v1, "disable_eager_execution", lambda: None)  # the rest of this process needs it
    with tf.Graph().as_default() if name in ("tf1", "pb") else tf.init_scope():
        reload.main()
    with np.load(tmp_path / "out.npz") as stored:
        return dict(stored)


@pytest.mark.parametrize("of", ["tiny", pytest.param("named", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ["tf1", "pb", "saved_model", "keras", "openvino"])
def test_what_is_read_again_computes_what_the_model_does(name, of, request, written, tmp_path, monkeypatch, capsys):
    model = request.getfixturevalue(of)
    pixels = exporter.probes(Preprocessing(75))[[0, 5, 33, 37]]
    found = run(name, written(name, model), pixels, tmp_path, monkeypatch)
    np.testing.assert_allclose(found["embeddings"], model.embed(pixels), atol=1e-5)
    logits = model.logits(pixels)
    np.testing.assert_allclose(found["logits"], logits, atol=1e-4 * np.abs(logits).max())
    shares = np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True))
    np.testing.assert_allclose(found["probabilities"], shares / shares.sum(1, keepdims=True), atol=1e-4)
    *batches, last = capsys.readouterr().out.splitlines()
    assert batches == ["1", "4"]  # the first image by itself: any batch size must do
    runtime = {"keras": "Keras", "openvino": "OpenVINO"}.get(name, "TensorFlow")
    assert json.loads(last)["runtime"].startswith(runtime)


class Sums:
    """A runtime whose one output is each image's sum over its left half."""

    def __init__(self, folder):
        self.sizes = []

    def __call__(self, pixels):
        self.sizes.append(len(pixels))
        return {"embeddings": pixels[:, :, :2].astype(np.float64).sum((1, 2, 3))[:, np.newaxis]}


@pytest.mark.parametrize("options", [(), ("flip",)])
@pytest.mark.parametrize("n", [1, 2, 33, 34, 70])
def test_every_image_goes_through_once_in_order_with_its_mirror_image_where_asked(n, options, tmp_path, monkeypatch):
    runtime = Sums(None)
    monkeypatch.setitem(reload.RUNTIMES, "sums", lambda folder: ("a runtime", runtime))
    pixels = np.random.default_rng(n).integers(0, 256, [n, 4, 4, 3], np.uint8)
    found = run("sums", tmp_path, pixels, tmp_path, monkeypatch, *options)["embeddings"]
    sums = [pixels[:, :, side].astype(float).sum((1, 2, 3)) for side in (slice(2), slice(2, 4))]
    np.testing.assert_array_equal(found, np.stack(sums[: 1 + len(options)], axis=1))
    assert max(runtime.sizes) <= 32


@pytest.mark.parametrize("name", ["fixed", "per_image"])
def test_pixels_are_standardized_as_the_file_beside_the_graph_says(name, tmp_path):
    (tmp_path / "preprocessing.json").write_text(json.dumps({"image_size": 4, "standardization": name}))
    pixels = np.random.default_rng(1).integers(0, 256, [3, 4, 4, 3], np.uint8)
    pixels[2] = 7  # without any contrast
    found = reload.standardized(pixels, str(tmp_path))
    for image, standard in zip(pixels.astype(np.float64), found, strict=True):
        low = 1 / np.sqrt(image.size)
        expected = (image - 127.5) / 128 if name == "fixed" else (image - image.mean()) / max(image.std(), low)
        np.testing.assert_allclose(standard, expected, rtol=1e-5, atol=1e-6)
    assert found.dtype == np.float32


def test_probes_are_drawn_faces_noise_and_flat_images_and_always_the_same():
    images = exporter.probes(Preprocessing(40))
    assert (images.shape, images.dtype) == ((39, 40, 40, 3), np.uint8)
    np.testing.assert_array_equal(images, exporter.probes(Preprocessing(40)))
    face = draw_face(Identity.draw(np.random.default_rng([0, 31])), 40, np.random.default_rng([1, 31]))
    np.testing.assert_array_equal(images[31], np.asarray(face))
    assert [round(image.std() / 10) for image in images[32:36]] == [7] * 4  # 256 levels, evenly
    assert [sorted(set(image.ravel().tolist())) for image in images[36:]] == [[0], [200], [255]]
