"""The preprocessing that a checkpoint expects, and the source of that knowledge."""

from __future__ import annotations

import os

import pytest

from finetune.errors import CheckpointError
from finetune.images.preprocessing import PREPROCESSING_FILE, Choice, Preprocessing, resolve_preprocessing


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "model"
    path.mkdir()
    return path


def test_what_is_asked_for_goes_before_the_file_and_the_file_before_the_name(tmp_path):
    folder = tmp_path / "20180402-114759"
    folder.mkdir()
    assert resolve_preprocessing(folder, "x") == Preprocessing(160, "fixed", "the published model 20180402-114759")
    (folder / PREPROCESSING_FILE).write_text('{"image_size": 96, "standardization": "per_image"}')
    assert resolve_preprocessing(folder, "x") == Preprocessing(96, "per_image", PREPROCESSING_FILE)
    assert resolve_preprocessing(folder, "x", Choice(120, "fixed")) == Preprocessing(120, "fixed", "given")
    mixed = resolve_preprocessing(folder, "x", Choice(standardization="fixed"))
    assert (mixed.image_size, mixed.standardization) == (96, "fixed")
    assert mixed.source == "standardization given, the rest preprocessing.json"
    assert not mixed.assumed


@pytest.mark.parametrize(
    ("name", "standardization"),
    [
        ("model-20180402-114759.ckpt-275", "fixed"),
        ("model-20180408-102900.ckpt-90", "fixed"),
        ("20170512-110547", "per_image"),
        ("model-20170511-185253.ckpt-80000", "per_image"),
    ],
)
def test_published_models_are_known_by_name_in_whatever_folder(folder, name, standardization):
    assert resolve_preprocessing(folder, name).standardization == standardization


def test_else_160_and_fixed_are_assumed_and_said(folder):
    found = resolve_preprocessing(folder, "model-20200101-000000.ckpt-1")
    assert (found.image_size, found.standardization) == (160, "fixed")
    assert found.source.startswith("assumed")
    assert found.assumed
    size, standardized = {"image_size": 96}, {"standardization": "per_image"}
    assert resolve_preprocessing(folder, "x", Choice(**size)).assumed
    assert resolve_preprocessing(folder, "x", Choice(**standardized)).assumed
    assert not resolve_preprocessing(folder, "x", Choice(**size, **standardized)).assumed


def test_what_travels_reads_back(folder):
    (folder / PREPROCESSING_FILE).write_text(Preprocessing(182, "per_image").to_text())
    assert resolve_preprocessing(folder, "x") == Preprocessing(182, "per_image", PREPROCESSING_FILE)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"image_size": 160}',
        '{"image_size": "160", "standardization": "fixed"}',
        '{"image_size": true, "standardization": "fixed"}',
        '{"image_size": 160, "standardization": "whitened"}',
    ],
)
def test_a_file_that_can_not_be_used_is_named(folder, text):
    (folder / PREPROCESSING_FILE).write_text(text)
    with pytest.raises(CheckpointError, match=PREPROCESSING_FILE) as caught:
        resolve_preprocessing(folder, "x")
    assert len(caught.value.problems) == 1


def test_a_file_that_would_be_waited_for_or_never_end_is_refused(folder):
    os.mkfifo(folder / PREPROCESSING_FILE)
    with pytest.raises(CheckpointError, match=r"preprocessing\.json: can't be read \(not a file\)"):
        resolve_preprocessing(folder, "x")
    (folder / PREPROCESSING_FILE).unlink()
    (folder / PREPROCESSING_FILE).symlink_to("/dev/zero")
    with pytest.raises(CheckpointError, match=r"preprocessing\.json: can't be read \(not a file\)"):
        resolve_preprocessing(folder, "x")


def test_deep_json_is_no_preprocessing(folder):
    (folder / PREPROCESSING_FILE).write_text("[" * 100_000)
    with pytest.raises(CheckpointError, match="not JSON with image_size and standardization; mend it or remove it"):
        resolve_preprocessing(folder, "x")
