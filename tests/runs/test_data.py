"""A training folder of photos is aligned once, into the cache."""

from __future__ import annotations

import pytest
from PIL import Image

from finetune.images.drawn_people import write_faces
from finetune.images.reading import read_image

pytestmark = pytest.mark.tf


def test_photos_are_aligned_once_into_the_cache_and_what_has_no_face_is_left_out(make, cache, tmp_path):
    photos = tmp_path / "photos"
    write_faces(photos, people=[1, 4, 6], images_per_person=4, size=130, seed=3)
    Image.new("RGB", (130, 130), "tan").save(photos / "person_001/wall.png")
    inputs = make(data={"train": photos, "align": True}).inputs
    crops = inputs.scan.dataset.paths
    assert {path.parent.parent.parent for path in crops} == {cache.with_name("aligned")}
    assert [str(entry) for entry in inputs.scan.quarantined if entry.path.name == "wall.png"] == [
        f"{photos}/person_001/wall.png: no face found"
    ]
    assert len(crops) + len(inputs.scan.quarantined) == 13
    assert all(read_image(path).shape == (75, 75, 3) for path in crops)
    before = {path: path.stat().st_mtime_ns for path in crops}

    gone = crops[0]
    (photos / gone.relative_to(inputs.scan.dataset.root)).unlink()
    again = make(data={"train": photos, "align": True}, output=tmp_path / "again").inputs
    assert again.scan.dataset.paths == crops[1:]
    assert not gone.exists()
    assert set(before) - set(again.scan.dataset.paths) == {gone}
