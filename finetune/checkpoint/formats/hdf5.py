"""Keras's HDF5 files, of either of its file formats, read as tables of arrays; nothing in them is executed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from finetune.checkpoint.formats.format import Format, Variables
from finetune.checkpoint.formats.hdf5_tree import Tree, opened
from finetune.errors import CheckpointError, Problem, bounded

GALLERY = "finetune gallery"
"""Beginning of the attribute `format` of finetune's own galleries, which are HDF5 files too."""
MODEL, OPTIMIZER, NAMELESS = "model_weights", "optimizer_weights", "top_level_model_weights"
"""Names of groups: weights of a whole model, variables of its optimizer, and weights that no layer has."""
ADVICE = "save the model with Keras again, or give a TF1 checkpoint"


def read(path: Path, _: tuple[Path, ...]) -> Variables:
    """Open a weights file or a whole model.

    Files of Keras 2 name their weights, which become `LAYER/kernel` and the like. Files of Keras 3 (`.weights.h5`) only
    number them, and the variables' names are the paths, such as `layers/conv2d_3/vars/0`.

    Raises:
        CheckpointError: the file holds no weights of Keras, or two of one name.
        OSError: the file is not HDF5, or is damaged.
        ValueError: the file is damaged, or its structure is refused.
    """
    with opened(path, path.stat().st_size) as tree:
        if "".join(tree.texts("", "format") or []).startswith(GALLERY):
            found = "is a gallery of finetune, which holds embeddings, not a network"
            raise CheckpointError(Problem(path, found, "give the checkpoint that it was made with"))
        for top in ("", MODEL):
            if top in tree.groups and tree.texts(top, "layer_names") is not None:
                names = [*_named(tree, top), *_of_optimizer(tree)]
                break
        else:
            names = [(one, one) for one in numbered(tree)]
        if not names:
            raise CheckpointError(Problem(path, "holds no Keras weights", ADVICE))
        twice = [name for name, count in Counter(name for name, _ in names).items() if count > 1]
        if twice:
            problems = [Problem(path, f"holds two weights named {name}") for name in twice]
            raise CheckpointError(*bounded(problems, path, "give its layers names that differ"))
        return tree.variables(dict(names))


def is_keras(path: Path) -> bool:
    """Return whether a file is an HDF5 file with Keras weights, or a damaged file that may have been one."""
    try:
        return bool(read(path, ()).shapes)
    except CheckpointError:
        return False
    except (OSError, ValueError):
        return True


def numbered(tree: Tree) -> list[str]:
    """Return the paths of the weights in a file of Keras 3, without the states of random generators."""
    found = [(path, path.split("/")) for path in tree.datasets]
    return [path for path, parts in found if parts[-2:-1] == ["vars"] and "seed_generator" not in parts]


def _named(tree: Tree, top: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the path of each weight that a layer names.

    Raises:
        ValueError: a layer is not there.
    """
    layers = [*(tree.texts(top, "layer_names") or []), *([NAMELESS] if _within(top, NAMELESS) in tree.groups else [])]
    for layer in dict.fromkeys(layers):
        group = _within(top, layer)
        if group not in tree.groups:
            raise ValueError(f"says that it has the layer {layer}, which is not there")
        for weight in tree.texts(group, "weight_names") or []:
            owner, _, part = weight.rpartition("/")
            yield f"{_layer(layer, owner)}/{_without_output(part)}", _within(group, weight)


def _layer(layer: str, owner: str) -> str:
    """Return the name of the layer that owns a weight.

    Args:
        layer: name of the group.
        owner: scope of the weight. It differs from `layer` in a model within the model. TensorFlow 1 also appends a
            number when it loads a layer a second time.
    """
    if not owner or re.fullmatch(re.escape(layer) + r"(_\d+)?", owner):
        return layer
    return owner.rpartition("/")[2]


def _of_optimizer(tree: Tree) -> Iterator[tuple[str, str]]:
    for path in tree.datasets:
        if path.startswith(f"{OPTIMIZER}/"):
            yield _without_output(path), path


def _within(group: str, name: str) -> str:
    return f"{group}/{name}".lstrip("/")


def _without_output(name: str) -> str:
    """Return a name without TensorFlow's number of an output, `:0`."""
    return re.sub(r":\d+$", "", name)


FORMAT = Format("h5", "Keras HDF5 file", (".h5", ".hdf5"), read)
