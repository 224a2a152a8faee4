"""The scan of a folder of which nobody says who is in its images."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from finetune.dataset import scan_unlabelled
from finetune.errors import DataError


def write(path, side=20):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((side, side, 3), 90, np.uint8)).save(path)


def test_images_are_found_wherever_they_lie(tmp_path):
    for name in ("b.png", "a.png", "more/deep/c.png", ".hidden/d.png"):
        write(tmp_path / name)
    found = scan_unlabelled(tmp_path)
    names = [path.relative_to(tmp_path).as_posix() for path in found.dataset.paths]
    assert names == ["a.png", "b.png", "more/deep/c.png"]
    assert found.dataset.class_names == ()
    assert found.dataset.labels.tolist() == [0, 0, 0]
    assert set(found.records) == set(found.dataset.paths)


def test_what_can_not_be_used_is_named_with_its_reason(tmp_path):
    write(tmp_path / "good.png")
    write(tmp_path / "small.png", side=9)
    (tmp_path / "notes.txt").write_text("no image")
    write(tmp_path / "odd\nname.png")
    found = scan_unlabelled(tmp_path, crop=10)
    assert [path.name for path in found.dataset.paths] == ["good.png"]
    reasons = {entry.path.name: entry.reason for entry in found.quarantined}
    assert set(reasons) == {"small.png", "notes.txt", "odd\nname.png"}
    assert "not an image" in reasons["notes.txt"]
    assert "can't be printed" in reasons["odd\nname.png"]
    assert all("\n" not in str(entry) for entry in found.quarantined)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ([], "no files in it"),
        (["notes.txt"], "no usable image in it; the first of 1 not used is"),
        (None, "no such file or folder"),
    ],
)
def test_a_folder_without_images_is_refused(tmp_path, made, said):
    folder = tmp_path / "faces"
    if made is not None:
        folder.mkdir()
        for name in made:
            (folder / name).write_text("x")
    with pytest.raises(DataError, match=said) as raised:
        scan_unlabelled(folder)
    assert len(raised.value.problems) == 1
