"""Keras model, in either of Keras's file formats."""

from __future__ import annotations

from pathlib import Path

from finetune.export.formats.content import Content
from finetune.export.formats.format import Format


def write_keras(content: Content, folder: Path) -> None:
    """Write `NAME.keras`."""
    from finetune.export.formats.keras_model import build

    build(content).save(folder / f"{folder.name}.keras")


def write_h5(content: Content, folder: Path) -> None:
    """Write `NAME.h5`, in the file format of Keras 2."""
    from finetune.export.formats.keras_model import build

    build(content).save(folder / f"{folder.name}.h5")


KERAS = Format("keras", "a Keras model", write_keras, suffix=".keras")
H5 = Format("h5", "a Keras model in the older HDF5 file format", write_h5, suffix=".h5")
