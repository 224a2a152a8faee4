"""The graphs compute what the published networks compute, as plain NumPy does in float64."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime
import pytest

from finetune.align import graphs
from finetune.align.networks import Networks
from tests.align import reference

GENERATOR = np.random.default_rng(11)


@pytest.fixture(scope="module")
def networks() -> Networks:
    return Networks()


def expected(network, images: np.ndarray) -> list[np.ndarray]:
    """Run a plain network, which wants columns first, on each image: probabilities, then the other outputs."""
    rows = [network(image.swapaxes(0, 1)) for image in images]
    *others, logits = (np.stack(outputs) for outputs in zip(*rows, strict=True))
    return [reference.probability(logits), *others]


@pytest.mark.parametrize(("height", "width"), [(12, 12), (12, 31), (13, 14), (40, 27)])
def test_the_proposal_network_on_any_size(networks, height, width):
    images = GENERATOR.integers(0, 256, [3, height, width, 3]).astype(np.float32)
    scores, moves = expected(reference.pnet, images)  # [n, columns, rows]
    found = networks.propose(images)
    np.testing.assert_allclose(found[0], scores.swapaxes(1, 2), atol=1e-5)
    np.testing.assert_allclose(found[1], moves.swapaxes(1, 2), atol=1e-5)


def test_the_proposal_network_rounds_to_whole_numbers(networks):
    images = GENERATOR.integers(1, 255, [1, 20, 20, 3]).astype(np.float32)
    moved = images + GENERATOR.uniform(-0.49, 0.49, images.shape).astype(np.float32)
    for found, wanted in zip(networks.propose(moved), networks.propose(images), strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("name", ["refine", "output"])
def test_the_networks_of_crops(networks, name):
    side, plain = {"refine": (24, reference.rnet), "output": (48, reference.onet)}[name]
    crops = GENERATOR.uniform(0, 255, [5, side, side, 3]).astype(np.float32)
    found = getattr(networks, name)(crops)
    for outputs, wanted in zip(found, expected(plain, crops), strict=True):
        assert outputs.shape == wanted.shape
        np.testing.assert_allclose(outputs, wanted, atol=1e-5)


def test_a_larger_logit_never_gives_a_smaller_probability(monkeypatch):
    """Suppression begins with the most probable, so an approximate sigmoid would keep other faces."""
    face = np.zeros([1, 1, 3, 2], np.float32)
    face[0, 0, 0] = -10, 10  # of red alone
    others = [np.zeros([1, 1, 3, 4], np.float32), np.zeros(4, np.float32)]
    monkeypatch.setattr(graphs, "load_weights", lambda _: [*others, face, np.zeros(2, np.float32)])
    model = graphs._Graph("pnet").finished(("h", "w"), "regressions").SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    images = np.repeat(np.linspace(0, 255, 20_000, dtype=np.float32), 3).reshape(1, 1, -1, 3)
    found = session.run(None, {graphs.INPUT: images})[0].ravel()
    wanted = 1 / (1 + np.exp(-20 * (images[0, 0, :, 0].astype(np.float64) - 127.5) / 128))
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    assert (np.diff(found) >= 0).all()
    assert found[-1] == 1


def test_a_crop_gives_the_same_bits_among_others_and_in_other_threads(networks):
    crops = GENERATOR.uniform(0, 255, [8, 24, 24, 3]).astype(np.float32)
    (first, *_) = networks.refine(crops)
    turned = networks.refine(np.ascontiguousarray(crops[::-1]))[0][::-1]
    np.testing.assert_array_equal(first, turned)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: networks.refine(crops)[0], range(20)):
            np.testing.assert_array_equal(found, first)
