"""Reference faces: how sharp, bright and frontal the faces of a known set are."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

SHARES = (0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.0)
"""Shares of the reference faces for which their quantiles are stated."""


class Scale(NamedTuple):
    """Quantiles of one measure among the reference faces.

    Attributes:
        quantiles: values that the shares in `SHARES` of the faces do not exceed, in ascending order.
    """

    quantiles: tuple[float, ...]

    def rank(self, value: float) -> float:
        """Return the share of the reference faces whose value is not larger, 0 to 1, interpolated linearly."""
        # Where several shares have one quantile, the largest share holds.
        share = dict(zip(self.quantiles, SHARES, strict=True))
        return float(np.interp(value, list(share), list(share.values()), left=0.0))


REFERENCE = {
    "sharpness": Scale((0.02399, 0.04519, 0.05452, 0.06868, 0.0847, 0.1086, 0.1288, 0.1685, 0.2216, 0.3267, 0.945)),
    "resolution": Scale((29.97, 40.22, 42.74, 46.4, 48.94, 52.82, 55.56, 60.04, 64.79, 72.81, 96)),
    "contrast": Scale((15.69, 18.79, 20.25, 22.44, 24.52, 27.54, 29.96, 34.45, 39.23, 47.3, 71.77)),
    "highlights": Scale((97.98, 118.1, 126, 137.8, 148.2, 161.4, 171.1, 184.4, 197, 215.6, 253.6)),
    "blown": Scale((-0.1825, -0.08708, -0.05714, -0.02917, -0.01194, -0.001389, 0, 0, 0, 0, 0)),
    "detection": Scale((0.97, 0.9947, 0.997, 0.9985, 0.9992, 0.9997, 0.9999, 1, 1, 1, 1)),
    "yaw": Scale((-55.9, -42.42, -37.99, -32.29, -27.29, -21.82, -17.51, -11.26, -6.031, -1.981, -0.00477)),
}
"""Quantiles by measure; larger values are better.

The reference is the first photo of each of 3,289 people of LFW, cut by FaceNet's boxes to 160 pixels with a margin of
32 pixels.
"""
