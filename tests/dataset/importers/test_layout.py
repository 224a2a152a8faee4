from __future__ import annotations

import pytest

from finetune.dataset.importers.layout import CASIA, VGGFACE2, read_layout
from finetune.dataset.importers.listing import import_photos
from finetune.errors import DataError


@pytest.fixture
def make(tmp_path):
    def files(*names):
        for name in names:
            path = tmp_path / "data" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)
        return tmp_path / "data"

    return files


@pytest.mark.parametrize("levels", [("",), ("train/",), ("train/", "test/")])
def test_vggface2s_people_are_found_below_train_and_test_or_not(levels, make, tmp_path, tree):
    names = [f"{level}n0000{i}{j}/000{k}_01.jpg" for i, level in enumerate(levels) for j in (1, 2) for k in (5, 7)]
    root = make(*names)
    made = import_photos(read_layout(root, VGGFACE2), tmp_path / "out")
    assert (made.people, made.images, made.left_out) == (2 * len(levels), 4 * len(levels), ())
    found = tree(tmp_path / "out")
    assert found["n000001/n000001_0001.jpg"].decode() == names[0]
    assert found["n000001/n000001_0002.jpg"].decode() == names[1]


def test_casias_people_are_found(make, tmp_path, tree):
    made = import_photos(
        read_layout(make("0000045/001.jpg", "0000045/015.jpg", "0000099/001.jpg"), CASIA), tmp_path / "out"
    )
    assert (made.people, made.images) == (2, 3)
    assert set(tree(tmp_path / "out")) - {".manifest.csv"} == {
        "0000045/0000045_0001.jpg",
        "0000045/0000045_0002.jpg",
        "0000099/0000099_0001.jpg",
    }


def test_what_is_not_of_the_layout_is_left_out_and_told(make):
    root = make(
        "n000001/0001_01.jpg", "n000001/0001_01.txt", "n000001/a.jpg", "ann/0001_01.jpg", "list.txt", ".DS_Store"
    )
    listing = read_layout(root, VGGFACE2)
    assert [photo.path.name for photo in listing.photos] == ["0001_01.jpg"]
    assert {entry.path.relative_to(root).as_posix(): entry.reason for entry in listing.left_out} == {
        "ann": "not named as its people are",
        "list.txt": "not named as its people are",
        "n000001/0001_01.txt": "not named as its photos are",
        "n000001/a.jpg": "not named as its photos are",
    }


def test_another_folder_says_what_to_give_and_what_it_holds(make):
    root = make("CASIA-WebFace/0000045/001.jpg")
    with pytest.raises(DataError) as raised:
        read_layout(root, CASIA)
    assert str(raised.value) == (
        f"{root}: no folder named as its people are; give the folder that holds CASIA-WebFace's people, as "
        "0000045/001.jpg; found the folders CASIA-WebFace"
    )


def test_the_folder_that_is_read_takes_no_output(make):
    root = make("0000045/001.jpg")
    with pytest.raises(DataError, match=f"{root}/out: lies in {root}, which stays as it is"):
        import_photos(read_layout(root, CASIA), root / "out")
    assert [path.name for path in root.iterdir()] == ["0000045"]
