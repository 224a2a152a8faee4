"""Pictures of an identification have a chart per curve, in the form that the suffix names."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from finetune.identification import cumulative_match, error_curve
from finetune.report.curves import SIZE, write_curves

CURVE = error_curve(np.linspace(0.3, 1, 30), np.linspace(0, 0.5, 40))
CMC = cumulative_match(np.arange(1, 20) % 4 + 1, 5)


@pytest.mark.parametrize(("closed", "opened", "charts"), [(CMC, CURVE, 3), (CMC, None, 1), (None, CURVE, 2)])
def test_there_is_a_chart_per_curve(closed, opened, charts, tmp_path):
    write_curves(tmp_path / "curves.png", closed, opened)
    with Image.open(tmp_path / "curves.png") as image:
        np.testing.assert_allclose(image.size, [144 * SIZE[0] * charts, 144 * SIZE[1]], atol=1)
        assert len(np.unique(np.asarray(image).reshape(-1, 4), axis=0)) > 10


@pytest.mark.parametrize("suffix", [".svg", ".pdf"])
def test_other_forms_are_written(suffix, tmp_path):
    write_curves(tmp_path / f"curves{suffix}", CMC, CURVE)
    assert (tmp_path / f"curves{suffix}").read_bytes()[:5] in (b"<?xml", b"%PDF-")
