"""Weights for the Keras models of DeepFace and keras-facenet, in HDF5.

These programs build their network by their own code and load the weights in the order of its layers. The file is that
of Keras 2: a group per layer, and attributes with the order of layers and weights.
"""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np

from finetune.backbones import PORTS, Port, layer_order
from finetune.errors import Problem, UserError
from finetune.export.formats.content import Content
from finetune.export.formats.format import Format


def write(content: Content, folder: Path, *, port: Port) -> None:
    """Write `NAME.h5` with the weights of a port.

    Raises:
        UserError: the port has no such network, or no classifier.
    """
    import h5py

    backbone = content.backbone
    if backbone.name not in port.backbones:
        raise UserError(Problem(port.name, f"found {backbone.title}, which it does not have", "leave out --names"))
    if content.head:
        raise UserError(Problem(port.name, "its network has no classifier", "leave out --head, or --names"))
    variables = {name: theirs.variable for name, theirs in port.tensors(backbone).items()}
    layers = layer_order(backbone, port)
    with h5py.File(folder / f"{folder.name}.h5", "w") as file:
        file.attrs["layer_names"] = np.array([*layers], "S")  # as Keras 2 reads it: bytes of fixed length
        file.attrs["backend"], file.attrs["keras_version"] = b"tensorflow", b"2.2.4"
        for layer, names in layers.items():
            group = file.create_group(layer)
            group.attrs["weight_names"] = np.array([f"{name}:0" for name in names], "S")
            for name in names:
                values = np.asarray(content.tensors[variables[name]], np.float32)
                group.create_dataset(f"{name}:0", data=values, track_times=False)


def _format(name: str, title: str, module: str) -> Format:
    return Format(
        "h5",
        f"weights for {title} (.h5)",
        functools.partial(write, port=PORTS[name]),
        suffix=".h5",
        reader=name,
        python="FINETUNE_KERAS_PYTHON",
        proof=(module,),
    )


NAMED = {
    "deepface": _format("deepface", "DeepFace", "deepface"),
    "keras-facenet": _format("keras-facenet", "keras-facenet", "keras_facenet"),
}
"""Formats by the values of `--names`, for `--to h5`."""
