"""TensorFlow 1.15 restores our checkpoints into FaceNet's own graph, as the published scripts do."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")
from finetune.export.formats import NAMES, Content, find
from finetune.model import Model

pytestmark = [pytest.mark.tf, pytest.mark.real, pytest.mark.slow]

# Restores every trainable variable of the .meta but the classifier, whose class count has changed.
SCRIPT = """
import sys
import numpy as np
import tensorflow as tf

meta, prefix, pixels, out = sys.argv[1:]
tf.compat.v1.disable_eager_execution()
images = (np.load(pixels).astype(np.float32) - 127.5) / 128.0
with tf.compat.v1.Session() as session:
    feed = tf.compat.v1.placeholder(tf.float32, [None, 160, 160, 3])
    tf.compat.v1.train.import_meta_graph(meta, input_map={"image_batch:0": feed}, clear_devices=True)
    variables = tf.compat.v1.get_collection(tf.compat.v1.GraphKeys.TRAINABLE_VARIABLES)
    body = [v for v in set(variables) if not v.op.name.startswith("Logits")]
    assert len(body) == 490, len(body)
    tf.compat.v1.train.Saver(body).restore(session, prefix)
    reader = tf.compat.v1.train.NewCheckpointReader(prefix)
    print(reader.get_variable_to_shape_map()["Logits/weights"])
    graph = tf.compat.v1.get_default_graph()
    tensors = [graph.get_tensor_by_name(name) for name in ("embeddings:0", "phase_train:0")]
    np.save(out, session.run(tensors[0], {feed: images, tensors[1]: False}))
"""


def move_every_variable(model: Model) -> None:
    """Change every variable a little, as training does."""
    generator = np.random.default_rng(0)
    model.assign({n: v * generator.uniform(0.99, 1.01, v.shape).astype("f4") for n, v in model.tensors().items()})


ORIGINS = ("pb", "safetensors", "pytorch", "saved_model", "keras", "h5", "onnx", *NAMES)
"""Forms of the weights that a checkpoint may come from."""


def in_form(origin: str, checkpoint: Path, folder: Path) -> Path:
    """Write the checkpoint's weights in another form, and return the folder."""
    format = find("h5", names=origin) if origin in NAMES else find(origin)
    folder.mkdir()
    format.write(Content.of(Model.restore(checkpoint, standardization="fixed", image_size=160), head=False), folder)
    return folder


@pytest.mark.parametrize(
    "origin", [None, "pytorch", *(pytest.param(one, marks=pytest.mark.thorough) for one in ORIGINS if one != "pytorch")]
)
def test_restores_our_checkpoint_to_the_same_embeddings(origin, shared, tensorflow1, tmp_path):
    probe = np.load(shared / "expected/probe.npz", allow_pickle=False)
    checkpoint = in_form(origin, shared / "facenet", tmp_path / "origin") if origin else shared / "facenet"
    model = Model.restore(checkpoint, class_names=[f"person {i}" for i in range(7)], seed=1)
    move_every_variable(model)
    prefix = model.save(tmp_path / "mine", name="mine", step=12)
    ours = model.embed(probe["pixels"])
    assert np.abs(ours - probe["fixed"]).max() > 1e-3

    np.save(tmp_path / "pixels.npy", probe["pixels"])
    meta = next((shared / "facenet").glob("*.meta"))
    arguments = [str(path) for path in (meta, prefix, tmp_path / "pixels.npy", tmp_path / "out.npy")]
    done = subprocess.run(
        [tensorflow1, "-c", SCRIPT, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "[512, 7]" in done.stdout
    difference = np.abs(np.load(tmp_path / "out.npy") - ours).max()
    assert difference < 1e-4
