"""A network that takes grey gets grey images, and others only if it is asked to."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from finetune.errors import DataError
from finetune.images import Preprocessing, in_channels, network_input, one_by_one, refuse_colors
from finetune.images.reading import ImageError

GREY = Preprocessing(4, "unit", channels="grey")
CONVERTED = Preprocessing(4, "unit", channels="grey", convert=True)


def colored(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, [4, 4, 3]).astype(np.uint8)


def test_three_equal_channels_are_grey() -> None:
    pixels = np.repeat(colored()[..., :1], 3, axis=2)
    np.testing.assert_array_equal(in_channels(pixels, GREY), pixels[..., :1])
    np.testing.assert_array_equal(in_channels(pixels, CONVERTED), pixels[..., :1])


def test_colors_are_refused_unless_they_are_to_be_converted() -> None:
    with pytest.raises(ImageError, match="an image with colors, where the network takes grey; convert the images, or"):
        in_channels(colored(), GREY)
    # ITU-R 601-2, as Pillow computes it: in 16 bits, rounded
    red, green, blue = np.moveaxis(colored().astype(np.int64), -1, 0)
    luma = (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16
    np.testing.assert_array_equal(in_channels(colored(), CONVERTED)[..., 0], luma)


def test_a_network_that_takes_rgb_gets_the_pixels_as_they_are() -> None:
    np.testing.assert_array_equal(in_channels(colored(), Preprocessing(4)), colored())


def test_a_folder_with_colors_is_one_line_that_names_the_first(tmp_path) -> None:
    Image.fromarray(colored()[..., 0]).save(tmp_path / "a.png")
    for name in ("b.png", "c.png"):
        Image.fromarray(colored()).save(tmp_path / name)
    (tmp_path / "d.png").write_bytes(b"no image")
    paths = sorted(tmp_path.iterdir())
    with pytest.raises(DataError) as caught:
        refuse_colors(paths, GREY, "faces")
    (problem,) = caught.value.problems
    assert str(problem).startswith(
        f"faces: 2 images with colors, where the network takes grey, {tmp_path}/b.png the fi"
    )
    refuse_colors(paths, CONVERTED, "faces")
    refuse_colors(paths, Preprocessing(4), "faces")


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 1), (6, 5), (6, 5, 1)])
def test_one_grey_array_is_one_image(shape) -> None:
    array = np.arange(np.prod(shape)).reshape(shape).astype(np.uint8)
    (image,) = one_by_one(array, "grey")
    top, left = (shape[0] - 4) // 2, (shape[1] - 4) // 2
    wanted = array.reshape(shape[:2])[top : top + 4, left : left + 4, None]
    np.testing.assert_array_equal(network_input(image, GREY), wanted)


@pytest.mark.parametrize("shape", [(7, 4, 4), (7, 4, 4, 1), (7, 4, 4, 3)])
def test_several_grey_arrays_are_several_images(shape) -> None:
    assert len(one_by_one(np.zeros(shape, np.uint8), "grey")) == 7


def test_standardized_grey_values_enter_as_they_are() -> None:
    values = np.random.default_rng(1).uniform(0, 1, [4, 4, 1]).astype(np.float32)
    np.testing.assert_array_equal(network_input(values, GREY, standardized=True), values)
    with pytest.raises(ImageError, match=r"the checkpoint expects unit standardization, x / 255, which gives 0 to 1"):
        network_input(values * 255, GREY, standardized=True)
    with pytest.raises(ImageError, match=r"takes float arrays \[4, 4, 1\]"):
        network_input(np.zeros([4, 4, 3], np.float32), GREY, standardized=True)


def test_the_contract_travels_and_says_grey_only_where_it_is(tmp_path) -> None:
    assert Preprocessing(160).to_text() == '{"image_size": 160, "standardization": "fixed"}\n'
    assert GREY.to_text() == '{"image_size": 4, "standardization": "unit", "channels": "grey"}\n'
    assert CONVERTED.to_text().endswith('"channels": "grey", "convert": true}\n')
    assert (GREY.shape, Preprocessing(160).shape) == ((4, 4, 1), (160, 160, 3))
