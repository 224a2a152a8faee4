"""The backbones by name, and the recognition of a checkpoint's backbone."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

from finetune.backbones.backbone import Backbone
from finetune.backbones.inception_resnet import INCEPTION_RESNET_V1, INCEPTION_RESNET_V2
from finetune.backbones.neck import stored_neck, with_neck
from finetune.backbones.small_cnn import SMALL_CNN
from finetune.backbones.squeezenet import SQUEEZENET
from finetune.errors import CheckpointError, Problem, UserError
from finetune.words import did_you_mean, listed

FACENET = INCEPTION_RESNET_V1, INCEPTION_RESNET_V2, SQUEEZENET
"""Networks of FaceNet's code."""
OWN: Mapping[str, Backbone] = {backbone.name: backbone for backbone in (*FACENET, SMALL_CNN)}
"""Networks without a graph of Keras's layers, by name."""
BACKBONES: dict[str, Backbone]
"""All backbones by name. Keras's networks are made on first use, since that takes as long as an embedding."""
DEFAULT = INCEPTION_RESNET_V1.name
"""The backbone of a recipe that does not name one."""
LEAST_IMAGE_SIZE: int
"""Smallest image side in pixels that any backbone accepts."""

_OTHERS = {"pnet": "MTCNN"}
"""Other networks of FaceNet's code, by variable scope."""


def __getattr__(name: str) -> object:
    if name == "BACKBONES":
        return _backbones()
    if name == "LEAST_IMAGE_SIZE":
        return min(backbone.least_image_size for backbone in _backbones().values())
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@functools.cache
def _backbones() -> dict[str, Backbone]:
    from finetune.backbones.keras_networks import KERAS_NETWORKS

    return {**OWN, **{backbone.name: backbone for backbone in KERAS_NETWORKS}}


def by_name(name: str) -> Backbone:
    """Return the backbone with this name, or the one in a `.keras` file or in a checkpoint's `network.json`.

    Raises:
        UserError: no backbone has this name, and the problem names the nearest one; or the file can't be used.
    """
    from finetune.backbones.network_file import NETWORK_FILE, SUFFIX, network_of_file, stored_network

    if name.endswith(SUFFIX):
        return network_of_file(name)
    if Path(name).name == NETWORK_FILE and (found := stored_network(Path(name).expanduser().parent)):
        return found
    backbones = _backbones()
    if name not in backbones:
        advice = did_you_mean(name, backbones) or f"choose one of {', '.join(backbones)}, or give a .keras file"
        raise UserError(Problem("", f"no backbone {name!r}", advice))
    return backbones[name]


def recognise(
    shapes: Mapping[str, tuple[int, ...]],
    where: str | Path = "the checkpoint",
    own: Backbone | None = None,
    wanted: Backbone | None = None,
) -> Backbone:
    """Return the backbone that a checkpoint holds.

    Args:
        shapes: shapes of the stored variables, by TF1 name.
        where: the checkpoint, as messages name it.
        own: network of the user's own that the checkpoint may hold.
        wanted: network that the recipe names, for the advice.

    Raises:
        CheckpointError: the checkpoint holds no known backbone.
    """
    scopes = sorted({name.split("/")[0] for name in shapes})
    for backbone in (*_backbones().values(), *([own] if own else [])):
        if backbone.scope in scopes:
            return with_neck(backbone, stored_neck(backbone, shapes)) if backbone.features else backbone
    known = next((title for scope, title in _OTHERS.items() if scope in scopes), None)
    if known:
        found = f"holds {known}"
    else:
        found = f"holds another network, with variables under {', '.join(scopes[:5])}" if scopes else "is empty"
    titles = listed([backbone.title for backbone in FACENET], "or")
    advice = f"give weights of {wanted.title}" if wanted else f"give a checkpoint of FaceNet's {titles}"
    raise CheckpointError(Problem(where, found, advice))
