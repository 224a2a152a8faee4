from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from finetune.dataset.importers.people import MANIFEST


@pytest.fixture
def tree() -> Callable[[Path], dict[str, bytes]]:
    """Return a function that reads the files of a folder, links followed, with their bytes."""

    def read(root: Path) -> dict[str, bytes]:
        return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}

    return read


@pytest.fixture
def manifest() -> Callable[[Path], list[list[str]]]:
    """Return a function that reads the rows of a folder's manifest."""

    def read(root: Path) -> list[list[str]]:
        with (root / MANIFEST).open(newline="", encoding="utf-8") as file:
            return list(csv.reader(file))

    return read


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Make a folder of six files named `1.jpg` to `6.jpg`, each with its own number in it."""
    root = tmp_path / "photos"
    root.mkdir()
    for number in range(1, 7):
        (root / f"{number}.jpg").write_text(str(number))
    return root
