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

CONFIG, WEIGHTS = "config.json", "model.weights.h5"
LARGEST = {CONFIG: 2**26, WEIGHTS: 2**31}
"""Largest size in bytes of each member that is read."""
MOST_PACKED = 64
"""Largest size of a packed member as a multiple of its packed size. Weights hardly pack at all."""
SMALL = 2**20
"""Size in bytes up to which a member may be packed better than that."""


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
        config, weights = (_member(archive, path, name) for name in (CONFIG, WEIGHTS))
    with opened(io.BytesIO(weights), len(weights)) as tree:
        paths = hdf5.numbered(tree)
        if not paths:
            raise CheckpointError(Problem(path, "holds no Keras weights", hdf5.ADVICE))
        return tree.variables(named(json.loads(config), paths, lambda group: (tree.texts(group, "name") or [""])[0]))


def _member(archive: zipfile.ZipFile, path: Path, name: str) -> bytes:
    """Return the content of a member.

    Raises:
        CheckpointError: the member is missing or encrypted.
        ValueError: the member is too large, or stands in the archive twice.
    """
    found = [member for member in archive.infolist() if member.filename == name]
    if not found:
        raise CheckpointError(Problem(path, f"has no {name} in it", hdf5.ADVICE))
    if len(found) > 1:
        raise ValueError(f"{name} stands in it twice")
    (member,) = found
    if member.flag_bits & 1:
        raise CheckpointError(Problem(path, "is encrypted", "unpack it, and zip it again without a password"))
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{name} is packed in a way that Keras does not use")
    if member.file_size > min(LARGEST[name], max(SMALL, MOST_PACKED * member.compress_size)):
        raise ValueError(f"{name} says that it unpacks to {member.file_size} bytes")
    with archive.open(member) as file:
        content = file.read(member.file_size + 1)
    if len(content) != member.file_size:
        raise ValueError(f"{name} is cut")
    return content


FORMAT = Format("keras", "Keras archive", (".keras",), read)
