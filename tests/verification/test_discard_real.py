"""Leaving out poor faces does not make the real checkpoint worse on people whom it has never seen."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from finetune.images import inspect_images
from finetune.quality import measure_quality
from finetune.verification import discard_curve, measure, read_pairs, resolve

pytestmark = [pytest.mark.real, pytest.mark.tf, pytest.mark.slow]


def test_the_rate_does_not_rise_when_poor_pairs_are_discarded(shared: Path, tmp_path: Path):
    from finetune.model import Model

    command = [sys.executable, shared / "lfw/crop.py", tmp_path / "crops", "--only", shared / "lfw/novel.txt"]
    subprocess.run(command, check=True, capture_output=True)
    pairs = resolve(read_pairs(shared / "lfw/pairs_novel.txt"), tmp_path / "crops")
    result = measure(Model.restore(shared / "facenet").embed, pairs)
    qualities = measure_quality(list(inspect_images(pairs.paths).values()))
    points = discard_curve(result, pairs, [qualities[path].score for path in pairs.paths], (0.1, 0.2)).points
    before, *after = [point.fnmr for point in points]
    assert all(rate is not None and before is not None and rate <= before for rate in after)
