"""The facts about the published checkpoints agree with the README of davidsandberg/facenet."""

from __future__ import annotations

from pathlib import Path

import pytest

from finetune.backbones import PUBLISHED, find_published


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
