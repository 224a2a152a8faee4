"""Wilson's interval of rates (1927), also for a number of trials that is a fraction."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from finetune.arrays import Doubles
from finetune.verification.comparison import Z_95


def wilson(rates: npt.ArrayLike, n: float, z: float = Z_95) -> Doubles:
    """Return Wilson's interval of each rate. For whole counts it is that of `scipy.stats.binomtest`.

    Args:
        rates: rates, 0 to 1, float [...].
        n: number of independent trials behind each rate, above 0.
        z: number of standard errors to each end; by default, for 95 %.

    Returns:
        Lower and upper ends, float64 [..., 2]. No rounding puts them beyond 0, 1 or the rate.
    """
    rate = np.asarray(rates, np.float64)
    center = (rate + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(rate * (1 - rate) / n + z**2 / (4 * n**2))
    low, high = np.minimum(center - half, rate), np.maximum(center + half, rate)
    low, high = np.where(rate == 0, 0.0, low), np.where(rate == 1, 1.0, high)
    ends: Doubles = np.clip(np.stack([low, high], axis=-1), 0, 1)
    return ends
