"""People, lists and arrays for the commands that prepare data, both good and unusable ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a working folder with ten people of four images in `faces`, and with lists and arrays of them."""
    folder = tmp_path / "work"
    rows = []
    for person in range(10):
        place = folder / f"faces/Ann {person}"
        place.mkdir(parents=True)
        for image in range(1, 5):
            path = place / f"Ann {person}_{image:04d}.jpg"
            path.write_text(f"{person} {image}")
            rows.append((path.relative_to(folder).as_posix(), f"Ann {person}"))
    (folder / "list.csv").write_text("path,name\n" + "".join(f"{path},{name}\n" for path, name in rows))
    (folder / "used").mkdir()
    (folder / "used/mine").touch()
    np.save(folder / "X.npy", np.linspace(0, 1, 8 * 12, dtype=np.float32).reshape(8, 12))
    np.save(folder / "y.npy", np.repeat(["ann", "bob"], 4))
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def bad_files(tmp_path: Path) -> Path:
    """Write lists and arrays that can't be used."""
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / "identity.txt").write_text("1.jpg\n1.jpg 1 2\n")
    (folder / "list.csv").write_text("path,name\nfaces/x.jpg,ann\nfaces/Ann 0/Ann 0_0001.jpg\n")
    (folder / "clash.csv").write_text(
        "../work/faces/Ann 0/Ann 0_0001.jpg,ann\n../work/faces/Ann 0/Ann 0_0001.jpg,bob\n"
        "../work/faces/Ann 1/Ann 1_0001.jpg,Bob\n"
    )
    np.save(folder / "y.npy", np.arange(7))
    np.save(folder / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    (folder / "photos").mkdir()
    (folder / "photos/1.jpg").touch()
    for name in ("photos.txt", "photos/ids.txt"):
        (folder / name).write_text("1.jpg 7\n")
    (folder / "photos.csv").write_text("1.jpg,ann\n")
    (folder / "singles").mkdir()
    for name in "ab":
        (folder / "singles" / name).mkdir()
        (folder / "singles" / name / f"{name}_0001.jpg").touch()
    return folder
