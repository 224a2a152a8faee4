"""The published model code, run in TensorFlow 1.15, gives the same embeddings from the same variables."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")
from finetune.backbones import BACKBONES
from finetune.model import Model

pytestmark = [pytest.mark.tf, pytest.mark.real, pytest.mark.slow]

# Builds a network by the published code, restores every variable of its graph by name, and embeds.
SCRIPT = """
import importlib, sys
import numpy as np
import tensorflow as tf

tf.compat.v1.disable_eager_execution()
source, module, size, prefix, inputs, out = sys.argv[1:]
sys.path.insert(0, source)
network = importlib.import_module("models." + module)
images = tf.compat.v1.placeholder(tf.float32, [None, 160, 160, 3])
prelogits, _ = network.inference(images, 1.0, phase_train=False, bottleneck_layer_size=int(size))
embeddings = tf.nn.l2_normalize(prelogits, 1, 1e-10)
variables = tf.compat.v1.global_variables()
with tf.compat.v1.Session() as session:
    tf.compat.v1.train.Saver(variables).restore(session, prefix)
    np.save(out, session.run(embeddings, {images: np.load(inputs)}))
print(len(variables))
"""


@pytest.fixture(scope="session")
def facenet() -> Path:
    """Give the folder `src` of a clone of davidsandberg/facenet."""
    source = os.environ.get("FINETUNE_FACENET")
    if not source or not (Path(source) / "models/squeezenet.py").is_file():
        pytest.skip("FINETUNE_FACENET does not name the folder src of a clone of davidsandberg/facenet")
    return Path(source)


@pytest.mark.parametrize(
    ("module", "size", "count"),
    [("inception_resnet_v1", 512, 490), ("inception_resnet_v2", 128, 900), ("squeezenet", 128, 106)],
)
def test_the_published_code_gives_the_same_embeddings(module, size, count, facenet, tensorflow1, tmp_path):
    model = Model.fresh(BACKBONES[module], size, seed=3)
    generator = np.random.default_rng(4)
    moved = {name: generator.uniform(0.5, 1.5, value.shape) * np.maximum(np.abs(value), 0.1) * np.sign(value + 1e-9)
             for name, value in model.tensors().items()}  # fmt: skip
    model.assign({name: value.astype(np.float32) for name, value in moved.items()})
    prefix = model.save(tmp_path / "mine")
    pixels = generator.integers(0, 256, [8, 160, 160, 3]).astype(np.uint8)
    np.save(tmp_path / "inputs.npy", (pixels.astype(np.float32) - 127.5) / 128)
    arguments = [facenet, module, size, prefix, tmp_path / "inputs.npy", tmp_path / "out.npy"]
    done = subprocess.run(
        [tensorflow1, "-c", SCRIPT, *map(str, arguments)], capture_output=True, text=True, check=False,
        env={**os.environ, "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout.split()[-1]) == count == len(model.variables)
    theirs = np.load(tmp_path / "out.npy")
    assert np.abs(theirs[0] - theirs[1]).max() > 1e-3
    np.testing.assert_allclose(model.embed(pixels), theirs, rtol=0, atol=1e-4)
