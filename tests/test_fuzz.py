"""Two thousand damaged files go through align and doctor: no crash, no hang, bounded memory, each accounted for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests import mutants
from tests.align.conftest import drawn

ROOT = Path(__file__).resolve().parents[1]
MEMORY = (
    "import sys; from finetune.cli import main; status = main(sys.argv[1:]); "
    "peak = next(line for line in open('/proc/self/status') if line.startswith('VmHWM')); "
    "print(status, int(peak.split()[1]) // 1024)"
)
"""Program that runs a command and prints its exit status and its peak memory in MiB.

It does not use `ru_maxrss`, because a started process inherits its parent's peak there.
"""


MOST = 3000
"""Limit of memory in MiB, of which TensorFlow's libraries take some 500."""


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """Write the damaged files, and return their folder and their number."""
    folder = tmp_path_factory.mktemp("damaged") / "photos"
    return folder, mutants.write(folder, [drawn(1, 64), drawn(2, 72)], count=2000)


def ended(*arguments: str | Path) -> tuple[list[str], int, int]:
    """Run a command and return the lines that it printed, its exit status, and its peak memory."""
    command = [sys.executable, "-c", MEMORY, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900, check=True)
    assert "Traceback" not in done.stderr  # libtiff writes there as it likes
    *lines, last = done.stdout.splitlines()
    status, peak = map(int, last.split())
    return lines, status, peak


@pytest.mark.tf
@pytest.mark.slow
def test_align_accounts_for_every_damaged_file(photos, tmp_path):
    folder, count = photos
    (*lines, coverage), status, peak = ended("align", folder, tmp_path / "out")
    assert status == 0
    with_face = int(coverage.split(" with a face")[0].split()[-1])
    assert coverage.startswith(f"{count} photos: ")
    said = [line.split(": ", 1) for line in lines if line.startswith("person_")]
    without_crop = [photo for photo, reason in said if not reason.startswith("a face of")]
    assert len(set(without_crop)) == len(without_crop) == count - with_face
    assert len(list((tmp_path / "out").rglob("*.png"))) == with_face
    assert 0 < with_face < count
    assert peak < MOST


@pytest.mark.slow
def test_the_doctor_accounts_for_every_damaged_file(photos, tmp_path):
    folder, count = photos
    _, status, peak = ended("doctor", folder, "--json", tmp_path / "report.json", "--sheet", tmp_path / "sheet.png")
    assert status == 0
    report = json.loads((tmp_path / "report.json").read_text())
    unread = [f for f in report["findings"] if f["kind"] in ("empty", "not-image", "unreadable")]
    assert report["files"] == count
    assert report["images"] + len({f["path"] for f in unread}) == count
    assert all(f["reason"] for f in unread)
    assert 0 < report["images"] < count
    assert peak < MOST
