"""The facts about the published checkpoints agree with the README of davidsandberg/facenet."""

from __future__ import annotations

from pathlib import Path

import pytest

from finetune.backbones import PUBLISHED, find_published, find_published_file


@pytest.mark.parametrize(
    ("name", "standardization", "embedding_size", "trained_on"),
    [
        ("20180402-114759", "fixed", 512, "VGGFace2: Cao"),
        ("20180408-102900", "fixed", 512, "CASIA-WebFace: Yi"),
        ("20170512-110547", "per_image", 128, "MS-Celeb-1M: Guo"),
        ("20170511-185253", "per_image", 128, "CASIA-WebFace: Yi"),
    ],
)
def test_each_is_described_once(name, standardization, embedding_size, trained_on):
    found = PUBLISHED[name]
    assert (found.name, found.standardization, found.embedding_size) == (name, standardization, embedding_size)
    assert (found.backbone, found.image_size) == ("inception_resnet_v1", 160)
    assert found.trained_on.startswith(trained_on)


@pytest.mark.parametrize(
    ("folder", "name", "found"),
    [
        ("models", "model-20180402-114759.ckpt-275", "20180402-114759"),
        ("20180408-102900", "model", "20180408-102900"),
        ("20180408-102900", "model-20170512-110547.ckpt-250000", "20170512-110547"),
        ("models/20180402-114759/mine", "model-mine.ckpt-9", None),
        ("models", "model-20200101-000000.ckpt-1", None),
    ],
)
def test_the_checkpoints_own_name_goes_before_its_folders(folder, name, found):
    assert find_published(Path(folder), name) is (PUBLISHED[found] if found else None)


@pytest.mark.parametrize(
    ("digest", "name", "what"),
    [
        ("5ccfbec36aa87074e96507d1b2957c739ddd1ce928cdc8f31b70fd3f7091f25a", "20180402-114759", "published checkpoint"),
        ("281cebca8662831adb987a874bdcb36e73f5b1c6dc5ee5878f305e985625d99b", "20180402-114759", "facenet-pytorch's"),
        ("272568219fa6505371ceed76dca6b3925ef69b54962709cf76f763e9d8bf4cfb", "20180408-102900", "frozen graph"),
        (
            "668e950140ad76f1e21e3a2bc1d3ad9c673734ea8ea1abbf4ecc44d1dbdd400b",
            "20170512-110547",
            "keras-facenet's weights",
        ),
    ],
)
def test_a_published_file_is_known_by_its_digest(digest, name, what):
    model, file = find_published_file(["0" * 64, digest])
    assert model is PUBLISHED[name]
    assert what in file


def test_digests_are_of_one_file_each_and_whole():
    digests = [digest for model in PUBLISHED.values() for digest in model.files]
    assert len(digests) == len(set(digests)) == 17
    assert all(len(digest) == 64 and int(digest, 16) for digest in digests)
    assert find_published_file(["0" * 64]) is None


@pytest.mark.parametrize(
    ("name", "accuracy"),
    [("20180402-114759", 0.9965), ("20180408-102900", 0.9905), ("20170512-110547", 0.992), ("20170511-185253", 0.987)],
)
def test_the_stated_accuracy_on_lfw_is_that_of_the_readme(name, accuracy):
    assert PUBLISHED[name].lfw_accuracy == accuracy
