"""Each file has one record, known by its bytes and measured once per content, or a reason why it can't be used."""

from __future__ import annotations

import hashlib
import os
import shutil
import zlib
from pathlib import Path

import pytest
from PIL import Image

from finetune.images import inspection
from finetune.images.inspection import Fault, Size, hash_image, inspect_images, sizes_of


def image(path: Path, size: tuple[int, int] = (40, 30), colour: str = "tan", **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path, **options)
    return path


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Record the files that are decoded, one by one."""
    paths: list[Path] = []
    read = inspection.read_image

    def counting(path: Path, **options: int):
        paths.append(path)
        return read(path, **options)

    monkeypatch.setattr(inspection, "read_image", counting)
    return paths


def test_a_record_has_digest_checksum_and_size(tmp_path):
    path = image(tmp_path / "face.png")
    (record,) = inspect_images([path]).values()
    content = path.read_bytes()
    assert (record.path, record.digest) == (path, hashlib.sha256(content).digest())
    assert (record.checksum, record.size, record.fault) == (zlib.crc32(content), Size(40, 30), None)
    assert hash_image(path).digest == record.digest
    assert hash_image(path).size is None


def test_a_size_is_that_of_the_upright_image(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    path = image(tmp_path / "face.jpg", exif=exif)
    assert inspect_images([path])[path].size == (30, 40)


def test_many_files_are_answered_in_order_and_each_content_is_decoded_once(tmp_path, decoded):
    paths = [tmp_path / f"{i}.png" for i in range(200)]
    for number, path in enumerate(paths[::3]):
        image(path, (20 + number, 20))
    copies = [Path(shutil.copy(path, path.with_suffix(".copy"))) for path in paths[:9:3]]
    records = inspect_images([*paths, *copies])
    assert list(records) == [*paths, *copies]
    assert [record.size is not None for record in records.values()] == [i % 3 == 0 for i in range(200)] + [True] * 3
    assert [records[copy].size for copy in copies] == [(20, 20), (21, 20), (22, 20)]
    assert len(decoded) == len(paths[::3])


def test_what_can_not_be_used_has_a_kind_and_a_reason(tmp_path):
    whole = image(tmp_path / "whole.jpg", (300, 300)).read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.png").touch()
    (tmp_path / "words.png").write_text("words")
    (tmp_path / "link.png").symlink_to(tmp_path / "nowhere.png")
    os.mkfifo(tmp_path / "pipe.png")
    names = ["cut.jpg", "empty.png", "words.png", "link.png", "pipe.png", "gone.png"]
    faults = [record.fault for record in inspect_images([tmp_path / name for name in names]).values()]
    assert faults[1:] == [
        Fault("empty", "an empty file"),
        Fault("not-image", "not an image (BMP, GIF, JPEG, PNG, PPM, TIFF or WEBP)"),
        Fault("unreadable", "no such file: a link to nowhere"),
        Fault("unreadable", "not a file"),
        Fault("unreadable", "no such file"),
    ]
    assert faults[0].kind == "unreadable"
    assert faults[0].reason.startswith("can't be read (")


def test_an_image_is_unusable_where_it_has_a_fault_or_is_smaller_than_the_crop(tmp_path):
    path, bad = image(tmp_path / "face.png"), tmp_path / "gone.png"
    records = inspect_images([path, bad])
    assert [records[path].unusable(crop) for crop in (None, 30, 31)] == [
        None,
        None,
        "40x30 pixels, smaller than the crop of 31",
    ]
    assert records[bad].unusable() == records[bad].unusable(30) == "no such file"
    assert sizes_of(records, [path, bad]) == {path: (40, 30)}


def test_a_file_that_is_known_is_not_hashed_again(tmp_path, monkeypatch):
    first, second = image(tmp_path / "a.png"), image(tmp_path / "b.png", colour="red")
    known = inspect_images([first])
    hashed: list[Path] = []
    hash_one = inspection.hash_image
    monkeypatch.setattr(inspection, "hash_image", lambda path: hashed.append(path) or hash_one(path))
    assert inspect_images([second, first], known=known)[first] == known[first]
    assert hashed == [second]


def test_an_image_that_changes_between_its_digest_and_its_decoding_has_a_fault(tmp_path, monkeypatch):
    path = image(tmp_path / "face.png")
    hash_one = inspection.hash_image

    def changing(of: Path):
        record = hash_one(of)
        image(of, colour="blue")
        return record

    monkeypatch.setattr(inspection, "hash_image", changing)
    assert inspect_images([path])[path].fault == Fault("unreadable", "changed while it was used")
