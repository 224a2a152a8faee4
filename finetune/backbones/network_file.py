"""A network of the user's own, from a `.keras` file. Its description travels beside its checkpoints."""

from __future__ import annotations

import functools
import json
import os
import re
import zlib
from pathlib import Path
from typing import Any

from finetune.backbones.backbone import Backbone, Standardization
from finetune.backbones.graph import Graph
from finetune.backbones.keras_file import read_network
from finetune.backbones.layer_kinds import Normalization, Rescaling
from finetune.backbones.layer_shapes import Shape, graph_shapes, least_image_size
from finetune.backbones.neck import Neck, with_neck
from finetune.backbones.specs import flattens
from finetune.errors import CheckpointError, Problem

SUFFIX = ".keras"
NETWORK_FILE = "network.json"
"""Name of the file beside a checkpoint that describes a network of the user's own."""
LARGEST = 2**26
"""Largest size in bytes of a description."""
USUAL_SIZE = 160
"""Image side in pixels for a network whose file leaves it open."""


def network_of_file(path: str | os.PathLike[str]) -> Backbone:
    """Return the network in a `.keras` file, without its classifier, with a neck of one layer.

    Raises:
        CheckpointError: the file can't be read, or its network can't be used; one line per problem.
    """
    file = Path(os.path.expanduser(path))
    try:
        stat = file.stat()
    except OSError as error:
        raise CheckpointError(Problem(file, f"can't be read ({error.strerror})", "give a .keras file")) from error
    return _read(file, stat.st_mtime_ns, stat.st_size)


@functools.lru_cache(8)
def _read(file: Path, _changed: int, _size: int) -> Backbone:
    import zipfile

    from finetune.zips import read_member

    try:
        with zipfile.ZipFile(file) as archive:
            content = read_member(archive, file, "config.json", LARGEST, "save the model with Keras 3 as .keras")
    except (OSError, ValueError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        found = f"is not a .keras file, or it is damaged ({next(iter(str(error).splitlines()), '')})"
        raise CheckpointError(Problem(file, found, "save the model with Keras 3 as .keras")) from error
    return network_of_text(content, re.sub(r"\W+", "_", file.stem), file)


def network_of_text(content: bytes | str, name: str, where: Path) -> Backbone:
    """Return the network that a description says.

    Args:
        content: JSON, as `config.json` in a `.keras` file.
        name: name of the network.
        where: the file, as messages name it.

    Raises:
        CheckpointError: the network can't be used; one line per problem.
    """
    try:
        config: Any = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(Problem(where, "its description is not JSON", "save the model again")) from error
    try:
        network = read_network(config)
    except CheckpointError as error:
        raise CheckpointError(*error.within(where)) from None
    graphs = [unit.made_of for unit in network.units if isinstance(unit.made_of, Graph)]
    height, width, channels = network.image
    if height != width or channels not in (1, 3):
        found = f"takes images of {height} x {width} pixels with {channels} channels"
        raise CheckpointError(Problem(where, found, "only square images with 1 or 3 channels can be used"))
    size = height or USUAL_SIZE
    inside = any(isinstance(node.layer, Rescaling | Normalization) for node in graphs[0].nodes)
    standardization: Standardization = "none" if inside else "unit"
    backbone = Backbone(
        name=name,
        title=name,
        scope=f"network_{name}",
        units=network.units,
        least_image_size=size if any(map(flattens, graphs)) else least_image_size(graphs, channels),
        float32_units=frozenset(),
        image_size=size,
        standardization=standardization,
        channels="grey" if channels == 1 else "rgb",
        features=_features(graphs, (size, size, channels)),
        description=json.dumps({"name": name, "config": config}),
    )
    own = {backbone.embedding_unit, backbone.head} & set(backbone.names)
    if own:
        raise CheckpointError(Problem(where, f"has a layer named {min(own)}", "give it another name"))
    return with_neck(backbone, Neck())


def stored_network(folder: Path) -> Backbone | None:
    """Return the network that `network.json` in a checkpoint's folder describes, or None without such a file.

    Raises:
        CheckpointError: the file can't be used.
    """
    path = folder / NETWORK_FILE
    if not path.is_file():
        return None
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        stored = json.loads(content)
        name, config = stored["name"], json.dumps(stored["config"])
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise CheckpointError(Problem(path, "not a network's description", "copy the checkpoint again")) from error
    if not isinstance(name, str) or not re.fullmatch(r"\w{1,200}", name):
        raise CheckpointError(Problem(path, "not a network's description", "copy the checkpoint again"))
    return network_of_text(config, name, path)


def _features(graphs: list[Graph], shape: Shape) -> int:
    """Return the number of values in the output of all graphs, one after another."""
    for graph in graphs:
        shape = graph_shapes(graph, shape)[graph.nodes[-1].name]
    features = shape[-1]
    assert features is not None
    return features
