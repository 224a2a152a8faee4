"""One image file as pixels: every kind comes out as RGB, upright, or with the reason why it can't."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from finetune.errors import DataError, FinetuneError

Pixels = npt.NDArray[np.uint8]

# Named, so that no other decoder of Pillow's is tried: the one for EPS starts a program.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
"""What their files' names end in, in any case; looked at only where files are not read."""
MAX_PIXELS = 89_478_485
"""Width times height above which an image is refused: Pillow's own limit, 256 MiB of RGB."""
LARGE = 16_000_000
"""Width times height above which images are decoded one at a time, however many threads ask: Pillow takes four bytes
a pixel, and as many again on the way."""
_one_at_a_time = threading.Lock()


class ImageError(DataError):
    """An image that can't be used. Its text is the reason alone; whoever holds the path says which."""


class TooManyPixels(ImageError):
    """An image larger than was asked for; nothing of it has been decoded."""


class NotAnImage(ImageError):
    """A file that is no image of any kind that is read."""


def read_image(path: str | os.PathLike[str], max_pixels: int = MAX_PIXELS) -> Pixels:
    """Decodes an image file.

    Grey, palette, 16-bit and CMYK images become RGB; an alpha channel is dropped, as the published
    code does. The orientation in the EXIF data is applied. Of an animation, the first frame is read.

    Args:
        max_pixels: width times height above which an image is refused.

    Returns:
        uint8 [height, width, 3], RGB.

    Raises:
        ImageError: the file can't be opened, is no file, is empty or damaged; `NotAnImage` where it is none,
            `TooManyPixels` where there are more than asked for.
    """
    try:
        if os.path.exists(path) and not os.path.isfile(path):  # a named pipe would be waited for
            raise ImageError("not a file")
        with Path(path).open("rb") as file:
            if not os.fstat(file.fileno()).st_size:
                raise ImageError("an empty file")
            return _decode(file, max_pixels)
    except FileNotFoundError:
        raise ImageError("no such file") from None
    except UnidentifiedImageError:
        raise NotAnImage(f"not an image ({', '.join(FORMATS[:-1])} or {FORMATS[-1]})") from None
    except Image.DecompressionBombError:
        raise TooManyPixels(f"more than {max_pixels} pixels") from None
    except FinetuneError:  # ImageError, and an Interrupted that came meanwhile
        raise
    except Exception as error:  # on damaged data Pillow's decoders raise whatever their parsing runs into
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise ImageError(f"can't be read ({reason})") from error


def central_crops(paths: Sequence[str | os.PathLike[str]], size: int) -> Pixels:
    """The middles of image files that are known to be large enough: uint8 [n, size, size, 3].

    Raises:
        ImageError: a file can't be read.
    """
    return np.stack([central_crop(read_image(path), size) for path in paths])


def central_crop(pixels: Pixels, size: int) -> Pixels:
    """The central square, placed as `tf.image.resize_with_crop_or_pad` places it.

    Args:
        pixels: [height, width, channels].
        size: side of the square, in pixels.

    Returns:
        A view, [size, size, channels].

    Raises:
        ImageError: the image is smaller than the square.
    """
    height, width = pixels.shape[:2]
    if min(height, width) < size:
        raise ImageError(too_small(width, height, size))
    top, left = (height - size) // 2, (width - size) // 2
    return pixels[top : top + size, left : left + size]


def too_small(width: int, height: int, crop: int) -> str:
    """The reason why an image that is smaller than the crop can't be used."""
    return f"{width}x{height} pixels, smaller than the crop of {crop}"


def _decode(file: BinaryIO, max_pixels: int) -> Pixels:
    with Image.open(file, formats=FORMATS) as image:
        if image.width * image.height > max_pixels:
            raise TooManyPixels(f"{image.width}x{image.height} pixels, more than {max_pixels} in all")
        with _one_at_a_time if image.width * image.height > LARGE else contextlib.nullcontext():
            return _rgb(image)


def _rgb(image: Image.Image) -> Pixels:
    """The pixels, converted by strips: of a large image there is no second copy."""
    image.load()
    try:
        ImageOps.exif_transpose(image, in_place=True)
    except FinetuneError:
        raise
    except Exception:  # a damaged block says nothing of how the camera was held
        pass
    width, height = image.size
    rows = max(1, LARGE // width)
    pixels = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        strip = image if height <= rows else image.crop((0, top, width, bottom))
        if image.mode.startswith(("I", "F")):
            pixels[top:bottom] = _eight_bits(np.asarray(strip))
        elif image.mode == "P":  # by way of RGBA, or Pillow warns of transparency
            pixels[top:bottom] = np.asarray(strip.convert("RGBA"))[..., :3]
        else:
            pixels[top:bottom] = np.asarray(strip if strip.mode == "RGB" else strip.convert("RGB"))
    return pixels


def _eight_bits(grey: npt.NDArray[Any]) -> Pixels:
    """The high bytes of 16-bit grey, which is also what Pillow keeps of 16-bit colour."""
    if grey.dtype.kind == "f" or grey.max() > 0xFFFF or grey.min() < 0:
        raise ImageError(f"{8 * grey.itemsize}-bit grey of unknown range; save it with 8 or 16 bits")
    return np.repeat((grey >> 8).astype(np.uint8)[..., np.newaxis], 3, axis=2)
