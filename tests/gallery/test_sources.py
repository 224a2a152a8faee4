"""The state of the files that photos were enrolled from."""

from __future__ import annotations

import hashlib

import numpy as np

from finetune.gallery.gallery import Gallery
from finetune.gallery.photos import Photos, Source
from finetune.gallery.sources import on_disk
from tests.gallery.conftest import CONTRACT, vectors


def enrolled(paths) -> Gallery:
    digests = [hashlib.sha256(path.read_bytes()).digest() for path in paths]
    sources = [Source.of(path, digest) for path, digest in zip(paths, digests, strict=True)]
    photos = Photos.of(vectors([0] * len(paths)), digests, [path.name for path in paths], sources)
    return Gallery.empty(CONTRACT, 16).add(["ann"] * len(paths), photos)


def files_in(folder, count=4):
    paths = [folder / f"{number}.png" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_bytes(bytes([number]))
    return paths


def test_files_are_there_gone_or_changed(tmp_path):
    paths = files_in(tmp_path)
    found = enrolled(paths)
    assert on_disk(found) == ["there"] * 4
    paths[1].unlink()
    paths[2].write_bytes(b"another photo")
    paths[3].unlink()
    paths[3].mkdir()
    assert on_disk(found) == ["there", "gone", "changed", "gone"]
    paths[0].touch()  # another time, the same content
    assert on_disk(found)[0] == "there"


def test_of_photos_that_came_without_a_file_nothing_is_known():
    photos = Photos.of(vectors([0]), [bytes(32)], ["all_features.pkl[0]"])
    assert on_disk(Gallery.empty(CONTRACT, 16).add(["ann"], photos)) == ["unknown"]


def test_a_path_that_is_no_text_is_not_kept(tmp_path):
    assert Source.of(tmp_path / "\udcff.png", bytes(32)).path == b""
    assert Source.of(tmp_path / ("x" * 1024), bytes(32)).path == b""


def test_photos_that_are_found_again_elsewhere_are_looked_for_there(tmp_path):
    paths = files_in(tmp_path)
    found = enrolled(paths)
    for path in paths[:2]:
        path.rename(path.with_name(f"new {path.name}"))
    digests = found.photos.hashes()
    places = {
        digest: Source.of(path.with_name(f"new {path.name}"), digest)
        for path, digest in zip(paths, digests, strict=True)
    }
    again = found.found_at(places)
    assert on_disk(again) == ["there"] * 4
    assert again.photos.paths[2] == found.photos.paths[2]  # it was where it was
    assert again.found_at(places) is again
    np.testing.assert_array_equal(again.embeddings, found.embeddings)
