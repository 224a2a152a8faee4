"""The formats, and the one that a file has. A new format is a module in this package and a record in the list."""

from __future__ import annotations

from pathlib import Path

from finetune.checkpoint.formats import (
    frozen_graph,
    hdf5,
    keras_archive,
    onnx,
    pytorch,
    safetensors,
    saved_model,
    tf1,
)
from finetune.checkpoint.formats.format import Format
from finetune.checkpoint.formats.signatures import format_of

TF1: Format = tf1.FORMAT
SAVED_MODEL: Format = saved_model.FORMAT

SINGLE_FILES: tuple[Format, ...] = (
    frozen_graph.FORMAT,
    frozen_graph.TEXT_FORMAT,
    safetensors.FORMAT,
    pytorch.FORMAT,
    hdf5.FORMAT,
    keras_archive.FORMAT,
    onnx.FORMAT,
)
"""The formats with a single file per checkpoint."""
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
"""Endings of the names of archives."""


def of_file(path: Path) -> Format | None:
    """Return the single-file format of a file, by its content if that tells, else by its name; None if it has none.

    Raises:
        OSError: the file can't be read.
    """
    told = format_of(path)
    by_content = next((one for one in SINGLE_FILES if one.name == told), None)
    return by_content or by_name(path)


def by_name(path: Path) -> Format | None:
    """Return the single-file format with this path's suffix, or None."""
    return next((one for one in SINGLE_FILES if path.suffix.lower() in one.suffixes), None)


def in_folder(folder: Path) -> list[Path]:
    """Return the files of a folder that are in one of the single-file formats, without galleries and statistics.

    Raises:
        OSError: the folder can't be read.
    """
    named = [path for path in sorted(folder.iterdir()) if by_name(path)]
    return [path for path in named if by_name(path) is not hdf5.FORMAT or hdf5.is_keras(path)]


def is_archive(path: Path) -> bool:
    """Return whether a file is a zip or tar archive that is not itself in one of the formats.

    Raises:
        OSError: the file can't be read.
    """
    return format_of(path) == "archive"
