"""Keras 3's archives, of which two members are read: the configuration as JSON, and the weights as arrays."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

from finetune.checkpoint.formats import hdf5
from finetune.checkpoint.formats.format import Format, Variables
from finetune.checkpoint.formats.hdf5_tree import opened, sound
from finetune.checkpoint.formats.keras_names import named
from finetune.errors import CheckpointError, Problem
from finetune.zips import read_member

CONFIG, WEIGHTS = "config.json", "model.weights.h5"
LARGEST = {CONFIG: 2**26, WEIGHTS: 2**31}
"""Largest size in bytes of each member that is read."""


def read(path: Path, _: tuple[Path, ...]) -> Variables:
    """Read an archive into memory. A weight's name is `LAYER/kernel` and the like, by the layers in the configuration.

    A weight of another kind of layer has its path as its name, such as `layers/scale/vars/0`. All weights have if the
    configuration does not explain the file.

    Raises:
        CheckpointError: the archive is encrypted, lacks a member, or holds no weights.
        OSError: the weights are not HDF5, or damaged.
        ValueError: the archive is damaged, or its structure is refused.
    """
    with sound(), zipfile.ZipFile(path) as archive:
        config, weights = (read_member(archive, path, name, LARGEST[name], hdf5.ADVICE) for name in (CONFIG, WEIGHTS))
    with opened(io.BytesIO(weights), len(weights)) as tree:
        paths = hdf5.numbered(tree)
        if not paths:
            raise CheckpointError(Problem(path, "holds no Keras weights", hdf5.ADVICE))
        return tree.variables(named(json.loads(config), paths, lambda group: (tree.texts(group, "name") or [""])[0]))


FORMAT = Format("keras", "Keras archive", (".keras",), read)
