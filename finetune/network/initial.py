"""Initial values of fresh variables."""

from __future__ import annotations

import hashlib

import numpy as np


def initial_value(name: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Return the initial value of a variable, determined by the seed and the name.

    Weights are Glorot uniform, scales and variances are ones, and all else is zeros.
    """
    if name.endswith(("/gamma", "/moving_variance")):
        return np.ones(shape, np.float32)
    if not name.endswith("/weights"):
        return np.zeros(shape, np.float32)
    fan_in, fan_out = int(np.prod(shape[:-1])), int(np.prod(shape[:-2])) * shape[-1]
    limit = np.sqrt(6.0 / (fan_in + fan_out))
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
    return np.random.default_rng([seed, key]).uniform(-limit, limit, shape).astype(np.float32)
