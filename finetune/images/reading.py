"""Reading of image files: every kind is returned as upright RGB, or refused with a reason."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import struct
import threading
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError, features

from finetune.errors import DataError, FinetuneError, Problem
from finetune.images.plain_png import SIGNATURE, decode_plain_png

Pixels = npt.NDArray[np.uint8]

# Listed so that Pillow tries no other decoder: the one for EPS starts a program.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
SUFFIXES = (
    *(".avif", ".bmp", ".gif", ".heic", ".heif", ".j2k", ".jp2", ".jpeg"),
    *(".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"),
)
"""Suffixes of image files, in any case; used only where files are not read."""


class Extra(NamedTuple):
    """Image format that not every installation can read.

    Attributes:
        name: name of the format, with its article.
        decoder: name of Pillow's decoder.
        needs: advice for installations without the decoder.
    """

    name: str
    decoder: str
    needs: str


HEIC = Extra("a HEIC", "HEIF", "pip install 'facenet-finetune[heif]'")
AVIF = Extra("an AVIF", "AVIF", "pip install --upgrade 'pillow>=11.3'")
JPEG_2000 = Extra("a JPEG 2000", "JPEG2000", "install a Pillow that was built with OpenJPEG")
BRANDS = {
    **dict.fromkeys((b"avif", b"avis"), AVIF),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), HEIC),
}
"""Brands after `ftyp`, by ISO 23008-12 and AVIF's specification; `mif1` precedes `avif` in some AVIF files."""
COMMON = {SIGNATURE: "PNG", b"\xff\xd8\xff": "JPEG"}
"""First bytes of the formats whose plugin of Pillow is imported alone."""
UNFIT = (SyntaxError, IndexError, TypeError, struct.error)
"""Exceptions of Pillow's plugins for files of another format."""
BEGINNINGS = {b"\0\0\0\x0cjP  \r\n\x87\n": JPEG_2000, b"\xff\x4f\xff\x51": JPEG_2000}
MAX_PIXELS = 89_478_485
"""Width times height above which an image is refused: Pillow's own limit, 256 MiB of RGB."""
LARGE = 16_000_000
"""Width times height above which images are decoded one at a time, by any number of threads. Pillow takes four bytes
per pixel, and temporarily twice as many."""
_one_at_a_time = threading.Lock()


class ImageError(DataError):
    """Error for an image that can't be used; the caller adds the image's path.

    Args:
        found: description of what is wrong.
        advice: advice on what to do; empty if `found` suffices.
    """

    def __init__(self, found: str, advice: str = "") -> None:
        super().__init__(Problem("", found, advice))


class TooManyPixels(ImageError):
    """Error for an image with more pixels than allowed; nothing of it was decoded."""


class NotAnImage(ImageError):
    """Error for a file that is not an image of a supported format."""


class ChangedImage(ImageError):
    """Error for a file that has changed since its checksum was computed."""


def read_image(path: str | os.PathLike[str], max_pixels: int = MAX_PIXELS, checksum: int | None = None) -> Pixels:
    """Decode an image file.

    Grey, palette, 16-bit and CMYK images become RGB. An alpha channel is dropped, as in the published code. The
    orientation in the EXIF data is applied. The first frame of an animation is read.

    Args:
        path: path of the file.
        max_pixels: width times height above which an image is refused.
        checksum: CRC-32 of the file's bytes when it was inspected, to detect changes.

    Returns:
        RGB pixels, uint8 [height, width, 3].

    Raises:
        ImageError: the file can't be opened, is not a regular file, is empty, or is damaged.
        NotAnImage: the file is not an image of a supported format.
        TooManyPixels: the image has more than `max_pixels`.
        ChangedImage: the file's checksum differs.
    """
    try:
        if os.path.exists(path) and not os.path.isfile(path):  # opening a named pipe would block
            raise ImageError("not a file")
        with Path(path).open("rb") as file:
            if not os.fstat(file.fileno()).st_size:
                raise ImageError("an empty file")
            if checksum is None:
                return _decode(file, max_pixels)
            content = file.read()
        if zlib.crc32(content) != checksum:
            raise ChangedImage("changed while it was used")
        return _decode(io.BytesIO(content), max_pixels)
    except FileNotFoundError:
        raise ImageError("no such file") from None
    except UnidentifiedImageError:
        raise NotAnImage(f"not an image ({', '.join(FORMATS[:-1])} or {FORMATS[-1]})") from None
    except Image.DecompressionBombError:
        raise TooManyPixels(f"more than {max_pixels} pixels") from None
    except FinetuneError:  # ImageError, or an Interrupted from elsewhere
        raise
    except Exception as error:  # on damaged data, Pillow's decoders can raise anything
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise ImageError(f"can't be read ({reason})") from error


def rgb(image: Image.Image) -> Pixels:
    """Return the pixels of a Pillow image, converted as in `read_image`; the image is not changed.

    Returns:
        RGB pixels, uint8 [height, width, 3].

    Raises:
        ImageError: the image can't be decoded or converted.
    """
    try:
        return _rgb(image.copy())
    except FinetuneError:
        raise
    except Exception as error:  # Pillow may read the file only now
        raise ImageError(f"can't be read ({error or type(error).__name__})") from error


def central_crop(pixels: Pixels, size: int) -> Pixels:
    """Return the central square, at the same place as `tf.image.resize_with_crop_or_pad`.

    Args:
        pixels: image, [height, width, channels].
        size: side of the square, in pixels.

    Returns:
        View of the pixels, [size, size, channels].

    Raises:
        ImageError: the image is smaller than the square.
    """
    height, width = pixels.shape[:2]
    if min(height, width) < size:
        raise ImageError(too_small(width, height, size))
    top, left = (height - size) // 2, (width - size) // 2
    return pixels[top : top + size, left : left + size]


def size_notes(
    sizes: Mapping[Path, tuple[int, int]], size: int, largest: float = 1.0, where: Path | None = None
) -> list[str]:
    """Return a line if images seem not to be aligned to the network's size, else nothing.

    Args:
        sizes: width and height of each image, in pixels.
        size: side of the network's input, in pixels.
        largest: longest side of an aligned face, as a multiple of `size`.
        where: beginning of the line, instead of the first such image's path, which may name a person.
    """
    larger = {path: shape for path, shape in sizes.items() if max(shape) > largest * size}
    if not larger:
        return []
    path, (width, height) = next(iter(larger.items()))
    more = f", and so of {len(larger) - 1} more of {len(sizes)} images" if len(larger) > 1 else ""
    return [
        f"{where or path}: {width} x {height} pixels, of which the central {size} x {size} are used{more}; "
        f"the network needs faces aligned to {size} pixels"
    ]


def header_sizes(paths: Iterable[Path]) -> dict[Path, tuple[int, int]]:
    """Return width and height from the headers of files; 0 if a header can't be read."""
    return {path: _header_size(path) for path in paths}


def _header_size(path: Path) -> tuple[int, int]:
    try:
        with path.open("rb") as file, _opened(file) as image:
            return image.size
    except Exception:  # the decoding reports what is wrong with the file
        return 0, 0


def too_small(width: int, height: int, crop: int) -> str:
    """Return the reason why an image that is smaller than the crop can't be used."""
    return f"{width}x{height} pixels, smaller than the crop of {crop}"


def _decode(file: BinaryIO, max_pixels: int) -> Pixels:
    beginning = file.read(64)
    file.seek(0)
    # libspng keeps other threads waiting, which Pillow does not: it is for processes that decode by themselves.
    if beginning.startswith(SIGNATURE) and threading.current_thread() is threading.main_thread():
        pixels = decode_plain_png(file, min(max_pixels, LARGE))
        if pixels is not None:
            return pixels
        file.seek(0)
    kind = _optional(beginning)
    if kind is not None and not _is_read(kind):
        raise ImageError(f"{kind.name} image, which can't be read here", f"{kind.needs}, or save it as JPEG or PNG")
    try:
        image = Image.open(file, formats=(kind.decoder,)) if kind else _opened(file)
    except UnidentifiedImageError:
        if kind is None:
            raise
        raise ImageError(f"can't be read (damaged: begins as {kind.name} image)") from None
    with image:
        if image.width * image.height > max_pixels:
            raise TooManyPixels(f"{image.width}x{image.height} pixels, more than {max_pixels} in all")
        with _one_at_a_time if image.width * image.height > LARGE else contextlib.nullcontext():
            return _rgb(image)


def _opened(file: BinaryIO) -> Image.Image:
    """Open an image of `FORMATS` as `Image.open` does, which imports the plugins of five formats for any of them.

    Raises:
        UnidentifiedImageError: it is not such an image.
    """
    beginning = file.read(16)
    file.seek(0)
    if name := next((name for start, name in COMMON.items() if beginning.startswith(start)), None):
        importlib.import_module(f"PIL.{name.title()}ImagePlugin")
        with contextlib.suppress(*UNFIT):
            image: Image.Image = Image.OPEN[name][0](file, "")
            if image.width * image.height <= MAX_PIXELS:
                return image
        file.seek(0)
    return Image.open(file, formats=FORMATS)


def _optional(beginning: bytes) -> Extra | None:
    """Return the optional format that a file's first bytes show, or None."""
    if beginning[4:8] == b"ftyp":
        end = min(int.from_bytes(beginning[:4], "big"), len(beginning))
        brands = [beginning[8:12], *(beginning[place : place + 4] for place in range(16, end, 4))]
        kinds = [BRANDS[brand] for brand in brands if brand in BRANDS]
        return AVIF if AVIF in kinds else next(iter(kinds), None)
    return next((kind for start, kind in BEGINNINGS.items() if beginning.startswith(start)), None)


def _is_read(kind: Extra) -> bool:
    """Return whether this installation has the decoder."""
    if kind is HEIC:
        try:
            import pillow_heif
        except ImportError:
            return False
        pillow_heif.register_heif_opener()
    Image.init()
    return kind.decoder in Image.OPEN and (
        kind is HEIC or bool(features.check({AVIF: "avif", JPEG_2000: "jpg_2000"}[kind]))
    )


def _rgb(image: Image.Image) -> Pixels:
    """Convert an image to RGB pixels in strips, to avoid a second copy of a large image."""
    image.load()
    try:
        ImageOps.exif_transpose(image, in_place=True)
    except FinetuneError:
        raise
    except Exception:  # a damaged EXIF block gives no orientation
        pass
    width, height = image.size
    rows = max(1, LARGE // width)
    pixels = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        strip = image if height <= rows else image.crop((0, top, width, bottom))
        if image.mode.startswith(("I", "F")):
            pixels[top:bottom] = _eight_bits(np.asarray(strip))
        elif image.mode == "P":  # through RGBA, otherwise Pillow warns about transparency
            pixels[top:bottom] = np.asarray(strip.convert("RGBA"))[..., :3]
        else:
            pixels[top:bottom] = np.asarray(strip if strip.mode == "RGB" else strip.convert("RGB"))
    return pixels


def _eight_bits(grey: npt.NDArray[Any]) -> Pixels:
    """Return the high bytes of 16-bit grey as RGB; Pillow keeps the same bytes of 16-bit colour."""
    if grey.dtype.kind == "f" or grey.max() > 0xFFFF or grey.min() < 0:
        raise ImageError(f"{8 * grey.itemsize}-bit grey of unknown range", "save it with 8 or 16 bits")
    return np.repeat((grey >> 8).astype(np.uint8)[..., np.newaxis], 3, axis=2)
