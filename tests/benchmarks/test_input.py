"""The cases of `input` and `known` do what their names say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.suites import known
from benchmarks.suites.input import write_images
from finetune.images import read_image
from finetune.paths import find_images

pytestmark = pytest.mark.tf
ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.slow
def test_both_ways_give_the_same_pixels_in_each_format(faces, tmp_path):
    write_images(tmp_path / "input", find_images(faces / "learn")[:8])
    found = []
    for way in ("tensorflow", "finetune"):
        command = [sys.executable, "-m", "benchmarks.input_case", way, "2", str(tmp_path / "input")]
        done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
        found.append(json.loads(done.stdout.splitlines()[-1]))
    assert list(found[0]) == ["JPEG, no rotation", "JPEG, rotation", "PNG, no rotation", "PNG, rotation"]
    for what in found[0]:
        assert found[0][what]["sha256"] == found[1][what]["sha256"]
        assert all(case[what]["rate"] > 0 and case[what]["computing"] > 0 for case in found)


def test_images_are_written_in_the_size_that_is_said(faces, tmp_path):
    write_images(tmp_path, find_images(faces / "learn")[:2])
    written = find_images(tmp_path)
    assert [path.suffix for path in written] == [".jpg", ".jpg", ".png", ".png"]
    assert {read_image(path).shape for path in written} == {(182, 182, 3)}


@pytest.mark.slow
def test_a_scan_is_timed_with_a_cache_of_its_own(faces, tmp_path):
    for _ in range(2):
        figures = known._scanned(faces / "learn", tmp_path / "cache/features")
        assert figures["images"] == len(find_images(faces / "learn"))
        assert figures["seconds"] > 0
    assert list((tmp_path / "cache/images").glob("*.npz"))
