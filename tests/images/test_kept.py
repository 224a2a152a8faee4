"""A file is read once, until it changes; what is kept is never trusted where it is damaged."""

from __future__ import annotations

import errno
import os
import shutil
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finetune import files
from finetune.images import ImageRecord, inspect_images, kept, measure_all
from finetune.images.kept import inspect_kept


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Record the files that are hashed, one by one."""
    from finetune.images import inspection

    paths: list[Path] = []
    hash_image = inspection.hash_image
    monkeypatch.setattr(inspection, "hash_image", lambda path: paths.append(path) or hash_image(path))
    return paths


@pytest.fixture
def faces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Write images of three people, and files with faults; changes of all of them count at once."""
    monkeypatch.setenv("FINETUNE_CACHE", str(tmp_path / "cache/features"))
    monkeypatch.setattr(files, "UNSETTLED", -(10**12))
    paths = [tmp_path / f"faces/person {number % 3}/{number}.png" for number in range(12)]
    for number, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20 + number, 30), (number, 0, 0)).save(path)
    paths[4].write_bytes(b"")
    paths[5].write_bytes(b"no image, in two forms: \xc3\xa9")
    paths[6].write_bytes(paths[7].read_bytes()[:60])
    shutil.copy(paths[8], paths[9])
    return sorted(paths)


def scan(paths: list[Path], *, recheck: bool = False) -> dict[Path, ImageRecord]:
    return dict(inspect_kept(paths, measure_all, recheck=recheck))


def stored(faces: list[Path]) -> Path:
    (found,) = (faces[0].parents[2] / "cache/images").glob("*.npz")
    return found


def test_a_second_scan_reads_no_file_and_finds_the_same(faces, read):
    first = scan(faces)
    assert sorted(read) == faces
    assert first == inspect_images(faces)
    assert {record.fault.kind for record in first.values() if record.fault} == {"empty", "not-image", "unreadable"}
    read.clear()
    assert scan(faces) == first
    assert list(scan(faces[::-1])) == faces[::-1]
    assert scan(faces[3:7]) == {path: first[path] for path in faces[3:7]}
    assert read == []


def test_only_what_is_new_or_changed_is_read(faces, read):
    scan(faces)
    read.clear()
    Image.new("RGB", (99, 99)).save(faces[0])
    times = faces[1].stat()
    faces[1].write_bytes(faces[1].read_bytes()[:-1] + b"!")  # as long as before, and with its time put back
    os.utime(faces[1], ns=(times.st_atime_ns, times.st_mtime_ns))
    os.replace(shutil.copy2(faces[2], faces[2].with_name("copy")), faces[2])
    new = Path(shutil.copy(faces[3], faces[3].with_name("new.png")))
    found = scan([*faces, new])
    assert sorted(read) == sorted([faces[0], faces[1], faces[2], new])
    assert found == inspect_images([*faces, new])


def test_a_link_to_another_image_is_read_again(faces, read):
    link = faces[0].with_name("link.png")
    link.symlink_to(faces[0])
    scan([*faces, link])
    link.unlink()
    link.symlink_to(faces[1])
    read.clear()
    assert scan([*faces, link])[link].digest == inspect_images([faces[1]])[faces[1]].digest
    assert link in read


def test_recheck_reads_all_files_again_and_keeps_what_it_finds(faces, read):
    first = scan(faces)
    archive = dict(np.load(stored(faces)))
    archive["rows"]["width"] = 7  # a lie that no time of change tells
    np.savez(stored(faces), **archive)
    assert scan(faces) != first
    read.clear()
    assert scan(faces, recheck=True) == first
    assert sorted(set(read)) == faces
    assert scan(faces) == first


def test_files_that_have_just_changed_are_read_again(faces, read, monkeypatch):
    monkeypatch.setattr(files, "UNSETTLED", 10**12)
    first = scan(faces)
    read.clear()
    assert scan(faces) == first
    assert sorted(read) == faces


@pytest.mark.parametrize("damage", ["cut", "byte", "empty", "other", "names", "fault", "folder"])
def test_damaged_records_are_made_again(faces, read, damage):
    first = scan(faces)
    path = stored(faces)
    content = path.read_bytes()
    archive = dict(np.load(path))
    if damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "byte":
        with zipfile.ZipFile(path) as members:
            start = members.getinfo("rows.npy").header_offset
        path.write_bytes(content[: start + 400] + bytes([content[start + 400] ^ 1]) + content[start + 401 :])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "other":
        np.savez(path, rows=np.array([object()]), names=archive["names"], reasons=archive["reasons"])
    elif damage == "names":
        np.savez(path, **archive | {"names": archive["names"][3:-20]})
    elif damage == "fault":
        archive["rows"]["fault"] = 1000
        np.savez(path, **archive)
    else:
        path.unlink()
        path.mkdir()
    read.clear()
    assert scan(faces) == first
    assert sorted(read) == faces
    if damage != "folder":
        read.clear()
        assert scan(faces) == first
        assert read == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_a_full_disk_is_no_failure(faces, monkeypatch, number):
    def refuse(*_arguments: object, **_options: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "replace", refuse)
    assert scan(faces) == inspect_images(faces)
    monkeypatch.undo()
    assert not list(Path(os.environ.get("FINETUNE_CACHE", "/nowhere")).glob("**/*.partial"))


def test_two_processes_that_scan_at_once_leave_whole_records(faces):
    expected = inspect_images(faces)
    found: list[dict[Path, ImageRecord]] = []
    threads = [threading.Thread(target=lambda: found.append(scan(faces, recheck=True))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 8
    assert scan(faces) == expected
    assert [path.suffix for path in stored(faces).parent.iterdir()] == [".npz"]


def test_who_holds_the_lock_is_not_waited_for(faces):
    scan(faces)
    with files.locked(stored(faces).with_suffix(".lock")):
        assert scan(faces, recheck=True) == inspect_images(faces)


def test_the_least_recently_used_records_make_room(faces, monkeypatch, tmp_path):
    scan(faces)
    first = stored(faces)
    os.utime(first, (0, 0))
    others = [Path(shutil.copy(path, tmp_path / f"{path.name}")) for path in faces]
    monkeypatch.setattr(kept, "MOST", int(1.5 * first.stat().st_size))
    scan(others)
    assert not first.exists()
    assert stored(faces).exists()


def test_records_take_about_a_hundred_bytes_per_image(faces):
    assert kept.COLUMNS.itemsize <= 80


def test_hashing_reads_each_file_once_and_leaves_the_sizes_to_an_inspection(faces, read):
    hashed = kept.hash_kept(faces)
    assert sorted(read) == faces
    assert [record.digest for record in hashed.values()] == [inspect_images([path])[path].digest for path in faces]
    read.clear()
    assert kept.hash_kept(faces) == hashed
    assert scan(faces) == scan(faces)
    assert read == []
    assert kept.hash_kept(faces) == scan(faces)  # the sizes stay
    assert read == []
    assert kept.hash_kept(faces, recheck=True).keys() == hashed.keys()
    assert sorted(read) == faces


def test_an_inspection_after_hashing_decodes_once(faces):
    kept.hash_kept(faces)
    decoded: list[int] = []
    for _ in range(2):
        inspect_kept(faces, lambda records: decoded.append(len(records)) or measure_all(records))
    assert sum(decoded) == decoded[0] > 0
