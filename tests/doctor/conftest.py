"""Fixtures of the doctor's tests: pictures that are unlike each other, and snapshots of folders."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def picture(seed: int, size: int = 96) -> Image.Image:
    """Draw smooth random colours with detail down to an eighth of the side. No two seeds look alike."""
    draw = np.random.default_rng(seed)
    layers = [
        np.asarray(
            Image.fromarray(draw.integers(0, 256, [n, n, 3], np.uint8)).resize((size, size), Image.BICUBIC), float
        )
        for n in (3, 8)
    ]
    return Image.fromarray((sum(layers) / 2).astype(np.uint8))


@pytest.fixture
def save() -> Callable[..., Path]:
    """Return a function that saves the picture of a seed and makes its folder."""

    def save(path: Path, seed: int, size: int = 96, **options: object) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(seed, size).save(path, **options)
        return path

    return save


@pytest.fixture
def people(tmp_path: Path, save: Callable[..., Path]) -> Path:
    """Write three people with four pictures each, all different."""
    for seed in range(12):
        save(tmp_path / "people" / f"person_{seed // 4}" / f"{seed % 4}.png", seed)
    return tmp_path / "people"


@pytest.fixture
def snapshot() -> Callable[[Path], dict[str, tuple[object, ...]]]:
    """Return a function that records everything in a folder, links not followed: kind, times, content."""

    def read(folder: Path) -> dict[str, tuple[object, ...]]:
        found: dict[str, tuple[object, ...]] = {}
        for where, folders, files in os.walk(folder):
            for path in (Path(where), *(Path(where, name) for name in (*folders, *files))):
                status = path.lstat()
                content = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
                found[os.fspath(path)] = (status.st_mode, status.st_mtime_ns, content)
        return found

    return read
