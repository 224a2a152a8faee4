"""Images as callers give them (paths, Pillow's images or arrays, one or many), and the network's input from each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from finetune.backbones import Channels, Standardization
from finetune.errors import DataError, Problem
from finetune.images.channels import in_channels
from finetune.images.preprocessing import Preprocessing
from finetune.images.reading import ImageError, Pixels, central_crop, read_image, rgb
from finetune.paths import image_paths

Array = npt.NDArray[Any]
OneImage = str | os.PathLike[str] | Image.Image | Array
Images = OneImage | Iterable[OneImage]
Change = Callable[[Pixels], Pixels]

RANGES: Mapping[Standardization, tuple[float, float, str]] = {
    "fixed": (-1.5, 1.5, "fixed standardization, (x - 127.5) / 128, which gives -1 to 1"),
    "unit": (-0.25, 1.25, "unit standardization, x / 255, which gives 0 to 1"),
    "symmetric": (-1.5, 1.5, "symmetric standardization, x / 127.5 - 1, which gives -1 to 1"),
    "imagenet": (-4.0, 4.0, "ImageNet's standardization, which gives -2.2 to 2.7"),
    "none": (-64.0, 320.0, "pixel values from 0 to 255"),
}
"""Range of the values that are accepted as standardized. Resizing overshoots a little. Per-image standardization of a
face exceeds the range of `fixed`."""
MOST_MEAN = 1.0
"""Largest magnitude of an image's mean accepted as per-image standardization, which gives 0 before a crop."""


def one_by_one(images: Images, channels: Channels = "rgb") -> Sequence[OneImage]:
    """Return the images as a sequence of single images.

    Args:
        images: one image or several. The path of a folder stands for all files below it, in sorted order. An array
            is one image [h, w, 3] or several [n, h, w, 3]. A generator is read to its end.
        channels: channels that the network takes. For `grey`, an array is one image [h, w] or [h, w, 1], or several
            [n, h, w] or [n, h, w, 1]; RGB is taken too.

    Raises:
        DataError: these are not images; the message says what was found and what to give.
    """
    if isinstance(images, (str, os.PathLike)):
        return image_paths(images)
    if isinstance(images, Image.Image):
        return [images]
    if hasattr(images, "__array__"):  # TensorFlow's and PyTorch's tensors too
        return _rows(np.asarray(images), channels)
    if isinstance(images, Iterable):
        return list(images)
    raise DataError(Problem("images", f"found {type(images).__name__}", "give paths, Pillow's images or arrays"))


def network_input(
    image: OneImage, preprocessing: Preprocessing, *, standardized: bool = False, change: Change | None = None
) -> Array:
    """Return the network's input from one image.

    Args:
        image: path, Pillow image, or array [h, w, 3] of whole values from 0 to 255; [h, w] or [h, w, 1] for grey.
        preprocessing: preprocessing with the input size; larger images are cropped centrally.
        standardized: True if `image` is a float array that is already cropped and standardized.
        change: change of the decoded pixels before the crop; not for standardized arrays.

    Returns:
        Pixels, uint8 [s, s, c], with s the image size; or the standardized values as given, float32 [s, s, c].

    Raises:
        ImageError: the image can't be used; the message is the reason alone.
    """
    if standardized:
        return _standardized(image, preprocessing)
    if isinstance(image, (str, os.PathLike)):
        pixels = read_image(os.path.expanduser(image))
    elif isinstance(image, Image.Image):
        pixels = rgb(image)
    elif hasattr(image, "__array__"):
        array = np.asarray(image)
        if preprocessing.channels == "grey":
            array = _three_channels(array)
        _refuse_shape(array, "[h, w, 3]", (3,))
        pixels = _whole_values(array)
    else:
        found = f"found {type(image).__name__}"
        raise ImageError(found, "give a path, an image of Pillow's or an array")
    if change is not None:
        pixels = change(pixels)
    return in_channels(central_crop(pixels, preprocessing.image_size), preprocessing)


def network_inputs(paths: Sequence[str | os.PathLike[str]], preprocessing: Preprocessing) -> Pixels:
    """Read image files that are large enough as the network's input: uint8 [n, s, s, c].

    Raises:
        ImageError: a file can't be used.
    """
    return np.stack([network_input(path, preprocessing) for path in paths])


def _three_channels(array: Array) -> Array:
    """Return a grey image [h, w] or [h, w, 1] with three equal channels, [h, w, 3], and any other array as it is."""
    if array.ndim == 2:
        return np.repeat(array[..., np.newaxis], 3, axis=2)
    return np.repeat(array, 3, axis=2) if array.ndim == 3 and array.shape[2] == 1 else array


def _rows(array: Array, channels: Channels) -> Sequence[OneImage]:
    """Return the images or paths in an array; the array is checked as a whole, so an error is one line."""
    if array.ndim == 1 and (array.dtype.kind in "OU" or not array.size):
        return list(array.tolist())
    if channels == "grey" and array.ndim in (2, 3, 4) and not (array.ndim > 2 and array.shape[-1] == 3):
        one = array.ndim == 2 or (array.ndim == 3 and array.shape[-1] == 1)
        return [array] if one else list(array)
    try:
        _refuse_shape(array, "[n, h, w, 3], or [h, w, 3] for one image", (3, 4))
    except ImageError as error:
        raise DataError(*error.within("images")) from None
    return [array] if array.ndim == 3 else list(array)


def _refuse_shape(array: Array, wanted: str, ranks: tuple[int, ...]) -> None:
    """Refuse arrays without RGB channels in the last place: any other order is ambiguous.

    Raises:
        ImageError: the shape is another one; the message says how to convert the array.
    """
    shape = array.shape
    if len(shape) in ranks and shape[-1] == 3:
        return
    advice = ""
    if len(shape) in ranks and shape[-3] == 3:
        advice = ": move the channels to the last place, np.moveaxis(x, -3, -1)"
    elif len(shape) in ranks and shape[-1] == 4:
        advice = ": leave the fourth channel out, x[..., :3]"
    elif len(shape) in ranks and shape[-1] == 1:
        advice = ": repeat the grey channel, np.repeat(x, 3, axis=-1)"
    elif len(shape) in (2, 3):
        advice = ": repeat grey values as three channels, np.repeat(x[..., None], 3, axis=-1)"
    raise ImageError(f"found {array.dtype} of shape {list(shape)}", f"give {wanted}, RGB{advice}")


def _whole_values(array: Array) -> Pixels:
    """Convert whole values from 0 to 255 of any type to uint8.

    Raises:
        ImageError: there are other values.
    """
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind in "iuf":
        with np.errstate(invalid="ignore"):  # NaN and values out of range become a different number
            pixels = array.astype(np.uint8)
        if np.array_equal(pixels, array):
            return pixels
    found = f"found {array.dtype} of shape {list(array.shape)}"
    if array.dtype.kind not in "iuf":
        raise ImageError(found, "give whole values from 0 to 255 (uint8)")
    low, high = float(array.min()), float(array.max())
    advice = f"give whole values from 0 to 255 (uint8): {_advice(low, high, whole=array.dtype.kind != 'f')}"
    raise ImageError(f"{found}, values from {low:g} to {high:g}", advice)


def _advice(low: float, high: float, *, whole: bool) -> str:
    """Return advice on how such values become pixels, or on what else they may be."""
    if np.isnan(low):
        return "replace NaN"
    if low < 0 and not whole:
        return "or pass standardized=True, where they are standardized as the checkpoint expects"
    if low < 0 or high > 0xFFFF:
        return "scale and round"
    if high > 255:
        return "divide 16-bit values by 257 and round"
    return "multiply by 255 and round" if high <= 1 else "round"


def _standardized(image: OneImage, preprocessing: Preprocessing) -> npt.NDArray[np.float32]:
    array = np.asarray(image)
    if array.dtype.kind != "f" or array.shape != preprocessing.shape:
        is_array = not isinstance(image, (str, os.PathLike, Image.Image))
        found = f"{array.dtype} of shape {list(array.shape)}" if is_array else type(image).__name__
        advice = (
            f"standardized=True takes float arrays {[*preprocessing.shape]}, cropped and standardized: "
            "leave it out for pixels and files"
        )
        raise ImageError(f"found {found}", advice)
    low, high, mean = float(array.min()), float(array.max()), float(array.mean(dtype=np.float64))
    if preprocessing.standardization in RANGES:
        least, most, wanted = RANGES[preprocessing.standardization]
        fits = least <= low <= high <= most
    else:
        wanted, fits = "per-image standardization, which gives a mean of 0", abs(mean) <= MOST_MEAN
    if fits:
        return array.astype(np.float32)
    advice = f"the checkpoint expects {wanted}: give pixels without standardized=True"
    raise ImageError(f"found values from {low:g} to {high:g} of mean {mean:g}", advice)
