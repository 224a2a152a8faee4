"""Figures of how images look, as a table on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table

from finetune.images import Appearance

MEANINGS = {
    "brightness": "mean grey level",
    "contrast": "standard deviation of the grey levels",
    "sharpness": "variance of the Laplacian",
    "fine_detail": "share of the power at high frequencies",
}
"""Meaning of each figure, by its name."""


def appearance_table(groups: Mapping[str, Sequence[Appearance]]) -> Table:
    """Make the table of the medians of groups of images, one column per group."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("median")
    for name, images in groups.items():
        table.add_column(f"{name} ({len(images)})", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    medians = [np.median(images, axis=0) for images in groups.values()]
    for place, (figure, meaning) in enumerate(MEANINGS.items()):
        table.add_row(figure.replace("_", " "), *(f"{median[place]:.4g}" for median in medians), meaning)
    return table
