"""`finetune cache` lists what is kept, and removes nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from finetune.cli import main
from finetune.paths import CACHES

EMPTY = {"aligned", "archives", "checkpoints", "graphs", "images", "pairs"}
ENTRY = "0123456789abcdef" * 2


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Fill a cache with two entries of features (3 MiB) and one classifier, beside a user's file and a link."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("FINETUNE_CACHE", str(folder / "features"))
    for name, size in (("features/" + ENTRY, 1), ("features/" + ENTRY[::-1], 2)):
        (folder / name / "deeper").mkdir(parents=True)
        (folder / name / "deeper" / "x.rows").write_bytes(bytes(size << 20))
    (folder / "classifiers").mkdir()
    (folder / "classifiers" / f"{ENTRY}.npz").write_bytes(bytes(1 << 19))
    (folder / "features" / "mine.txt").write_text("mine")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "theirs.txt").write_text("theirs")
    (folder / "features" / ("f" * 32)).symlink_to(tmp_path / "elsewhere")
    return folder


def lines(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    assert main(["cache", *arguments]) == 0
    return capsys.readouterr().out.splitlines()


def test_entries_and_sizes_are_told(kept: Path, capsys):
    assert lines(capsys) == [
        f"{kept}/aligned: 0 entries, 0.0 MiB",
        f"{kept}/archives: 0 entries, 0.0 MiB",
        f"{kept}/checkpoints: 0 entries, 0.0 MiB",
        f"{kept}/classifiers: 1 entry, 0.5 MiB",
        f"{kept}/features: 2 entries, 3.0 MiB",
        f"{kept}/graphs: 0 entries, 0.0 MiB",
        f"{kept}/images: 0 entries, 0.0 MiB",
        f"{kept}/pairs: 0 entries, 0.0 MiB",
    ]


@pytest.mark.parametrize("names", [[], ["features"], ["features", "classifiers"], ["aligned"]])
def test_what_is_named_is_removed_and_nothing_else(kept: Path, capsys, names: list[str]):
    told = lines(capsys, "--clear", *names)
    gone = set(names or CACHES) - EMPTY
    assert [name for name, line in zip(CACHES, told, strict=True) if line.endswith(", removed")] == sorted(gone)
    left = {path.name for path in kept.glob("*/*")}
    others = {"mine.txt", "f" * 32}
    assert left == others | ({ENTRY, ENTRY[::-1]} if "features" not in gone else set()) | (
        {f"{ENTRY}.npz"} if "classifiers" not in gone else set()
    )
    assert os.listdir(kept.parent / "elsewhere") == ["theirs.txt"]
    assert [line.split(": ")[1] for line in lines(capsys)] == [
        "0 entries, 0.0 MiB" if name in gone | EMPTY else line.split(": ")[1]
        for name, line in zip(CACHES, told, strict=True)
    ]


def test_a_cache_that_is_not_there_is_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setenv("FINETUNE_CACHE", str(tmp_path / "nowhere" / "features"))
    assert all(line.endswith(": 0 entries, 0.0 MiB") for line in lines(capsys, "--clear"))
    assert not (tmp_path / "nowhere").exists()


def test_another_name_is_one_line(kept: Path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["cache", "--clear", "photos"])
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "'photos'" in line
    assert all(name in line for name in CACHES)
    assert len(list(kept.glob("*/*"))) == 5
