from __future__ import annotations

import resource
import shutil

import pytest

from finetune.dataset.importers.listing import Listed, Listing, import_photos
from finetune.dataset.scanning import layout
from finetune.errors import SHOWN, DataError, RunError


def listing(root, *named, **rest):
    photos = [Listed(root / name, identity, f"list:{line}") for line, (name, identity) in enumerate(named, 1)]
    return Listing(root.parent / "list", root, photos, **rest)


def problems(*arguments, **options):
    with pytest.raises(DataError) as raised:
        import_photos(*arguments, **options)
    return list(map(str, raised.value.problems))


NAMED = ("3.jpg", "bob"), ("1.jpg", "Ann Lee"), ("2.jpg", "bob")


@pytest.mark.parametrize("copy", [False, True])
def test_a_person_has_a_folder_numbered_in_the_order_of_the_list(copy, photos, tmp_path, tree, manifest):
    before = tree(photos)
    made = import_photos(listing(photos, *NAMED), tmp_path / "out", copy=copy)
    assert (made.people, made.images, made.left_out) == (2, 3, ())
    found = tree(tmp_path / "out")
    text = found.pop(".manifest.csv").decode()
    assert found == {"bob/bob_0001.jpg": b"3", "bob/bob_0002.jpg": b"2", "Ann Lee/Ann Lee_0001.jpg": b"1"}
    assert all((tmp_path / "out" / name).is_symlink() != copy for name in found)
    assert manifest(tmp_path / "out") == [
        ["image", "source", "name"],
        ["bob/bob_0001.jpg", f"{photos}/3.jpg", "bob"],
        ["Ann Lee/Ann Lee_0001.jpg", f"{photos}/1.jpg", "Ann Lee"],
        ["bob/bob_0002.jpg", f"{photos}/2.jpg", "bob"],
    ]
    assert text.count("\n") == 4
    assert tree(photos) == before
    assert {path.name for path in tmp_path.iterdir()} == {"photos", "out"}


def test_the_manifest_is_not_taken_for_a_person(photos, tmp_path):
    import_photos(listing(photos, *NAMED), tmp_path / "out")
    found = layout(tmp_path / "out")
    assert list(found.files) == ["Ann Lee", "bob"]
    assert found.misplaced == ()


def test_copies_stay_when_the_photos_go(photos, tmp_path):
    import_photos(listing(photos, *NAMED), tmp_path / "out", copy=True)
    shutil.rmtree(photos)
    assert (tmp_path / "out/bob/bob_0001.jpg").read_text() == "3"


def test_a_photo_named_twice_under_one_name_is_taken_once(photos, tmp_path):
    (photos / "link.jpg").symlink_to(photos / "3.jpg")
    made = import_photos(listing(photos, *NAMED, ("3.jpg", "bob"), ("link.jpg", "bob")), tmp_path / "out")
    assert made.images == 3
    assert [(entry.path.name, entry.reason) for entry in made.left_out] == [
        ("3.jpg", "named twice, under one name"),
        ("link.jpg", "named twice, under one name"),
    ]


def test_everything_that_is_wrong_is_told_at_once(photos, tmp_path, tree):
    (photos / "folder.jpg").mkdir()
    (photos / "notes.txt").touch()
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine").write_text("keep")
    named = (*NAMED, ("3.jpg", "cid"), ("7.jpg", "bob"), ("folder.jpg", "bob"), ("notes.txt", "bob"), ("4.jpg", "BOB"))
    found = problems(listing(photos, *named, problems=["list:9: malformed"]), tmp_path / "out")
    assert found == [
        f"{tmp_path}/out: already there and not an empty folder; give another, or remove it",
        "list:9: malformed",
        f"{tmp_path}/list: 'bob' and 'BOB' would share a folder, or do on file systems without case; "
        "rename one, or give both one name",
        f"list:4: {photos}/3.jpg: is 'bob' in list:1 and 'cid' here; keep one of them",
        f"list:5: {photos}/7.jpg: No such file or directory; add it, or take it out",
        f"list:6: {photos}/folder.jpg: not a file; name a photo",
        f"list:7: {photos}/notes.txt: not named as an image (.avif, .bmp, .gif, .heic, .heif, .j2k, .jp2, .jpeg, "
        ".jpg, .pgm, .png, .ppm, .tif, .tiff, .webp); take it out",
    ]
    assert tree(tmp_path / "out") == {"mine": b"keep"}


def test_many_lines_are_counted(photos, tmp_path):
    found = problems(listing(photos, *((f"x{i}.jpg", "ann") for i in range(50)), ("1.jpg", "ann")), tmp_path / "out")
    assert len(found) == SHOWN + 1
    assert found[-1] == f"{tmp_path}/list: 30 more lines like these; is it the right one, for these photos?"


def test_no_photo_at_all_is_one_line_with_what_to_give(photos, tmp_path):
    found = problems(listing(photos, ("a.jpg", "ann"), ("b.jpg", "ann")), tmp_path / "out")
    assert found == [
        f"{photos}: has none of the 2 photos that {tmp_path}/list names, such as {photos}/a.jpg; "
        "give the folder that holds them"
    ]


def test_an_empty_list_names_no_photo(photos, tmp_path):
    assert problems(listing(photos), tmp_path / "out") == [f"{tmp_path}/list: names no photo; is it the right one?"]


def test_a_full_disk_leaves_nothing_half_made(photos, tmp_path):
    (photos / "2.jpg").write_bytes(b"2" * 100_000)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))  # no file can grow beyond: the disk is full
    try:
        with pytest.raises(RunError, match=r"out: can't be written \(File too large\); nothing was left there"):
            import_photos(listing(photos, *NAMED), tmp_path / "out", copy=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]
