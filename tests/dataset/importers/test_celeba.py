from __future__ import annotations

import pytest

from finetune.dataset.importers.celeba import read_celeba
from finetune.dataset.importers.listing import import_photos
from finetune.errors import DataError


def test_each_line_names_a_photo_and_whose_it_is(photos, tmp_path, tree):
    (tmp_path / "identity.txt").write_text("1.jpg 2880\n2.jpg 2937\r\n\n3.jpg  2880 \n")
    listing = read_celeba(photos, tmp_path / "identity.txt")
    assert [entry.path.name for entry in listing.left_out] == ["4.jpg", "5.jpg", "6.jpg"]
    assert listing.left_out[0].reason == f"not in {tmp_path}/identity.txt"
    import_photos(listing, tmp_path / "out")
    found = tree(tmp_path / "out")
    del found[".manifest.csv"]
    assert found == {"2880/2880_0001.jpg": b"1", "2880/2880_0002.jpg": b"3", "2937/2937_0001.jpg": b"2"}


def test_malformed_lines_are_told_with_those_that_name_nothing(photos, tmp_path):
    (tmp_path / "identity.txt").write_text("202599\n1.jpg 1\n2.jpg 95 71 226\n9.jpg 4\n")
    with pytest.raises(DataError) as raised:
        import_photos(read_celeba(photos, tmp_path / "identity.txt"), tmp_path / "out")
    where = tmp_path / "identity.txt"
    assert tuple(map(str, raised.value.problems)) == (
        f"{where}:1: found '202599'; write PHOTO IDENTITY",
        f"{where}:3: found '2.jpg 95 71 226'; write PHOTO IDENTITY",
        f"{where}:4: {photos}/9.jpg: No such file or directory; add it, or take it out",
    )


def test_a_missing_folder_and_a_missing_file_are_told_together(tmp_path):
    with pytest.raises(DataError) as raised:
        read_celeba(tmp_path / "images", tmp_path / "identity.txt")
    assert tuple(map(str, raised.value.problems)) == (
        f"{tmp_path}/identity.txt: can't be read (No such file or directory); "
        "give an identity file such as CelebA's identity_CelebA.txt",
        f"{tmp_path}/images: no such file or folder; give the folder that holds CelebA's photos",
    )
