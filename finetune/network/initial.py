"""Initial values of fresh variables."""

from __future__ import annotations

import hashlib

import numpy as np

from finetune.backbones import Backbone, Graph, layer_kinds

LEAST_SCALE = 1e-6
"""Initial value of a `LayerScale`, as in ConvNeXt (arXiv:2201.03545)."""


def initial_value(backbone: Backbone, name: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Return the initial value of a variable of a network, determined by the seed and the name.

    Weights are Glorot uniform, scales and variances are ones, and all else is zeros.
    """
    kind = name.rpartition("/")[2]
    if kind in ("gamma", "moving_variance", "variance"):
        return np.full(shape, LEAST_SCALE if _is_layer_scale(backbone, name) else 1.0, np.float32)
    if kind != "weights" and not kind.endswith("kernel"):
        return np.zeros(shape, np.float32)
    fan_in, fan_out = int(np.prod(shape[:-1])), int(np.prod(shape[:-2])) * shape[-1]
    limit = np.sqrt(6.0 / (fan_in + fan_out))
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
    return np.random.default_rng([seed, key]).uniform(-limit, limit, shape).astype(np.float32)


def _is_layer_scale(backbone: Backbone, name: str) -> bool:
    unit = backbone.units[backbone.index_of(name)]
    layer = name.removeprefix(f"{backbone.scope_of(unit.name)}/").rpartition("/")[0]
    nodes = unit.made_of.nodes if isinstance(unit.made_of, Graph) else ()
    return any(node.name == layer and isinstance(node.layer, layer_kinds.LayerScale) for node in nodes)
