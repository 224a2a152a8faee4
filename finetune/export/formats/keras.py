"""Keras model, in either of Keras's file formats."""

from __future__ import annotations

from pathlib import Path

from finetune.backbones import Graph
from finetune.errors import Problem, UserError
from finetune.export.formats.content import Content
from finetune.export.formats.format import Format


def write_keras(content: Content, folder: Path) -> None:
    """Write `NAME.keras`."""
    from finetune.export.formats.keras_model import build

    build(content).save(folder / f"{folder.name}.keras")


def write_h5(content: Content, folder: Path) -> None:
    """Write `NAME.h5`, in the file format of Keras 2.

    Raises:
        UserError: Keras can't read the network from this format.
    """
    from finetune.export.formats.keras_model import build

    graphs = [unit.made_of for unit in content.backbone.units if isinstance(unit.made_of, Graph)]
    kinds = {type(node.layer).__name__ for graph in graphs for node in graph.nodes}
    own = sorted(kinds & {"LayerScale", "CustomScaleLayer"})
    if own:
        found = f"{content.backbone.title} has a {own[0]}, which Keras does not find again in this older format"
        raise UserError(Problem("h5", found, "give --to keras"))

    build(content).save(folder / f"{folder.name}.h5")


KERAS = Format("keras", "a Keras model", write_keras, suffix=".keras")
H5 = Format("h5", "a Keras model in the older HDF5 file format", write_h5, suffix=".h5")
