"""Decoding of plain PNG files by libspng: the same pixels as Pillow's, and everything else left to Pillow."""

import io
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image, PngImagePlugin

from finetune.images import ImageError, read_image, reading
from finetune.images.plain_png import SIGNATURE, decode_plain_png as decode_file

MOST = 16_000_000


def decode_plain_png(content, most):
    return decode_file(io.BytesIO(content), most)


def drawn(seed, height=23, width=31, channels=3):
    """Return pixels with smooth and noisy parts, so that an encoder chooses several filters."""
    generator = np.random.default_rng(seed)
    ramp = np.add.outer(np.arange(height) * 3, np.arange(width) * 2)[..., None] + np.arange(channels) * 40
    noise = generator.integers(0, 60, [height, width, channels])
    return ((ramp + noise * (ramp % 7 > 3)) % 256).astype(np.uint8)


def saved(pixels, **options):
    """Return the bytes of a PNG file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", **options)
    return file.getvalue()


def parts(content):
    """Return the chunks of a PNG file: names and data."""
    found, place = [], len(SIGNATURE)
    while place < len(content):
        length, name = struct.unpack_from(">I4s", content, place)
        found.append((name, content[place + 8 : place + 8 + length]))
        place += 12 + length
    return found


def joined(chunks):
    """Return a PNG file of chunks, with their right checksums."""
    return SIGNATURE + b"".join(
        struct.pack(">I4s", len(data), name) + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


def by_pillow(content):
    """Return what Pillow makes of a file: its pixels, or None if it refuses it."""
    try:
        return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    except Exception:
        return None


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 70),
    st.integers(1, 70),
    st.sampled_from([{}, {"compress_level": 0}, {"compress_level": 9}, {"optimize": True}, {"dpi": (72, 72)}]),
)
def test_plain_files_give_the_pixels_that_were_saved(seed, height, width, options):
    pixels = drawn(seed, height, width)
    found = decode_plain_png(saved(pixels, **options), MOST)
    assert found is not None
    np.testing.assert_array_equal(found, pixels)


@pytest.mark.parametrize("kind", range(5))
def test_each_filter_of_rows_is_undone(kind):
    """Filter rows by the formulas of the PNG specification, section 9."""
    pixels = drawn(kind)
    height, width = pixels.shape[:2]
    wide = np.zeros([height + 1, width + 1, 3], np.int64)  # a black column to the left, a black row above
    wide[1:, 1:] = pixels
    left, up, corner = wide[1:, :-1], wide[:-1, 1:], wide[:-1, :-1]
    away = [abs(left + up - corner - one) for one in (left, up, corner)]
    paeth = np.where((away[0] <= away[1]) & (away[0] <= away[2]), left, np.where(away[1] <= away[2], up, corner))
    guess = [np.zeros_like(left), left, up, (left + up) // 2, paeth][kind]
    rows = ((pixels - guess) % 256).astype(np.uint8).reshape(height, -1)
    data = zlib.compress(b"".join(bytes([kind]) + row.tobytes() for row in rows))
    content = joined(
        [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", data), (b"IEND", b"")]
    )
    np.testing.assert_array_equal(decode_plain_png(content, MOST), pixels)


def other_kinds():
    """Return files that are not plain, by what they are."""
    pixels, exif, text = drawn(1), Image.Exif(), PngImagePlugin.PngInfo()
    exif[0x0112] = 6
    text.add_itxt("XML:com.adobe.xmp", '<x tiff:Orientation="6"/>')
    whole = saved(pixels)
    return {
        "turned by EXIF": saved(pixels, exif=exif),
        "turned by XMP": saved(pixels, pnginfo=text),
        "transparent": saved(np.dstack([pixels, pixels[..., :1]])),
        "with a transparent color": saved(pixels, transparency=(1, 2, 3)),
        "grey": saved(pixels[..., 0]),
        "of 16 bits": saved(pixels[..., 0].astype(np.uint16) * 257),
        "with a palette": (lambda file: (Image.fromarray(pixels).quantize(9).save(file, "PNG"), file.getvalue())[1])(
            io.BytesIO()
        ),
        "cut": whole[:-30],
        "without its end": whole[:-12],
        "of a wrong checksum": whole[:60] + bytes([whole[60] ^ 1]) + whole[61:],
        "JPEG": (lambda file: (Image.fromarray(pixels).save(file, "JPEG"), file.getvalue())[1])(io.BytesIO()),
        "empty": b"",
        "only a signature": SIGNATURE,
    }


@pytest.mark.parametrize("kind", other_kinds())
def test_other_files_are_left_to_pillow(kind):
    assert decode_plain_png(other_kinds()[kind], MOST) is None


def test_a_turned_file_is_read_upright(tmp_path):
    path = tmp_path / "face.png"
    path.write_bytes(other_kinds()["turned by EXIF"])
    np.testing.assert_array_equal(read_image(path), np.rot90(drawn(1), -1))


def test_large_images_are_left_to_pillow_which_decodes_them_one_at_a_time(monkeypatch, tmp_path):
    content = saved(drawn(2, 20, 30))
    assert decode_plain_png(content, 600) is not None
    assert decode_plain_png(content, 599) is None
    path = tmp_path / "face.png"
    path.write_bytes(content)
    with pytest.raises(ImageError, match="30x20 pixels, more than 599 in all"):
        read_image(path, 599)


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_mutated_files_are_decoded_as_by_pillow_or_left_to_it(data):
    """Mutate the data of a chunk, its header's fields too, and give it the right checksum again."""
    chunks = parts(saved(drawn(data.draw(st.integers(0, 9)), 9, 11), compress_level=data.draw(st.integers(0, 9))))
    for _ in range(data.draw(st.integers(1, 3))):
        which = data.draw(st.integers(0, len(chunks) - 1))
        name, body = chunks[which]
        how = data.draw(st.sampled_from(["flip", "cut", "drop", "twice"]))
        if how == "flip" and body:
            place = data.draw(st.integers(0, len(body) - 1))
            body = body[:place] + bytes([body[place] ^ data.draw(st.integers(1, 255))]) + body[place + 1 :]
            chunks[which] = (name, body)
        elif how == "cut":
            chunks[which] = (name, body[: data.draw(st.integers(0, len(body)))])
        elif how == "drop" and len(chunks) > 1:
            del chunks[which]
        elif how == "twice":
            chunks.insert(which, chunks[which])
    content = joined(chunks)
    found = decode_plain_png(content, MOST)
    if found is not None:
        other = by_pillow(content)
        assert other is not None
        np.testing.assert_array_equal(found, other)


@pytest.mark.real
def test_crops_of_real_photos_are_decoded_here_and_no_pixel_differs(shared):
    photos = sorted((shared / "lfw").rglob("*.jpg"))[:1000:10]
    assert photos
    for photo in photos:
        crop = np.asarray(Image.open(photo).convert("RGB"))[30:212, 30:212]
        np.testing.assert_array_equal(decode_plain_png(saved(crop), MOST), crop)


@pytest.mark.parametrize("name", ["gAMA", "cHRM", "sRGB", "sBIT", "tIME", "pHYs"])
def test_chunks_that_change_no_pixel_do_not_matter(name):
    data = {
        "gAMA": struct.pack(">I", 45455),
        "cHRM": struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000),
        "sRGB": b"\0",
        "sBIT": b"\5\6\5",
        "tIME": struct.pack(">H5B", 2020, 1, 2, 3, 4, 5),
        "pHYs": struct.pack(">IIB", 2835, 2835, 1),
    }[name]
    first, *others = parts(saved(drawn(5)))
    content = joined([first, (name.encode(), data), *others])
    np.testing.assert_array_equal(decode_plain_png(content, MOST), drawn(5))
    np.testing.assert_array_equal(by_pillow(content), drawn(5))


@pytest.mark.parametrize("name", ["iCCP", "tEXt", "PLTE", "acTL", "zzZz"])
def test_other_chunks_are_left_to_pillow(name):
    first, *others = parts(saved(drawn(5)))
    assert decode_plain_png(joined([first, (name.encode(), bytes(12)), *others]), MOST) is None


def test_only_the_beginning_of_other_files_is_read():
    """Such a file may be of any size, and Pillow reads it in pieces."""

    class Counted(io.BytesIO):
        asked = 0

        def read(self, size=-1):
            assert size >= 0
            self.asked += size
            return super().read(size)

    for content in (other_kinds()["grey"], other_kinds()["transparent"], saved(drawn(6)).ljust(2_000_000, b"\0")):
        file = Counted(content)
        decode_file(file, MOST)
        assert file.asked < 2**20 + 4 * 23 * 31 + 100


def test_threads_decode_by_pillow(monkeypatch, tmp_path):
    """libspng would keep the other threads waiting."""
    path = tmp_path / "face.png"
    path.write_bytes(saved(drawn(7)))
    decoded = []
    monkeypatch.setattr(reading, "decode_plain_png", lambda *given: decoded.append(1) or decode_file(*given))
    with ThreadPoolExecutor(1) as pool:
        np.testing.assert_array_equal(pool.submit(read_image, path).result(), drawn(7))
    assert not decoded
    np.testing.assert_array_equal(read_image(path), drawn(7))
    assert decoded


def test_a_checksum_that_differs_is_told_before_anything_is_decoded(monkeypatch, tmp_path):
    path = tmp_path / "face.png"
    path.write_bytes(saved(drawn(3)))
    monkeypatch.setattr(reading, "decode_plain_png", lambda *_: pytest.fail("decoded"))
    with pytest.raises(ImageError, match="changed while it was used"):
        read_image(path, checksum=1)
