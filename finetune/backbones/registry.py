"""The backbones by name, and the recognition of a checkpoint's backbone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from finetune.backbones.backbone import Backbone
from finetune.backbones.inception_resnet import INCEPTION_RESNET_V1, INCEPTION_RESNET_V2
from finetune.backbones.keras_networks import KERAS_NETWORKS
from finetune.backbones.neck import stored_neck, with_neck
from finetune.backbones.network_file import NETWORK_FILE, SUFFIX, network_of_file, stored_network
from finetune.backbones.small_cnn import SMALL_CNN
from finetune.backbones.squeezenet import SQUEEZENET
from finetune.errors import CheckpointError, Problem, UserError
from finetune.words import did_you_mean, listed

FACENET = INCEPTION_RESNET_V1, INCEPTION_RESNET_V2, SQUEEZENET
"""Networks of FaceNet's code."""
BACKBONES: Mapping[str, Backbone] = {backbone.name: backbone for backbone in (*FACENET, SMALL_CNN, *KERAS_NETWORKS)}
DEFAULT = INCEPTION_RESNET_V1.name
"""The backbone of a recipe that does not name one."""
LEAST_IMAGE_SIZE = min(backbone.least_image_size for backbone in BACKBONES.values())
"""Smallest image side in pixels that any backbone accepts."""

_OTHERS = {"pnet": "MTCNN"}
"""Other networks of FaceNet's code, by variable scope."""


def by_name(name: str) -> Backbone:
    """Return the backbone with this name, or the one in a `.keras` file or in a checkpoint's `network.json`.

    Raises:
        UserError: no backbone has this name, and the problem names the nearest one; or the file can't be used.
    """
    if name.endswith(SUFFIX):
        return network_of_file(name)
    if Path(name).name == NETWORK_FILE and (found := stored_network(Path(name).expanduser().parent)):
        return found
    if name not in BACKBONES:
        advice = did_you_mean(name, BACKBONES) or f"choose one of {', '.join(BACKBONES)}, or give a .keras file"
        raise UserError(Problem("", f"no backbone {name!r}", advice))
    return BACKBONES[name]


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
    for backbone in (*BACKBONES.values(), *([own] if own else [])):
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
