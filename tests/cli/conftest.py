"""What the tests of the commands share: a working folder, and commands run in it as a shell would."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

RECIPE = """\
checkpoint: model
output: out
data: {train: faces/learn, validation_split: 0.2}
lfw: {dir: faces/strangers, pairs: faces/pairs.txt}
batch_size: 12
stages:
  - name: head
    train_from: Logits
    epochs: 1
  - name: last block
    train_from: Block8
    epochs: 1
"""


class Ended(NamedTuple):
    """A command that has ended: its exit status and what it wrote, in lines."""

    status: int
    out: list[str]
    err: list[str]


@pytest.fixture
def work(faces: Path, drawn_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with links to `faces` and to the checkpoint `model`, and `recipe.yaml` for them."""
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "faces").symlink_to(faces)
    (folder / "model").symlink_to(drawn_checkpoint)
    (folder / "recipe.yaml").write_text(RECIPE)
    monkeypatch.chdir(folder)
    monkeypatch.delenv("FINETUNE_DEBUG", raising=False)
    return folder


@pytest.fixture
def finetune(work: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Runs `finetune` with these arguments in the working folder, in this process."""
    from finetune.cli import main

    def run(*arguments: str) -> Ended:
        capfd.readouterr()
        try:
            status = main(arguments)
        except SystemExit as ended:  # argparse's way
            status = ended.code if isinstance(ended.code, int) else 1
        out, err = capfd.readouterr()
        return Ended(status, out.splitlines(), err.splitlines())

    return run


@pytest.fixture
def tree() -> Callable[[Path], dict[str, object]]:
    """What lies in a folder, links followed: each file's bytes; of large ones, size and time."""

    def read(folder: Path) -> dict[str, object]:
        found: dict[str, object] = {}
        for where, folders, files in os.walk(folder, followlinks=True):
            found |= dict.fromkeys((os.path.join(where, name) for name in folders), "folder")
            for path in (Path(where, name) for name in files):
                status = path.stat()
                small = status.st_size < 1 << 20
                found[str(path)] = path.read_bytes() if small else (status.st_size, status.st_mtime_ns)
        return found

    return read
