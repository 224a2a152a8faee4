"""A picture is recognised after the changes that copying makes, and different pictures are told apart."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image

from finetune.doctor import copies as module
from finetune.doctor.copies import SAME_PICTURE, copies, copies_between, likeness_of
from finetune.doctor.thumbnails import SIDE, Thumbnails

from .conftest import picture


def thumbnail(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("L").resize((SIDE, SIDE), Image.BOX), np.float32)


@settings(max_examples=30)
@given(
    seed=st.integers(0, 1000),
    sides=st.tuples(*[st.floats(0, 0.06)] * 4),
    gain=st.floats(0.8, 1.0),
    shift=st.integers(0, 20),
)
def test_a_cropped_and_darkened_copy_is_the_same_picture(seed, sides, gain, shift):
    whole = picture(seed, 160)
    left, top, right, bottom = (round(side * 160) for side in sides)
    copy = whole.crop((left, top, 160 - right, 160 - bottom)).point(lambda level: level * gain + shift)
    assert likeness_of(thumbnail(whole), thumbnail(copy)) >= SAME_PICTURE
    assert likeness_of(thumbnail(copy), thumbnail(whole)) >= SAME_PICTURE


@settings(max_examples=30)
@given(seeds=st.lists(st.integers(0, 10_000), min_size=2, max_size=2, unique=True))
def test_two_pictures_are_not_one(seeds):
    first, second = (thumbnail(picture(seed)) for seed in seeds)
    assert likeness_of(first, second) < 0.9


def test_two_photographs_of_one_moment_are_not_one_picture(tmp_path: Path):
    """Compare photos with a likeness of 0.8 to 0.96, as in bursts: a face that moved before the same background."""
    first, other = (np.asarray(picture(seed, 96), float) for seed in (1, 2))
    second = 0.75 * first + 0.25 * other
    for name, pixels in (("a.png", first), ("b.png", second)):
        Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / name)
    images = Thumbnails(sorted(tmp_path.iterdir()))
    a, b = (thumbnail(Image.open(path)) for path in images.paths)
    assert 0.8 < likeness_of(a, b) < 0.96
    assert copies(images) == []


def test_one_grey_is_like_nothing():
    grey = np.full([SIDE, SIDE], 90, np.float32)
    assert likeness_of(grey, thumbnail(picture(1))) < SAME_PICTURE
    assert likeness_of(grey, grey) < SAME_PICTURE


def test_pairs_are_found_however_the_matrix_is_cut(tmp_path: Path, save, monkeypatch):
    paths = [save(tmp_path / f"{seed}.png", seed) for seed in range(30)]
    for seed in (3, 17):
        Image.open(paths[seed]).save(tmp_path / f"{seed}.jpg", quality=60)
    shutil.copy(paths[5], tmp_path / "5 again.png")
    Image.open(paths[9]).save(tmp_path / "9.bmp")
    images = Thumbnails(sorted(tmp_path.iterdir()))
    expected = {("17.jpg", "17.png", False), ("3.jpg", "3.png", False), ("5 again.png", "5.png", True)}
    expected |= {("9.bmp", "9.png", True)}
    for cells in (1, 100, 2**24):
        monkeypatch.setattr(module, "CELLS", cells)
        found = {(*sorted(images.paths[row].name for row in edge[:2]), edge.equal) for edge in copies(images)}
        assert found == expected


@pytest.mark.parametrize("n", [99, 130])
def test_with_and_without_the_mean_of_all(tmp_path: Path, save, n: int):
    paths = [save(tmp_path / f"{seed}.png", seed, 40) for seed in range(n - 1)]
    Image.open(paths[8]).crop((1, 0, 40, 39)).save(tmp_path / "8.jpg", quality=80)
    images = Thumbnails(sorted(tmp_path.iterdir()))
    assert [{images.paths[row].stem for row in edge[:2]} for edge in copies(images)] == [{"8"}]


def test_between_two_sets_each_image_is_named_with_its_copy(tmp_path: Path, save):
    mine = [save(tmp_path / "mine" / f"{seed}.png", seed) for seed in range(6)]
    for seed in range(4, 9):
        save(tmp_path / "theirs" / f"{seed}.jpg", seed, quality=70)
    shutil.copy(mine[1], tmp_path / "theirs" / "1.png")
    wide = picture(2, 160).crop((8, 8, 152, 152))
    wide.save(tmp_path / "theirs" / "2.png")
    ours, others = Thumbnails(mine), Thumbnails(sorted((tmp_path / "theirs").iterdir()))
    named = {(ours.paths[edge.first].name, others.paths[edge.second].name) for edge in copies_between(ours, others)}
    assert named == {("1.png", "1.png"), ("2.png", "2.png"), ("4.png", "4.jpg"), ("5.png", "5.jpg")}
