from __future__ import annotations

import io
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st
from PIL import Image, features

from finetune.images.reading import (
    SUFFIXES,
    ChangedImage,
    ImageError,
    NotAnImage,
    central_crop,
    header_sizes,
    read_image,
    size_notes,
)

GREY = np.arange(0, 240, 5, dtype=np.uint8).reshape(6, 8)
COLOUR = np.stack([GREY, GREY[::-1], GREY[:, ::-1]], axis=2)


def as_bytes(image: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def test_colour_is_read_as_it_was_written(tmp_path):
    for kind in ("PNG", "BMP", "TIFF", "PPM"):
        path = tmp_path / f"face.{kind}"
        Image.fromarray(COLOUR).save(path, kind)
        pixels = read_image(path)
        assert pixels.dtype == np.uint8
        np.testing.assert_array_equal(pixels, COLOUR)


def test_the_name_says_nothing_of_the_kind(tmp_path):
    path = tmp_path / "face.jpg"
    Image.fromarray(COLOUR).save(path, "PNG")
    np.testing.assert_array_equal(read_image(path), COLOUR)


@pytest.mark.parametrize("mode", ["L", "LA", "1"])
def test_grey_becomes_three_equal_channels(tmp_path, mode):
    path = tmp_path / "face.png"
    grey = np.where(GREY > 100, 255, 0).astype(np.uint8) if mode == "1" else GREY
    Image.fromarray(grey).convert(mode).save(path)
    np.testing.assert_array_equal(read_image(path), np.repeat(grey[..., None], 3, axis=2))


def test_alpha_is_dropped(tmp_path):
    path = tmp_path / "face.png"
    Image.fromarray(np.dstack([COLOUR, GREY])).save(path)
    np.testing.assert_array_equal(read_image(path), COLOUR)


@pytest.mark.parametrize("transparency", [None, 3, b"\x00\x80\xff"])
def test_a_palette_becomes_its_colours(tmp_path, transparency):
    image = Image.fromarray(COLOUR).quantize(16)
    expected = np.array(image.convert("RGB"))
    path = tmp_path / "face.png"
    image.save(path, **({} if transparency is None else {"transparency": transparency}))
    np.testing.assert_array_equal(read_image(path), expected)


@pytest.mark.parametrize("name", ["face.png", "face.tif", "face.pgm"])
def test_16_bit_grey_keeps_its_high_byte(tmp_path, name):
    deep = (GREY.astype(np.uint16) << 8) + 77
    if name == "face.pgm":  # by hand: Pillow writes 16 bits of it in later versions alone
        height, width = deep.shape
        (tmp_path / name).write_bytes(b"P5 %d %d 65535\n" % (width, height) + deep.astype(">u2").tobytes())
    else:
        Image.fromarray(deep).save(tmp_path / name)
    np.testing.assert_array_equal(read_image(tmp_path / name), np.repeat(GREY[..., None], 3, axis=2))


def test_cmyk_becomes_rgb(tmp_path):
    Image.new("RGB", (32, 32), (200, 60, 30)).convert("CMYK").save(tmp_path / "face.jpg", quality=100)
    np.testing.assert_allclose(read_image(tmp_path / "face.jpg")[16, 16], [200, 60, 30], atol=3)


def test_the_first_frame_of_an_animation_is_read(tmp_path):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    for kind in ("GIF", "PNG"):
        path = tmp_path / f"face.{kind}"
        frames[0].save(path, kind, save_all=True, append_images=frames[1:])
        assert read_image(path)[4, 4].tolist() == [255, 0, 0]


@pytest.mark.parametrize(
    ("orientation", "undo"),
    [
        (1, lambda upright: upright),
        (2, lambda upright: upright[:, ::-1]),
        (3, lambda upright: upright[::-1, ::-1]),
        (4, lambda upright: upright[::-1]),
        (5, lambda upright: upright.swapaxes(0, 1)),
        (6, lambda upright: np.rot90(upright)),  # the camera lay on its side: shown turned clockwise
        (7, lambda upright: upright[::-1, ::-1].swapaxes(0, 1)),
        (8, lambda upright: np.rot90(upright, -1)),
    ],
)
def test_a_photo_stands_upright(tmp_path, orientation, undo):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(undo(COLOUR))).save(tmp_path / "face.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "face.png"), COLOUR)


def png_header(width: int, height: int) -> bytes:
    """Return a PNG that claims a size and holds next to nothing."""
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"")),
        (b"IEND", b""),
    ]
    body = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


JPEG = as_bytes(Image.fromarray(COLOUR).resize((64, 64)), "JPEG")
FLOAT = as_bytes(Image.fromarray(GREY.astype(np.float32)), "TIFF")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "an empty file"),
        (b"no image at all", "not an image (BMP, GIF, JPEG, PNG, PPM, TIFF or WEBP)"),
        (JPEG[:-40], "can't be read (image file is truncated"),
        (JPEG[:10], "can't be read (Truncated File Read)"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
        (png_header(10_000, 9_000), "10000x9000 pixels, more than 89478485 in all"),
        (png_header(60_000, 60_000), "more than 89478485 pixels"),
        (FLOAT, "32-bit grey of unknown range; save it with 8 or 16 bits"),
    ],
)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_file_that_is_no_usable_image_says_why(tmp_path, content, reason):
    path = tmp_path / "face.jpg"
    path.write_bytes(content)
    with pytest.raises(ImageError) as raised:
        read_image(path)
    assert str(raised.value).startswith(reason)
    assert "\n" not in str(raised.value)


def test_what_is_no_file_says_so(tmp_path):
    with pytest.raises(ImageError, match=r"^no such file$"):
        read_image(tmp_path / "gone.png")
    with pytest.raises(ImageError, match=r"^not a file$"):
        read_image(tmp_path)


def writes(kind: str) -> bool:
    """Return whether this Pillow writes JPEG2000 or AVIF."""
    Image.init()
    return kind in Image.SAVE and bool(features.check({"JPEG2000": "jpg_2000", "AVIF": "avif"}[kind]))


FLAT = np.kron(GREY[:, :, np.newaxis] + np.uint8([0, 9, 15]), np.ones((16, 16, 1), np.uint8))
AVIF_WITH_MIF1 = b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf"
LACKING = [
    (
        b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
        "a HEIC image, which can't be read here; pip install 'facenet-finetune[heif]'",
    ),
    (b"\0\0\0\x14ftypmif1\0\0\0\0mif1", "a HEIC image, which can't be read here; pip install 'facenet-finetune[heif]'"),
    (AVIF_WITH_MIF1, "an AVIF image, which can't be read here; pip install --upgrade 'pillow>=11.3'"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 image, which can't be read here; install a Pillow that was built"),
    (b"\xff\x4f\xff\x51\0", "a JPEG 2000 image, which can't be read here; install a Pillow that was built"),
]


@pytest.mark.parametrize(("beginning", "reason"), LACKING, ids=["heic", "mif1", "avif", "jp2", "j2k"])
def test_a_format_whose_decoder_is_lacking_is_named_with_what_to_install(tmp_path, beginning, reason, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.setattr(features, "check", lambda feature: False)
    path = tmp_path / "face.jpg"
    path.write_bytes(beginning + bytes(200))
    with pytest.raises(ImageError) as raised:
        read_image(path)
    assert str(raised.value).startswith(reason)
    assert str(raised.value).endswith(", or save it as JPEG or PNG")
    assert not isinstance(raised.value, NotAnImage)


@pytest.mark.parametrize(
    ("kind", "suffix"), [("JPEG2000", ".jp2"), ("JPEG2000", ".j2k"), ("AVIF", ".avif"), ("HEIF", ".heic")]
)
def test_formats_of_phones_and_archives_are_read_where_there_is_a_decoder(tmp_path, kind, suffix):
    if kind == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    elif not writes(kind):
        pytest.skip(f"this Pillow writes no {kind}")
    path = tmp_path / f"face{suffix}"
    Image.fromarray(FLAT).save(path, kind, **({} if kind == "JPEG2000" else {"quality": 100}))
    assert suffix in SUFFIXES
    np.testing.assert_allclose(read_image(path).astype(int), FLAT, atol=0 if kind == "JPEG2000" else 8)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ImageError, match="can't be read"):
        read_image(path)


KINDS = ("JPEG", "PNG", "GIF", "TIFF", "BMP", "WEBP", "PPM")
KINDS += tuple(filter(writes, ("JPEG2000", "AVIF")))
EXIF = Image.Exif()
EXIF[0x0112] = 6
WHOLE = [as_bytes(Image.fromarray(COLOUR), kind, exif=EXIF) for kind in KINDS]


@pytest.mark.filterwarnings("ignore::UserWarning")
@given(st.sampled_from(WHOLE), st.data())
def test_damage_gives_pixels_or_a_reason_and_nothing_else(tmp_path_factory, whole, data):
    damaged = bytearray(whole)
    for position in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=6)):
        damaged[position] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(damaged[: data.draw(st.integers(0, len(whole)))])
    try:
        pixels = read_image(path)
    except ImageError as error:
        (reason,) = map(str, error.problems)
        lines = reason.splitlines()
        pixels = np.zeros((0, 0, 3), np.uint8) if len(lines) == 1 else None
    assert pixels is not None, "a reason of no line, or of several"
    assert pixels.dtype == np.uint8
    assert pixels.ndim == 3
    assert pixels.shape[2] == 3


@given(st.integers(1, 12), st.integers(0, 9), st.integers(0, 9))
def test_a_crop_leaves_equal_margins_the_odd_pixel_below_and_right(size, more_rows, more_columns):
    rows, columns = np.indices((size + more_rows, size + more_columns), dtype=np.uint8)
    crop = central_crop(np.stack([rows, columns, columns], axis=2), size)
    assert crop.shape == (size, size, 3)
    assert crop[0, 0, :2].tolist() == [more_rows // 2, more_columns // 2]
    assert crop[-1, -1, :2].tolist() == [more_rows // 2 + size - 1, more_columns // 2 + size - 1]


def test_an_image_smaller_than_the_crop_gives_both_sizes():
    with pytest.raises(ImageError, match=r"^200x96 pixels, smaller than the crop of 160$"):
        central_crop(np.zeros((96, 200, 3), np.uint8), 160)


def test_a_path_may_be_text(tmp_path):
    path = Path(tmp_path / "face.png")
    Image.fromarray(COLOUR).save(path)
    np.testing.assert_array_equal(read_image(str(path)), COLOUR)


def test_one_unaligned_image_among_aligned_ones_is_noted(tmp_path):
    sizes = {"a.png": (160, 160), "b.jpg": (250, 250), "c.png": (160, 161), "d.png": (80, 80)}
    paths = [tmp_path / name for name in sizes]
    for path in paths:
        Image.new("RGB", sizes[path.name]).save(path)
    (tmp_path / "e.png").write_bytes(b"no image")
    assert size_notes(header_sizes([*paths, tmp_path / "e.png", tmp_path / "nowhere.png"]), 160) == [
        f"{paths[1]}: 250 x 250 pixels, of which the central 160 x 160 are used, and so of 1 more of 6 images; "
        "the network needs faces aligned to 160 pixels"
    ]
    assert size_notes(header_sizes([paths[0], paths[3]]), 160) == []
    assert len(size_notes(header_sizes(paths), 160, largest=1.25)) == 1
    assert size_notes(header_sizes(paths[2:]), 160, largest=1.25) == []


def test_the_bytes_that_are_decoded_are_those_whose_checksum_is_given(tmp_path):
    path = tmp_path / "face.png"
    Image.new("RGB", (8, 8), "red").save(path)
    checksum = zlib.crc32(path.read_bytes())
    np.testing.assert_array_equal(read_image(path, checksum=checksum), read_image(path))
    Image.new("RGB", (8, 8), "blue").save(path)
    with pytest.raises(ChangedImage, match="changed while it was used"):
        read_image(path, checksum=checksum)
