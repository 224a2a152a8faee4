"""Thumbnails are Pillow's, are cut once, and are forgotten with their photo."""

from __future__ import annotations

import hashlib
import io

import numpy as np
import pytest
from PIL import Image

from finetune.clustering import Faces, cut_thumbnails, read_thumbnails, sheet, thumbnail, write_thumbnails

NO_BOX = np.full(4, np.nan)


def photo(seed: int, height: int = 90, width: int = 120) -> np.ndarray:
    """Return a smooth picture, as JPEG keeps it well."""
    small = np.random.default_rng(seed).integers(0, 256, [4, 4, 3], np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


@pytest.fixture
def folder(tmp_path):
    """Write three photos, and return their faces, two in the first, and the paths by digest."""
    found, paths = [], {}
    two, one = [(10.0, 20.0, 50.0, 70.0), (60.0, 10.0, 110.0, 60.0)], [(0.0, 0.0, 30.0, 40.0)]
    for seed, boxes in enumerate([two, one, [None]]):
        path = tmp_path / f"{seed}.png"
        Image.fromarray(photo(seed)).save(path)
        digest = hashlib.sha256(path.read_bytes())
        paths[digest.hexdigest()] = path
        found += [(digest.digest(), number, box, "") for number, box in enumerate(boxes, 1)]
    return Faces.of(found, np.zeros([4, 8], np.float32)), paths


def decoded(jpeg: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(jpeg)), np.float64)


def test_a_thumbnail_is_the_square_around_the_box_as_pillow_resizes_it():
    pixels = photo(1)
    square = Image.fromarray(pixels).crop((30, 15, 90, 75))  # 1.2 times 50, about (60, 45)
    expected = square.resize((48, 48), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(thumbnail(pixels, np.array([40.0, 20, 80, 70])), expected)
    whole = Image.fromarray(pixels).resize((48, 48), Image.Resampling.BICUBIC, box=(15, 0, 105, 90))
    np.testing.assert_array_equal(thumbnail(pixels, NO_BOX), whole)


def test_a_box_at_or_outside_the_edge_still_gives_a_picture_of_the_photo_alone():
    white = np.full([90, 120, 3], 255, np.uint8)
    for box in ([-20.0, -10, 20, 30], [100.0, 70, 140, 120], [500.0, 500, 540, 540]):
        picture = np.asarray(thumbnail(white, np.array(box)))
        assert (picture.shape, picture.min()) == ((48, 48, 3), 255)


def test_each_face_of_a_sheet_is_the_thumbnail_that_was_cut(folder):
    faces, paths = folder
    cut = cut_thumbnails(faces, paths, {})
    assert list(cut) == faces.keys()
    strip = decoded(sheet(list(cut.values())))
    assert strip.shape == (4 * 48, 48, 3)
    for row, tile in enumerate(np.split(strip, 4)):
        pixels = np.asarray(Image.open(paths[faces.photos()[row]]))
        expected = np.asarray(thumbnail(pixels, faces.boxes[row]), np.float64)
        assert np.abs(tile - expected).mean() < 4  # of 255 grey levels, after two passes of JPEG


def test_known_thumbnails_are_not_cut_again_and_those_of_other_faces_are_forgotten(folder):
    faces, paths = folder
    first, *rest = faces.keys()
    again = cut_thumbnails(faces, {}, {first: b"kept", "00:1": b"gone"})
    assert again == {first: b"kept"}
    assert cut_thumbnails(faces, paths, {first: b"kept"}).keys() == {first, *rest}


def test_a_missing_a_changed_and_a_damaged_photo_give_no_thumbnail(folder):
    faces, paths = folder
    first, second, third = paths.values()
    first.unlink()
    second.write_bytes(third.read_bytes())
    third.write_bytes(b"no picture")
    assert cut_thumbnails(faces, paths, {}) == {}


def test_what_is_written_is_read_and_private(folder, tmp_path):
    cut = cut_thumbnails(*folder, {})
    for thumbnails in (cut, {}):
        write_thumbnails(tmp_path / "t.npz", thumbnails)
        assert read_thumbnails(tmp_path / "t.npz") == thumbnails
        assert (tmp_path / "t.npz").stat().st_mode & 0o077 == 0


def test_a_missing_or_damaged_file_holds_nothing(folder, tmp_path):
    assert read_thumbnails(tmp_path / "t.npz") == {}
    write_thumbnails(tmp_path / "t.npz", cut_thumbnails(*folder, {}))
    content = (tmp_path / "t.npz").read_bytes()
    for damaged in (content[:-30], b"", b"no archive"):
        (tmp_path / "t.npz").write_bytes(damaged)
        assert read_thumbnails(tmp_path / "t.npz") == {}


def test_a_damaged_thumbnail_is_grey_in_its_sheet(folder):
    good = next(iter(cut_thumbnails(*folder, {}).values()))
    huge = io.BytesIO()
    Image.new("RGB", (64, 48)).save(huge, "JPEG")
    strip = decoded(sheet([good[:50], huge.getvalue(), good]))
    assert np.abs(strip[:80] - 128).max() <= 1
    assert strip[96:].std() > 10
