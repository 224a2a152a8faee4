"""Reference faces: how sharp the faces of a known set are."""

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


SHARPNESS = Scale((0.02399, 0.04519, 0.05452, 0.06868, 0.0847, 0.1086, 0.1288, 0.1685, 0.2216, 0.3267, 0.945))
"""Quantiles of the sharpness.

The reference is the first photo of each of 3,289 people of LFW, cut by FaceNet's boxes to 160 pixels with a margin of
32 pixels.
"""
