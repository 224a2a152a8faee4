"""The ports by name, and the recognition of a port by the names in a file."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from finetune.backbones.backbone import Backbone
from finetune.backbones.keras_layers import DEEPFACE, KERAS_FACENET, KERAS_NUMBERED, OWN_KERAS
from finetune.backbones.keras_ports import KERAS_LAYER_NUMBERS, KERAS_LAYERS
from finetune.backbones.port import Port
from finetune.backbones.pytorch_modules import DEEPFACE_PYTORCH, FACENET_PYTORCH
from finetune.backbones.registry import BACKBONES

PORTS: Mapping[str, Port] = {
    port.name: port
    for port in (
        *(FACENET_PYTORCH, DEEPFACE_PYTORCH, KERAS_FACENET, DEEPFACE, OWN_KERAS, KERAS_NUMBERED),
        *(KERAS_LAYERS, KERAS_LAYER_NUMBERS),
    )
}
LEAST = 0.5
"""Least share of a port's tensors that a file must hold to be taken for one of its files."""


def find_port(names: Collection[str], own: Backbone | None = None) -> tuple[Port, Backbone] | None:
    """Return the port whose tensors a file holds, and the network; None if it holds those of no port.

    Args:
        names: names of the tensors in the file.
        own: network of the user's own that the file may hold.
    """
    shares: dict[float, tuple[Port, Backbone]] = {}
    for port in PORTS.values():
        own_too = [own] if own and port in (KERAS_LAYERS, KERAS_LAYER_NUMBERS) else []
        for backbone in (*(BACKBONES[name] for name in port.backbones), *own_too):
            needed = port.needed(backbone)
            shares.setdefault(sum(name in names for name in needed) / len(needed), (port, backbone))
    best = max(shares)
    return shares[best] if best >= LEAST else None
