"""Remarks on the standardization, by the first layer's statistics on some images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from finetune.backbones import Standardization
from finetune.images.given import network_inputs
from finetune.images.preprocessing import Preprocessing

PROBE = 64
"""Number of images for checking the preprocessing."""
BETTER = 0.5
"""Share of the current standardization's distance below which another standardization is suggested."""


def probe(paths: Sequence[Path], preprocessing: Preprocessing) -> np.ndarray:
    """Return up to `PROBE` of the images, spread over the list: uint8 [n, s, s, c]."""
    chosen = np.unique(np.linspace(0, len(paths) - 1, min(PROBE, len(paths))).astype(int))
    return network_inputs([paths[i] for i in chosen], preprocessing)


def standardization_remarks(
    preprocessing: Preprocessing,
    fit: Mapping[Standardization, float],
    setting: str = "set preprocessing.standardization=",
) -> list[str]:
    """Return what the first layer's statistics tell of the standardization, if anybody needs to know.

    It is a warning if another standardization fits better. If the standardization is only assumed, the remark says
    whether it fits.

    Args:
        preprocessing: preprocessing of the network.
        fit: result of `Model.standardization_fit` on some of the images.
        setting: text that sets the standardization, up to its value.
    """
    used = preprocessing.standardization
    if not fit:
        return []
    best, other = sorted(fit, key=lambda name: fit[name])
    clear = fit[best] <= BETTER * fit[other]
    if clear and best != used:
        return [
            f"warning: the first layer's statistics on this data fit {best!r} better than {used!r} "
            f"({fit[best]:.3f} against {fit[used]:.3f}); if the checkpoint was trained so, {setting}{best}"
        ]
    if not preprocessing.assumed:
        return []
    if clear:
        return [
            f"the first layer's statistics on this data fit {used!r} (distance {fit[used]:.3f}; "
            f"{other!r} {fit[other]:.3f})"
        ]
    return [
        f"warning: the first layer's statistics on this data do not tell which standardization fits ({best!r} "
        f"{fit[best]:.3f}, {other!r} {fit[other]:.3f}); if you know how the checkpoint was trained, {setting}…"
    ]
