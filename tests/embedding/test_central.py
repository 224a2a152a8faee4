"""What the frozen units give for images that are only measured: the same as the whole pass, and computed once."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from finetune.architecture import UNITS
from finetune.errors import RunError

tf = pytest.importorskip("tensorflow")
from finetune import network  # noqa: E402
from finetune.embedding import central, frozen, store  # noqa: E402
from finetune.embedding.central import CentralFeatures  # noqa: E402
from finetune.model import LOGITS, Model  # noqa: E402

pytestmark = pytest.mark.tf

FIRST = "InceptionResnetV1/Conv2d_1a_3x3/weights"


@pytest.fixture
def model(drawn_checkpoint):
    return Model.restore(drawn_checkpoint)


@pytest.fixture
def images(faces):
    return sorted((faces / "strangers").rglob("*.png"))


def after(model, first):
    def suffix(features):
        return network.l2_normalize(network.forward(features, model.variables, first, LOGITS)).numpy()

    return suffix


@pytest.mark.slow
@pytest.mark.parametrize("cache", ["auto", "off", "memory", "disk"])
@pytest.mark.parametrize("cut", ["Logits", "Block8", "Conv2d_1a_3x3"])
def test_with_the_units_after_them_they_are_the_embeddings(model, images, cut, cache):
    first = UNITS.index(cut)
    embeddings = model.embed(images, flip=True)
    for flip, expected in ((False, embeddings[:, :512]), (True, embeddings[:, 512:])):
        found = CentralFeatures(model, first, images, flip=flip, cache=cache).embed(after(model, first))
        np.testing.assert_allclose(found, expected, atol=2e-5)


def test_they_are_computed_once_and_mirrored_ones_apart(model, images, monkeypatch):
    passes = []
    prefix = model.prefix
    monkeypatch.setattr(model, "prefix", lambda stop: lambda pixels: passes.append(len(pixels)) or prefix(stop)(pixels))
    name = "InceptionResnetV1/Conv2d_1a_3x3/weights"
    model.assign({name: model.variables[name].numpy() * 1.5})  # a checkpoint that no other test has kept
    first = UNITS.index("Block8")
    results = [
        [batch.numpy() for batch in CentralFeatures(model, first, images, flip=flip).batches()]
        for flip in (False, False, True, True)
    ]
    assert sum(passes) == 2 * len(images)
    for one, other in ((0, 1), (2, 3)):
        for a, b in zip(results[one], results[other], strict=True):
            np.testing.assert_array_equal(a, b)
    assert np.abs(results[0][0] - results[2][0]).max() > 1e-3


def test_copies_are_computed_once(model, images, monkeypatch):
    passes = []
    prefix = model.prefix
    monkeypatch.setattr(model, "prefix", lambda stop: lambda pixels: passes.append(len(pixels)) or prefix(stop)(pixels))
    features = CentralFeatures(model, LOGITS, [images[0], images[1], images[0]], cache="memory")
    rows = features.embed(np.asarray)
    assert passes == [2]
    np.testing.assert_array_equal(rows[0], rows[2])


def test_the_work_on_mirror_images_is_called_by_its_name(model, images, monkeypatch):
    said = []
    track = frozen.track

    def noted(items, total, what, step):
        said.append((what, total))
        return track(items, total, what, step)

    monkeypatch.setattr(frozen, "track", noted)
    for flip in (False, True):
        CentralFeatures(model, LOGITS, images[:3], flip=flip, cache="memory").embed(np.asarray)
    assert said == [("computing features", 3), ("computing features of mirror images", 3)]


def swapped(monkeypatch, path, other):
    """Let `path` hold the bytes of another image after its digest was taken, and its own again after a while."""
    own = path.read_bytes()
    take = store.image_digest

    def digest(of):
        path.write_bytes(own)
        found = take(of)
        path.write_bytes(other.read_bytes())
        return found

    monkeypatch.setattr(central, "image_digest", digest)
    return own


def test_an_image_that_is_another_s_for_a_moment_is_not_kept_under_its_digest(model, images, tmp_path, monkeypatch):
    path = Path(shutil.copy(images[0], tmp_path / "face.png"))
    model.assign({name: value * 1.25 for name, value in model.tensors([FIRST]).items()})  # kept by no other test
    expected = CentralFeatures(model, LOGITS, [path], cache="off").embed(np.asarray)
    own = swapped(monkeypatch, path, images[1])
    features = CentralFeatures(model, LOGITS, [path], cache="disk")
    with pytest.raises(RunError, match=r"face\.png: changed while it was used; leave the images as they are"):
        features.embed(np.asarray)
    path.write_bytes(own)
    np.testing.assert_allclose(features.embed(np.asarray), expected, atol=1e-5)


def test_features_that_are_damaged_in_the_store_are_computed_again(model, images, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FINETUNE_CACHE", str(tmp_path))
    expected = CentralFeatures(model, LOGITS, images[:3], cache="disk").embed(np.asarray)
    rows = next(tmp_path.rglob("*.rows"))
    content = bytearray(rows.read_bytes())
    content[len(content) // 2] ^= 64
    rows.write_bytes(content)
    np.testing.assert_array_equal(CentralFeatures(model, LOGITS, images[:3], cache="disk").embed(np.asarray), expected)
    assert "damaged features of 1 images; computed again" in capsys.readouterr().err
