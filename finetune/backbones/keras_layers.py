"""Names of Keras layers: those of keras-facenet and of DeepFace, and those of finetune's own exports.

keras-facenet (by nyoki-mtl, later by faustomorales) and DeepFace (`Facenet.py`) have the same layers. DeepFace names
the second branch of most repeated blocks by the number of the block. A tensor's name here is its layer's, a slash, and
its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from finetune.backbones.backbone import Backbone
from finetune.backbones.placed_layers import STATISTICS, layers
from finetune.backbones.port import Port, Theirs

PARTS = {"weights": "kernel", "biases": "bias"}
SECOND_BRANCH = re.compile(r"^(Block(?:17|8)_(\d+)_Branch_)1(?=_)(?<!Block8_6_Branch_1)")


def keras_facenet(backbone: Backbone, scope: str) -> str:
    """Return keras-facenet's name of the layer with a scope."""
    name = re.sub(r"^Repeat(_\d+)?/b", "B", scope.removeprefix(f"{backbone.scope}/"))
    return re.sub(r"^Block8/", "Block8_6/", name).replace("/", "_")


def deepface(backbone: Backbone, scope: str) -> str:
    """Return DeepFace's name of the layer with a scope."""
    return SECOND_BRANCH.sub(r"\g<1>\g<2>", keras_facenet(backbone, scope))


def own(backbone: Backbone, scope: str) -> str:
    """Return the name in finetune's exports to Keras of the layer with a scope."""
    return scope.removeprefix(f"{backbone.scope}/").replace("/", "_")


def tensors(backbone: Backbone, *, named: Callable[[Backbone, str], str]) -> dict[str, Theirs]:
    """Return the tensors by their names. The names of scales (gamma) are among them."""
    found: dict[str, Theirs] = {}
    for layer in layers(backbone):
        name = named(backbone, layer.scope)
        found[f"{name}/kernel"] = Theirs(f"{layer.scope}/weights")
        if layer.batch_norm:
            for statistic in ("gamma", *STATISTICS):
                found[f"{name}_BatchNorm/{statistic}"] = Theirs(f"{layer.scope}/BatchNorm/{statistic}")
        else:
            found[f"{name}/bias"] = Theirs(f"{layer.scope}/biases")
    return found


IGNORED = {"optimizer_weights/": "state of its optimizer"}
V1 = ("inception_resnet_v1",)
KERAS_FACENET = Port(
    "keras-facenet", "keras-facenet's layers", V1, partial(tensors, named=keras_facenet), starts=IGNORED
)
DEEPFACE = Port("deepface", "DeepFace's layers", V1, partial(tensors, named=deepface), starts=IGNORED)
OWN_KERAS = Port(
    "finetune", "the layers of finetune's exports to Keras", (*V1, "inception_resnet_v2"), partial(tensors, named=own)
)
