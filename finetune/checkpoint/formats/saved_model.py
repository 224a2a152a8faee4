"""SavedModels of TensorFlow 1 and 2: a folder with `saved_model.pb`, and the variables in a Saver's files."""

from __future__ import annotations

from pathlib import Path

from finetune.checkpoint.formats import tf1
from finetune.checkpoint.formats.format import Format, Variables

SAVED_MODEL_FILE = "saved_model.pb"
"""File with the graph. It is not read: the names of the variables stand beside their values."""
SAVED_MODEL_VARIABLES = Path("variables/variables")
"""Prefix of the variables' files, in the folder."""


def read(path: Path, files: tuple[Path, ...]) -> Variables:
    """Open the variables of the SavedModel whose graph lies at a path."""
    return tf1.read(path.parent / SAVED_MODEL_VARIABLES, files)


FORMAT = Format("saved_model", "SavedModel", (), read)
