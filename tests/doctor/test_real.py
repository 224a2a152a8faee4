"""The doctor finds swapped faces with the real checkpoint, on people whom it has never seen."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from finetune.doctor.examination import examine

pytestmark = [pytest.mark.real, pytest.mark.tf, pytest.mark.slow]

SWAPPED = 6


def test_swapped_faces_are_found_beside_the_person_whom_they_show(shared: Path, tmp_path: Path):
    from finetune.model import Model

    people = sorted((shared / "lfw/learn.txt").read_text().split())
    people = [name for name in people if 8 <= len(list((shared / "lfw/images" / name).iterdir())) <= 20][:20]
    (tmp_path / "names.txt").write_text("\n".join(people))
    root = tmp_path / "faces"
    command = [sys.executable, shared / "lfw/crop.py", root, "--size", "182", "--margin", "44"]
    subprocess.run([*command, "--only", tmp_path / "names.txt"], check=True, capture_output=True)
    swapped = {}
    for number, person in enumerate(people[:SWAPPED]):
        path = sorted((root / person).iterdir())[0]
        target = root / people[number + SWAPPED] / f"swapped_{number}.png"
        swapped[path.rename(target)] = person
    report = examine(root, model=Model.restore(shared / "facenet"))
    found = {f.path: f.other.parent.name for f in report.findings if f.kind == "mislabelled" and f.other}
    right = [path for path, person in swapped.items() if found.get(path) == person]
    assert len(right) >= 0.6 * SWAPPED
    assert len(right) >= 0.6 * len(found)
