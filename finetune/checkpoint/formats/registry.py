"""The formats by file suffix. A new format is a module in this package and a record in the list."""

from __future__ import annotations

from pathlib import Path

from finetune.checkpoint.formats import frozen_graph, safetensors, tf1
from finetune.checkpoint.formats.format import Format

TF1: Format = tf1.FORMAT

SINGLE_FILES: tuple[Format, ...] = (frozen_graph.FORMAT, safetensors.FORMAT)
"""The formats with a single file per checkpoint, recognised by its suffix."""


def of_file(path: Path) -> Format | None:
    """Return the single-file format with this path's suffix, or None."""
    return next((one for one in SINGLE_FILES if one.suffix == path.suffix), None)
