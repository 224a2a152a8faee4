"""Planted defects are found among real faces, and measuring one takes less than five milliseconds."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from finetune.doctor import examine, judge_quality
from finetune.images import read_image
from finetune.quality import measure_appearance
from tests.verify.planted import plant_in_lfw, recall_and_precision

pytestmark = pytest.mark.real

EACH = 40


@pytest.fixture(scope="module")
def lfw(shared: Path) -> Path:
    return shared / "lfw"


def test_planted_defects_are_found_among_real_faces(lfw: Path, tmp_path: Path):
    people = sorted((lfw / "novel.txt").read_text().split())[:400]
    planted = plant_in_lfw(lfw, people, tmp_path, EACH)
    report = judge_quality(examine(tmp_path / "crops", near_copies=False))
    lost = planted["blurred"] | planted["tiny"]  # pixels don't tell a blurred face from a small one
    for kind, paths in planted.items():
        found = {finding.path for finding in report.findings if finding.kind == kind}
        right = lost if kind in ("blurred", "tiny") else paths
        recall, precision = recall_and_precision(found, right, paths)
        assert recall >= 0.95, (kind, recall)
        assert precision >= 0.9, (kind, precision)


def test_a_crop_is_measured_in_less_than_five_milliseconds(lfw: Path, tmp_path: Path):
    people = sorted((lfw / "novel.txt").read_text().split())[:20]
    plant_in_lfw(lfw, people, tmp_path, 2)
    crops = [read_image(path) for path in sorted((tmp_path / "crops").rglob("*.png"))]
    assert np.median([min(seconds(pixels) for _ in range(5)) for pixels in crops]) < 0.005


def seconds(pixels: np.ndarray) -> float:
    start = time.perf_counter()
    measure_appearance(pixels)
    return time.perf_counter() - start
