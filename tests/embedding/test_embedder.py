"""The embedder gives the same vectors as the whole forward pass, and computes each once."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from finetune.backbones import by_name
from finetune.errors import RunError

tf = pytest.importorskip("tensorflow")
from finetune import network  # noqa: E402
from finetune.embedding import embedder as module  # noqa: E402
from finetune.embedding.embedder import Embedder, unit  # noqa: E402
from finetune.images import inspection  # noqa: E402
from finetune.images.inspection import inspect_images  # noqa: E402
from finetune.images.reading import central_crop, read_image  # noqa: E402
from finetune.model import Model  # noqa: E402

pytestmark = pytest.mark.tf
V1 = by_name("inception_resnet_v1")

FIRST = "InceptionResnetV1/Conv2d_1a_3x3/weights"


@pytest.fixture
def model(drawn_checkpoint):
    return Model.restore(drawn_checkpoint)


@pytest.fixture
def images(faces):
    return sorted((faces / "strangers").rglob("*.png"))


def after(model, first):
    def rest(features):
        return network.forward_pass(V1, features, model.variables, slice(first, -1)).numpy()

    return rest


@pytest.mark.slow
@pytest.mark.parametrize("cache", ["auto", "off", "memory", "disk"])
@pytest.mark.parametrize("cut", ["Logits", "Block8", "Conv2d_1a_3x3"])
def test_with_the_units_after_them_they_are_the_embeddings(model, images, cut, cache):
    first = V1.names.index(cut)
    embedder = Embedder(model, cache, first=first, rest=after(model, first))
    np.testing.assert_allclose(embedder.embeddings(images, flip=True), model.embed(images, flip=True), atol=2e-5)
    np.testing.assert_allclose(unit(embedder.prelogits(images)), model.embed(images), atol=2e-5)


def test_they_are_computed_once_and_mirrored_ones_apart(model, images, passes):
    model.assign({FIRST: model.variables[FIRST].numpy() * 1.5})  # a checkpoint that no other test has kept
    first = V1.names.index("Block8")
    results = [list(Embedder(model, first=first).features(images, flip=flip)) for flip in (False, False, True, True)]
    assert passes == [len(images), len(images)]  # as they are, and then the mirror images alone
    for once, twice in ((0, 1), (2, 3)):
        for one, other in zip(results[once], results[twice], strict=True):
            np.testing.assert_array_equal(one, other)
    (plain,), (same, mirrored) = results[0][0], results[2][0]
    np.testing.assert_array_equal(plain, same)
    assert np.abs(plain - mirrored).max() > 1e-3


def test_both_sides_of_an_image_come_from_one_decoding(model, images, tmp_path, monkeypatch):
    monkeypatch.setenv("FINETUNE_CACHE", str(tmp_path))
    decoded = []
    batches = module.EvaluationBatches
    monkeypatch.setattr(
        module, "EvaluationBatches", lambda paths, **options: decoded.extend(paths) or batches(paths, **options)
    )
    expected = model.embed(images[:5], flip=True)
    for cache in ("disk", "memory", "off"):
        decoded.clear()
        np.testing.assert_allclose(Embedder(model, cache).embeddings(images[:5], flip=True), expected, atol=2e-5)
        assert decoded == images[:5]
    decoded.clear()
    assert Embedder(model, "disk").embeddings(images[:5], flip=True).shape == (5, 1024)
    assert decoded == []


def test_mirror_images_are_computed_where_they_lack(model, images, tmp_path, monkeypatch, passes):
    monkeypatch.setenv("FINETUNE_CACHE", str(tmp_path))
    Embedder(model, "disk").embeddings(images[:2], flip=True)
    Embedder(model, "disk").embeddings(images[2:4])
    passes.clear()
    found = Embedder(model, "disk").embeddings(images[:6], flip=True)
    assert sorted(passes) == [2, 4]  # as they are: the last two; mirrored: those and the two before
    np.testing.assert_allclose(found, model.embed(images[:6], flip=True), atol=2e-5)


def test_in_memory_they_are_computed_once_by_one_embedder(model, images, passes):
    embedder = Embedder(model, "memory")
    first = embedder.embeddings(images[:4])
    np.testing.assert_array_equal(embedder.embeddings(images[2:6])[:2], first[2:])
    assert passes == [4, 2]


def test_copies_are_computed_once(model, images, passes):
    rows = Embedder(model, "memory").prelogits([images[0], images[1], images[0]])
    assert passes == [2]
    np.testing.assert_array_equal(rows[0], rows[2])


def test_pixels_are_embedded_as_the_files_are_and_not_kept(model, images, tmp_path, monkeypatch):
    monkeypatch.setenv("FINETUNE_CACHE", str(tmp_path))
    size = model.preprocessing.image_size
    pixels = [central_crop(read_image(path), size) for path in images[:3]]
    np.testing.assert_array_equal(Embedder(model).prelogits(pixels), Embedder(model, cache="off").prelogits(images[:3]))
    assert list(tmp_path.iterdir()) == []


def test_of_no_images_there_are_no_rows(model):
    assert Embedder(model).embeddings([], flip=True).shape == (0, 1024)
    assert Embedder(model).prelogits([]).shape == (0, 512)


def test_an_image_that_vanished_is_one_line(model, tmp_path):
    with pytest.raises(RunError, match=r"gone\.png: no such file; .* put it back and resume"):
        Embedder(model).embeddings([tmp_path / "gone.png"])


@pytest.mark.parametrize("cache", ["off", "memory"])
def test_an_image_that_changed_since_it_was_inspected_is_one_line(model, images, tmp_path, cache):
    path = Path(shutil.copy(images[0], tmp_path / "face.png"))
    embedder = Embedder(model, cache, inspect_images([path]))
    shutil.copy(images[1], path)
    with pytest.raises(RunError, match=r"face\.png: changed while it was used; leave the images as they are"):
        embedder.embeddings([path])


def swapped(monkeypatch, path, other):
    """Let `path` hold another image's bytes after its digest was taken, and later its own bytes again."""
    own = path.read_bytes()
    take = inspection.hash_image

    def hash_image(of):
        path.write_bytes(own)
        found = take(of)
        path.write_bytes(other.read_bytes())
        return found

    monkeypatch.setattr(module, "hash_image", hash_image)
    return own


def test_an_image_that_is_another_s_for_a_moment_is_not_kept_under_its_digest(model, images, tmp_path, monkeypatch):
    path = Path(shutil.copy(images[0], tmp_path / "face.png"))
    model.assign({name: value * 1.25 for name, value in model.tensors([FIRST]).items()})  # kept by no other test
    expected = Embedder(model, "off").prelogits([path])
    own = swapped(monkeypatch, path, images[1])
    with pytest.raises(RunError, match=r"face\.png: changed while it was used; leave the images as they are"):
        Embedder(model, "disk").prelogits([path])
    monkeypatch.undo()
    path.write_bytes(own)
    np.testing.assert_allclose(Embedder(model, "disk").prelogits([path]), expected, atol=1e-5)


def test_features_that_are_damaged_in_the_cache_are_computed_again(model, images, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FINETUNE_CACHE", str(tmp_path))
    expected = Embedder(model, "disk").prelogits(images[:3])
    rows = next(tmp_path.rglob("*.rows"))
    content = bytearray(rows.read_bytes())
    content[len(content) // 2] ^= 64
    rows.write_bytes(content)
    np.testing.assert_array_equal(Embedder(model, "disk").prelogits(images[:3]), expected)
    assert "damaged features of 1 images; computed again" in capsys.readouterr().err
