"""TensorFlow 1.15 loads our exports as the published scripts do, by a script that shares nothing with finetune."""

from __future__ import annotations

import os
import subprocess

import numpy as np
import pytest

pytest.importorskip("tensorflow")
from finetune.export import exporter
from finetune.export.formats import Content, find
from finetune.images import Preprocessing
from finetune.model import Model
from tests.checkpoint.test_tensorflow1 import move_every_variable

pytestmark = [pytest.mark.tf, pytest.mark.slow]

# `facenet.load_model` takes a folder or a .pb; `validate_on_lfw` maps its own input pipeline onto the graph's
# tensors, `classifier` feeds `input` and `phase_train`.
SCRIPT = """
import os, sys
import numpy as np
import tensorflow as tf

assert tf.__version__.startswith("1.15"), tf.__version__
model, pixels, out = sys.argv[1:]
images = (np.load(pixels).astype(np.float32) - 127.5) / 128.0
size = images.shape[1]

def load(session, input_map=None):
    if os.path.isfile(model):
        graph = tf.compat.v1.GraphDef()
        with open(model, "rb") as file:
            graph.ParseFromString(file.read())
        tf.import_graph_def(graph, input_map=input_map, name="")
    else:
        (meta,) = [name for name in os.listdir(model) if name.endswith(".meta")]
        saver = tf.compat.v1.train.import_meta_graph(os.path.join(model, meta), input_map=input_map)
        saver.restore(session, tf.train.get_checkpoint_state(model).model_checkpoint_path)

with tf.Graph().as_default(), tf.compat.v1.Session() as session:
    batch = tf.compat.v1.placeholder(tf.float32, [None, size, size, 3], name="my_images")
    labels = tf.compat.v1.placeholder(tf.int32, [None], name="my_labels")
    training = tf.compat.v1.placeholder(tf.bool, name="my_phase")
    load(session, {"image_batch": batch, "label_batch": labels, "phase_train": training})
    embeddings = tf.compat.v1.get_default_graph().get_tensor_by_name("embeddings:0")
    mapped = session.run(embeddings, {batch: images, labels: np.zeros(len(images)), training: False})

with tf.Graph().as_default() as graph, tf.compat.v1.Session() as session:
    load(session)
    tensor = graph.get_tensor_by_name
    feed = {tensor("input:0"): images, tensor("phase_train:0"): False}
    fed, logits, probabilities = session.run([tensor(n) for n in ("embeddings:0", "logits:0", "probabilities:0")], feed)
    unfed = session.run(tensor("embeddings:0"), {tensor("input:0"): images})
np.savez(out, mapped=mapped, fed=fed, unfed=unfed, logits=logits, probabilities=probabilities)
"""


@pytest.fixture(scope="module")
def checkpoints(drawn_checkpoint, request):
    """Return a function that gives a model and its pixels: drawn, real, or real with every variable moved."""

    def model(which: str) -> tuple[Model, np.ndarray]:
        if which == "drawn":
            return Model.restore(drawn_checkpoint), exporter.probes(Preprocessing(75))
        shared = request.getfixturevalue("shared")
        found = Model.restore(shared / "facenet")
        if which == "fine-tuned":
            move_every_variable(found)
        return found, np.load(shared / "expected/probe.npz", allow_pickle=False)["pixels"]

    return model


@pytest.mark.parametrize("to", ["tf1", "pb"])
@pytest.mark.parametrize(
    "which",
    ["drawn", pytest.param("published", marks=pytest.mark.real), pytest.param("fine-tuned", marks=pytest.mark.real)],
)
def test_the_published_scripts_way_of_loading_gives_our_embeddings(which, to, checkpoints, tensorflow1, tmp_path):
    model, pixels = checkpoints(which)
    (tmp_path / "mine").mkdir()
    find(to).write(Content.of(model, head=True), tmp_path / "mine")
    np.save(tmp_path / "pixels.npy", pixels)
    place = tmp_path / "mine" / ("mine.pb" if to == "pb" else "")
    done = subprocess.run(
        [tensorflow1, "-c", SCRIPT, str(place), str(tmp_path / "pixels.npy"), str(tmp_path / "out.npz")],
        capture_output=True,
        text=True,
        check=False,
        env={key: value for key, value in os.environ.items() if key != "TF2_BEHAVIOR"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    with np.load(tmp_path / "out.npz") as found:
        ours = model.embed(pixels)
        for name in ("mapped", "fed", "unfed"):
            assert np.abs(found[name] - ours).max() < 1e-5, name
        logits = model.logits(pixels)
        assert np.abs(found["logits"] - logits).max() < 1e-5 * np.abs(logits).max()
        np.testing.assert_allclose(found["probabilities"].sum(1), 1, rtol=1e-5)
