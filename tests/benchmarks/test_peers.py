"""Every peer computes the same network."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tensorflow")
import tensorflow as tf

from benchmarks import graph, peers
from benchmarks.suites import training
from finetune.images.reading import read_image
from finetune.model import Model

pytestmark = pytest.mark.tf
BATCH = 4


@pytest.fixture(scope="module")
def model(drawn_checkpoint) -> Model:
    return Model.restore(drawn_checkpoint)


@pytest.fixture(scope="module")
def pixels(faces) -> np.ndarray:
    paths = sorted((faces / "strangers").rglob("*_0001.png"))[:BATCH]
    return np.stack([read_image(path)[:75, :75] for path in paths])


@pytest.mark.slow
def test_folding_leaves_no_batch_norm_and_no_scale(model, pixels) -> None:
    found = graph.embedding_graph(model)
    operations = [node.op for node in found.node]
    assert "FusedBatchNormV3" not in operations
    assert operations.count("Mul") == 1  # of the normalization at the end
    assert operations.count("Conv2D") == 132
    imported = tf.Graph()
    with imported.as_default():
        tf.import_graph_def(found, name="")
        with tf.compat.v1.Session(graph=imported) as session:
            embeddings = session.run(f"{graph.EMBEDDINGS}:0", {f"{graph.PIXELS}:0": pixels})
    np.testing.assert_allclose(embeddings, model.embed(pixels), atol=2e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", peers.PEERS)
def test_a_peer_gives_the_same_embeddings(name, model, pixels) -> None:
    missing = peers.missing(name)
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed")
    found, expected = peers.PEERS[name][0](model, BATCH)(pixels), model.embed(pixels)
    assert found.dtype == np.float32
    assert found.shape == expected.shape
    if "bfloat16" in name:
        assert ((found * expected).sum(1) > 0.98).all()
    else:
        np.testing.assert_allclose(found, expected, atol=2e-5)


@pytest.mark.slow
def test_pytorch_trains_the_same_network(model, pixels) -> None:
    torch = pytest.importorskip("torch")
    from benchmarks.torch_training import TorchTrainer

    images = (pixels.astype(np.float32) - 127.5) / 128
    labels = np.arange(BATCH)
    tensors = model.tensors()
    theirs = TorchTrainer(graph.training_graph(model), rate=0.001)
    theirs.network.double()  # so that what differs is ours, and only by rounding
    found = theirs.gradients(images.astype(np.float64), labels)
    expected = training.gradients(model, tf.constant(images), tf.constant(labels))
    after = model.tensors()
    model.assign(tensors)
    assert found.keys() == expected.keys() == {name for name in tensors if "/moving_" not in name}
    assert training.difference(expected, found) < 1e-3
    statistics = theirs.network.statistics
    assert statistics.keys() == {name for name in tensors if "/moving_" in name}
    # Both have moved once, toward the same batch.
    for name, value in statistics.items():
        assert not np.array_equal(tensors[name], after[name])
        np.testing.assert_allclose(value.numpy(), after[name], rtol=1e-3, atol=1e-4)
    assert theirs.network.weights["Logits/biases"].dtype == torch.float64
