"""The formats by the suffix of their file; a new one is a module beside this and its record in the list."""

from __future__ import annotations

from pathlib import Path

from finetune.checkpoint.formats import frozen_graph, safetensors, tf1
from finetune.checkpoint.formats.format import Format

TF1: Format = tf1.FORMAT

SINGLE_FILES: tuple[Format, ...] = (frozen_graph.FORMAT, safetensors.FORMAT)
"""The formats that keep a checkpoint in one file, which its suffix tells."""


def of_file(path: Path) -> Format | None:
    """Return the format whose single file has this path's suffix; None where there is none."""
    return next((one for one in SINGLE_FILES if one.suffix == path.suffix), None)
