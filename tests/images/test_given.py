"""Every form of given images gives the same pixels, and an ambiguous one is refused in a sentence."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from finetune.errors import DataError
from finetune.images.given import network_input, one_by_one
from finetune.images.preprocessing import Preprocessing
from finetune.images.reading import ImageError

FIXED, PER_IMAGE = Preprocessing(75, "fixed"), Preprocessing(75, "per_image")
PIXELS = np.random.default_rng(1).integers(256, size=(4, 75, 75, 3), dtype=np.uint8)


def inputs(images, preprocessing=FIXED, **options):
    return [network_input(image, preprocessing, **options) for image in one_by_one(images)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Write the pixels as files into a folder in the home directory, two of them in a folder below."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, pixels in zip(("faces/a.png", "faces/b.png", "faces/c/1.png", "faces/c/2.png"), PIXELS, strict=True):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / name)
    return tmp_path / "faces"


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int64, np.float16, np.float32, np.float64])
def test_whole_values_from_0_to_255_are_pixels_whatever_type_holds_them(dtype):
    taken = inputs(PIXELS.astype(dtype))
    assert {pixels.dtype for pixels in taken} == {np.dtype(np.uint8)}
    np.testing.assert_array_equal(taken, PIXELS)


def test_every_form_of_the_same_images_gives_the_same_pixels(folder):
    files = [folder / name for name in ("a.png", "b.png", "c/1.png", "c/2.png")]
    pictures = [Image.fromarray(pixels) for pixels in PIXELS]
    forms = (
        list(PIXELS),
        files,
        map(str, files),
        np.array([str(file) for file in files]),
        folder,
        str(folder),
        "~/faces",
        ["~/faces/a.png", files[1], pictures[2], PIXELS[3]],
        pictures,
        (picture for picture in pictures),
        map(Image.open, files),
    )
    for images in forms:
        np.testing.assert_array_equal(inputs(images), PIXELS)


def test_one_image_is_one_row(folder):
    for image in (PIXELS[0], PIXELS[0].astype(float), Image.fromarray(PIXELS[0]), folder / "a.png", "~/faces/a.png"):
        np.testing.assert_array_equal(inputs(image), PIXELS[:1])


def test_no_images_are_no_rows():
    for images in ([], iter([]), np.array([]), np.empty([0, 75, 75, 3], np.uint8)):
        assert inputs(images) == []


def test_pillows_images_are_converted_as_files_are_and_stay_as_they_were():
    grey = Image.fromarray(PIXELS[0, :, :, 0])
    np.testing.assert_array_equal(inputs(grey), [np.repeat(PIXELS[0, :, :, :1], 3, axis=2)])
    np.testing.assert_array_equal(inputs(Image.fromarray(np.dstack([PIXELS[0], PIXELS[1, :, :, 0]]))), PIXELS[:1])
    turned = Image.fromarray(PIXELS[0])
    exif = turned.getexif()
    exif[0x0112] = 3  # held upside down
    turned.info["exif"] = exif.tobytes()
    np.testing.assert_array_equal(inputs(turned), [PIXELS[0, ::-1, ::-1]])
    np.testing.assert_array_equal(np.asarray(turned), PIXELS[0])


def test_larger_images_are_cropped_centrally():
    larger = np.random.default_rng(2).integers(256, size=(2, 80, 77, 3), dtype=np.uint8)
    np.testing.assert_array_equal(inputs(larger.astype(np.float32)), larger[:, 2:77, 1:76])


X = PIXELS.astype(np.float32)


@pytest.mark.parametrize(
    ("images", "found", "advice"),
    [
        ((X - 127.5) / 128, "float32 of shape [75, 75, 3], values from -0.996094 to 0.996094", "standardized=True"),
        ((X - X.mean()) / X.std(), "float32 of shape [75, 75, 3], values from -1.7", "standardized=True"),
        (X / 255, "float32 of shape [75, 75, 3], values from 0 to 1", "multiply by 255 and round"),
        (X * 0.9, "float32 of shape [75, 75, 3], values from 0 to 229.5", "round"),
        (X + 0.25, "float32 of shape [75, 75, 3], values from 0.25 to 255.25", "round"),
        (PIXELS.astype(np.uint16) * 257, "uint16 of shape [75, 75, 3], values from 0 to 65535", "divide 16-bit values"),
        (PIXELS.astype(np.int16) - 128, "int16 of shape [75, 75, 3], values from -128 to 127", "scale and round"),
        (np.full([1, 75, 75, 3], np.nan), "float64 of shape [75, 75, 3], values from nan to nan", "replace NaN"),
        (PIXELS > 9, "bool of shape [75, 75, 3]", "whole values from 0 to 255"),
    ],
)
def test_other_values_are_a_sentence(images, found, advice):
    with pytest.raises(ImageError) as caught:
        inputs(images)
    (line,) = map(str, caught.value.problems)
    assert line.startswith(f"found {found}")
    assert advice in line


@pytest.mark.parametrize(
    ("images", "advice"),
    [
        (PIXELS[..., 0], "repeat grey values as three channels"),
        (PIXELS[0, ..., 0], "repeat grey values as three channels"),
        (PIXELS[..., :1], "repeat the grey channel"),
        (np.concatenate([PIXELS, PIXELS[..., :1]], axis=-1), "leave the fourth channel out"),
        (np.moveaxis(PIXELS, -1, 1), "np.moveaxis(x, -3, -1)"),
        (np.moveaxis(PIXELS[0], -1, 0), "np.moveaxis(x, -3, -1)"),
        (PIXELS[..., :2], "RGB"),
        (PIXELS.ravel(), "[n, h, w, 3]"),
        (PIXELS[None], "[n, h, w, 3]"),
        (np.array(3), "[n, h, w, 3]"),
    ],
)
def test_other_shapes_are_a_sentence(images, advice):
    shape = list(images.shape)
    with pytest.raises(DataError) as caught:
        one_by_one(images)
    (line,) = map(str, caught.value.problems)
    assert line.startswith(f"images: found {images.dtype} of shape {shape}; give [n, h, w, 3]")
    assert advice in line


def test_the_advice_on_shapes_gives_the_pixels():
    np.testing.assert_array_equal(inputs(np.moveaxis(np.moveaxis(PIXELS, -1, 1), -3, -1)), PIXELS)
    grey = PIXELS[..., 0]
    np.testing.assert_array_equal(inputs(np.repeat(grey[..., None], 3, axis=-1))[0][..., 2], grey[0])


@pytest.mark.parametrize("images", [3, None, [3], [None], {1: 2}])
def test_what_is_no_image_is_a_sentence(images):
    with pytest.raises(DataError, match=r"found \w+; give"):
        inputs(images)


def test_standardized_images_stay_as_they_are_to_the_last_bit():
    for preprocessing, images in ((FIXED, (X - 127.5) / 128 + 0.001), (PER_IMAGE, (X - X.mean()) / X.std())):
        for given in (images, list(images), images.astype(np.float64)):
            taken = np.stack(inputs(given, preprocessing, standardized=True))
            assert taken.dtype == np.float32
            assert taken.tobytes() == images.astype(np.float32).tobytes()


@pytest.mark.parametrize(
    ("image", "preprocessing", "line"),
    [
        (PIXELS[0], FIXED, "found uint8 of shape [75, 75, 3]; standardized=True takes float arrays [75, 75, 3]"),
        (np.zeros([80, 80, 3]), FIXED, "found float64 of shape [80, 80, 3]; standardized=True takes float arrays"),
        ("a.png", FIXED, "found str; standardized=True takes float arrays"),
        (Image.fromarray(PIXELS[0]), FIXED, "found Image; standardized=True takes float arrays"),
        (X[0], FIXED, "found values from 0 to 255 of mean 128"),
        (X[0], PER_IMAGE, "found values from 0 to 255 of mean 128"),
        ((X[0] - X.mean()) / X.std(), FIXED, "which gives -1 to 1"),
        (np.full([75, 75, 3], np.nan), FIXED, "found values from nan to nan"),
        (np.full([75, 75, 3], np.nan), PER_IMAGE, "found values from nan to nan"),
    ],
)
def test_what_the_checkpoint_would_not_take_as_standardized_is_a_sentence(image, preprocessing, line):
    with pytest.raises(ImageError) as caught:
        network_input(image, preprocessing, standardized=True)
    assert line in str(caught.value)
