"""Two thousand damaged files through align: no crash, no hang, bounded memory, each file accounted for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests import mutants
from tests.align.conftest import drawn

ROOT = Path(__file__).resolve().parents[2]
MEMORY = (
    "import resource, sys; from finetune.cli import main; status = main(sys.argv[1:]); "
    "print(status, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
)
"""Runs a command, and says its exit status and the most memory that it ever had, in MiB."""


@pytest.mark.tf
@pytest.mark.slow
def test_every_damaged_file_is_accounted_for(tmp_path):
    count = mutants.write(tmp_path / "photos", [drawn(1, 64), drawn(2, 72)], count=2000)
    command = [sys.executable, "-c", MEMORY, "align", str(tmp_path / "photos"), str(tmp_path / "out")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=True)
    *failures, coverage, ended = done.stdout.splitlines()
    status, peak = map(int, ended.split())
    assert status == 0
    assert "Traceback" not in done.stderr  # libtiff writes there as it likes
    with_face = int(coverage.split(" with a face")[0].split()[-1])
    assert coverage.startswith(f"{count} photos: ")
    assert len({line.split(": ")[0] for line in failures}) == len(failures) == count - with_face
    assert len(list((tmp_path / "out").rglob("*.png"))) == with_face
    assert 0 < with_face < count
    assert peak < 3000
