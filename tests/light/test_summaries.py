"""A checkpoint's summary is used until any file of its folder changes, and never where it is damaged."""

from __future__ import annotations

import errno
import os
import shutil
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.tf

from finetune import files  # noqa: E402
from finetune.backbones import BACKBONES, variable_shapes  # noqa: E402
from finetune.checkpoint import account, write  # noqa: E402
from finetune.images import AS_EXPECTED, Choice  # noqa: E402
from finetune.light import summaries  # noqa: E402
from finetune.light.summaries import Summarized, Summary  # noqa: E402

PREFIX = "model-small.ckpt-7"
INDEX, DATA = f"{PREFIX}.index", f"{PREFIX}.data-00000-of-00001"


def write_checkpoint(folder: Path, seed: int = 0, step: int = 7, classes: int = 3) -> Path:
    """Write a checkpoint of the small network with random weights, and return its folder."""
    generator = np.random.default_rng(seed)
    shapes = variable_shapes(BACKBONES["small_cnn"], 16, classes, (64, 64, 3))
    tensors = {name: generator.uniform(0.5, 1, shape).astype(np.float32) for name, shape in shapes.items()}
    beside = {
        "class_names.txt": "Ann\nBob\nCid\n",
        "preprocessing.json": '{"image_size": 64, "standardization": "fixed"}',
    }
    write(folder, "small", step, tensors, beside)
    return folder


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a checkpoint whose files count as old."""
    monkeypatch.setattr(files, "UNSETTLED", -(10**12))
    return write_checkpoint(tmp_path / "checkpoint")


@pytest.fixture
def kept_in(cache_of_one_test: Path) -> Path:
    """Return the folder of the kept summaries."""
    return cache_of_one_test.parent / "checkpoints"


def find(path: str | Path, choice: Choice = AS_EXPECTED) -> Summary | None:
    return Summarized(path, choice, "variables").find()


def keep(path: str | Path, choice: Choice = AS_EXPECTED) -> Summary:
    """Restore as a user does, and return the summary of what was read."""
    place = Summarized(path, choice, "variables")
    found = account(path, choice=choice, values="unread")
    place.keep(found)
    return Summary.of(found)


def test_it_is_that_of_what_was_read(folder: Path, kept_in: Path):
    assert find(folder) is None
    kept = keep(folder)
    assert find(folder) == kept
    assert (kept.prefix, kept.backbone.name, kept.num_classes, kept.embedding_size) == (
        folder / PREFIX,
        "small_cnn",
        3,
        16,
    )
    assert (kept.class_names, kept.preprocessing.source) == (("Ann", "Bob", "Cid"), "preprocessing.json")
    assert kept.digests == tuple(sorted(files.sha256(folder / name) for name in (INDEX, DATA)))
    (file,) = kept_in.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert kept_in.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("given", [INDEX, DATA, PREFIX, "model-small", "checkpoint", "", "../checkpoint"])
def test_every_way_to_name_a_checkpoint_has_its_own(folder: Path, given: str):
    path = f"{folder}/{given}"
    kept = keep(path)
    assert find(path) == kept
    assert find(folder / "elsewhere") is None
    assert str(kept.prefix) == str(account(path, values="unread").name)


def test_a_relative_path_stays_relative_and_is_of_one_folder(folder: Path, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    keep("checkpoint")
    assert str(find("checkpoint").prefix) == f"checkpoint/{PREFIX}"
    other = write_checkpoint(tmp_path / "other/checkpoint", seed=1)
    monkeypatch.chdir(other.parent)
    assert find("checkpoint") is None


def test_each_choice_and_each_version_has_its_own(folder: Path, monkeypatch):
    keep(folder)
    assert find(folder, Choice(standardization="per_image")) is None
    assert keep(folder, Choice(standardization="per_image")) == find(folder, Choice(standardization="per_image"))
    assert Summarized(folder, AS_EXPECTED, "averages").find() is None
    monkeypatch.setattr(summaries, "__version__", "0.0.0")
    assert find(folder) is None


def with_old_times(path: Path, change: Callable[[Path], object]) -> None:
    """Change a file and put its size and its time of change back."""
    before = path.stat()
    change(path)
    assert path.stat().st_size == before.st_size
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def flip(path: Path) -> None:
    """Change the last byte of a file in its place."""
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last[0] ^ 1]))


def swap(folder: Path) -> None:
    """Swap the values with those of another checkpoint of the same size, and put the times back."""
    other = write_checkpoint(folder.parent / "other", seed=1) / DATA
    before, theirs = (folder / DATA).stat(), other.stat()
    assert theirs.st_size == before.st_size
    (folder / DATA).rename(folder.parent / "aside")
    other.rename(folder / DATA)
    os.utime(folder / DATA, ns=(before.st_atime_ns, before.st_mtime_ns))


def exchange(folder: Path) -> None:
    """Exchange the names of two files, which leaves their times of change as they are."""
    for old, new in ((INDEX, "x"), (DATA, INDEX), ("x", DATA)):
        (folder / old).rename(folder / new)


def copy_in_place(folder: Path) -> None:
    """Replace a file by a copy with its bytes and its times."""
    shutil.copy2(folder / DATA, folder.parent / "copy")
    (folder.parent / "copy").replace(folder / DATA)


CHANGES: dict[str, Callable[[Path], object]] = {
    "a byte of the values": lambda folder: with_old_times(folder / DATA, flip),
    "a byte of the index": lambda folder: with_old_times(folder / INDEX, flip),
    "a letter of a name": lambda folder: with_old_times(
        folder / "class_names.txt", lambda path: path.write_text("Ann\nBob\nDan\n")
    ),
    "a letter of the preprocessing": lambda folder: with_old_times(folder / "preprocessing.json", flip),
    "another checkpoint's values": swap,
    "two names exchanged": exchange,
    "a copy": copy_in_place,
    "touched values": lambda folder: (folder / DATA).touch(),
    "a later step": lambda folder: write_checkpoint(folder, step=8),
    "a description of a network": lambda folder: (folder / "network.json").write_text("{}"),
    "another format": lambda folder: (folder / "saved_model.pb").write_bytes(b""),
    "another state": lambda folder: (folder / "checkpoint").write_text(f'model_checkpoint_path: "{PREFIX}"\n'),
    "no state": lambda folder: (folder / "checkpoint").unlink(),
    "no class names": lambda folder: (folder / "class_names.txt").unlink(),
    "no preprocessing": lambda folder: (folder / "preprocessing.json").unlink(),
    "a cut file": lambda folder: os.truncate(folder / DATA, 100),
    "no values": lambda folder: (folder / DATA).unlink(),
    "no folder": lambda folder: shutil.rmtree(folder),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("given", ["", PREFIX])
def test_any_change_of_a_file_is_noticed(folder: Path, change: Callable[[Path], object], given: str):
    keep(folder / given)
    assert find(folder / given) is not None
    change(folder)
    assert find(folder / given) is None


def test_a_change_behind_a_link_is_noticed(folder: Path, tmp_path: Path):
    linked, values = tmp_path / "linked", tmp_path / "linked values"
    (folder / DATA).rename(values)
    (folder / DATA).symlink_to(values)
    linked.symlink_to(folder)
    keep(linked)
    assert find(linked) is not None
    with_old_times(values, flip)
    assert find(linked) is None
    keep(linked)
    linked.unlink()
    linked.symlink_to(write_checkpoint(tmp_path / "another", seed=1))
    assert find(linked) is None


def test_files_that_changed_shortly_before_are_read_again(folder: Path, monkeypatch, kept_in: Path):
    monkeypatch.setattr(files, "UNSETTLED", 2 * 10**9)
    keep(folder)
    assert not kept_in.exists()
    monkeypatch.setattr(summaries.time, "time_ns", lambda: (folder / "checkpoint").stat().st_ctime_ns + 3 * 10**9)
    keep(folder)
    assert find(folder) is not None


def test_a_change_while_it_is_read_is_noticed(folder: Path):
    place = Summarized(folder, AS_EXPECTED, "variables")
    found = account(folder, values="unread")
    with_old_times(folder / DATA, flip)
    place.keep(found)
    assert find(folder) is None


def test_only_what_one_folder_tells_is_kept(folder: Path, tmp_path: Path, kept_in: Path, monkeypatch):
    deeper = tmp_path / "above/deeper"
    shutil.copytree(folder, deeper)
    keep(deeper.parent)
    state = tmp_path / "state"
    state.mkdir()
    (state / "checkpoint").write_text(f'model_checkpoint_path: "{folder / PREFIX}"\n')
    keep(state)
    saved = tmp_path / "saved"
    shutil.copytree(folder, saved / "variables")
    for name, new in ((INDEX, "variables.index"), (DATA, "variables.data-00000-of-00001")):
        (saved / "variables" / name).rename(saved / "variables" / new)
    (saved / "saved_model.pb").write_bytes(b"")
    keep(saved)
    with zipfile.ZipFile(tmp_path / "small.zip", "w") as archive:
        for file in folder.iterdir():
            archive.write(file, file.name)
    keep(tmp_path / "small.zip")
    monkeypatch.setattr(summaries, "MOST_FILES", len(list(folder.iterdir())) - 1)
    keep(folder)
    assert not kept_in.exists()


def damaged(content: bytes, how: str) -> bytes:
    digest, _, text = content.partition(b"\n")
    if how == "another name":
        return digest + b"\n" + text.replace(b"Ann", b"Eve")
    if how == "another form":
        return summaries._digest(b"[1]") + b"\n[1]"
    if how == "another network":
        text = text.replace(b"small_cnn", b"small_cnm")
        return summaries._digest(text) + b"\n" + text
    if how == "no JSON":
        return summaries._digest(b"\xff") + b"\n\xff"
    return {"nothing": b"", "cut": content[:-10], "cut digest": content[:10], "zeros": bytes(len(content))}[how]


@pytest.mark.parametrize(
    "how", ["another name", "another form", "another network", "no JSON", "nothing", "cut", "cut digest", "zeros"]
)
def test_a_damaged_summary_is_ignored_and_written_again(folder: Path, kept_in: Path, how: str):
    keep(folder)
    (file,) = kept_in.iterdir()
    file.write_bytes(damaged(file.read_bytes(), how))
    assert find(folder) is None
    assert keep(folder) == find(folder)


def test_no_byte_of_a_summary_can_change_unnoticed(folder: Path, kept_in: Path):
    kept = keep(folder)
    (file,) = kept_in.iterdir()
    content = file.read_bytes()
    for place in range(0, len(content), 7):
        file.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        assert find(folder) is None, place
    file.write_bytes(content)
    assert find(folder) == kept


@pytest.mark.parametrize("number", [errno.EROFS, errno.ENOSPC])
def test_a_cache_that_cannot_be_written_is_no_error(folder: Path, kept_in: Path, monkeypatch, number: int):
    def refused(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", refused)
        keep(folder)
        assert find(folder) is None
        assert not list(kept_in.iterdir())
    kept = keep(folder)
    monkeypatch.setattr(os, "utime", refused)
    monkeypatch.setattr(Path, "mkdir", refused)
    assert find(folder) == kept
    keep(folder)


def test_a_cache_in_the_place_of_a_file_is_no_error(folder: Path, tmp_path: Path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("FINETUNE_CACHE", str(tmp_path / "file/features"))
    keep(folder)
    assert find(folder) is None


def test_many_at_once_find_a_whole_summary_or_none(folder: Path):
    read, found = account(folder, values="unread"), []
    expected = Summary.of(read)

    def restore() -> None:
        for _ in range(10):
            place = Summarized(folder, AS_EXPECTED, "variables")
            found.append(place.find())
            place.keep(read)

    threads = [threading.Thread(target=restore) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 80
    assert all(one in (None, expected) for one in found)
    assert find(folder) == expected


def test_only_the_latest_ones_are_kept(folder: Path, kept_in: Path, monkeypatch):
    monkeypatch.setattr(summaries, "MOST", 2)
    given = ["", INDEX, DATA]
    for age, name in enumerate(given):
        keep(folder / name)
        for file in kept_in.iterdir():
            os.utime(file, ns=(0, file.stat().st_mtime_ns - 10**9 * (3 - age)))
    assert [find(folder / name) is not None for name in given] == [False, True, True]
