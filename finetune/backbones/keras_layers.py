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


def _port(name: str, title: str, backbones: tuple[str, ...], named: Callable[[Backbone, str], str]) -> Port:
    return Port(name, title, backbones, partial(tensors, named=named), named, starts=IGNORED)


KERAS_FACENET = _port("keras-facenet", "keras-facenet's layers", V1, keras_facenet)
DEEPFACE = _port("deepface", "DeepFace's layers", V1, deepface)
OWN = *V1, "inception_resnet_v2", "squeezenet", "small_cnn"
OWN_KERAS = _port("finetune", "the layers of finetune's exports to Keras", OWN, own)


def layer_order(backbone: Backbone, port: Port) -> dict[str, list[str]]:
    """Return the layers with weights in the order of a Keras model, each with the names of its tensors, in order.

    Keras sorts layers by their largest distance from the output, and then by their branch.
    """
    assert port.layer_name is not None
    units: dict[str, list[tuple[int, int, str]]] = {}
    for layer in layers(backbone):
        if layer.unit == backbone.head:
            continue
        distance = 3 * (layer.steps - layer.step)  # a convolution, batch normalization and activation per step
        branch = -1 if layer.branch is None else layer.branch
        name = port.layer_name(backbone, layer.scope)
        entries = units.setdefault(layer.unit, [])
        if layer.batch_norm:
            entries += [(-distance, branch, name), (1 - distance, branch, f"{name}_BatchNorm")]
        else:
            entries.append((0, 0, name))  # after all branches
    order = [name for entries in units.values() for _, _, name in sorted(entries, key=lambda entry: entry[:2])]
    tensors_of: dict[str, list[str]] = {name: [] for name in order}
    for name, theirs in port.tensors(backbone).items():
        if not theirs.is_scale and name.split("/")[0] in tensors_of:
            tensors_of[name.split("/")[0]].append(name)
    return tensors_of


def _numbered(backbone: Backbone) -> dict[str, Theirs]:
    """Return the tensors by their paths in a file of Keras 3, which numbers the layers of each kind in their order."""
    variables = KERAS_FACENET.tensors(backbone)
    counts: dict[str, int] = {}
    found: dict[str, Theirs] = {}
    for names in layer_order(backbone, KERAS_FACENET).values():
        first = variables[names[0]].variable
        kind = "conv2d" if first.endswith("/weights") else "batch_normalization"
        kind = "dense" if first == backbone.embedding_weights else kind
        place = f"{kind}_{counts[kind]}" if kind in counts else kind
        counts[kind] = counts.get(kind, 0) + 1
        found.update({f"layers/{place}/vars/{number}": variables[name] for number, name in enumerate(names)})
    return found


KERAS_NUMBERED = Port(
    "keras-numbered",
    "a Keras model's layers, by their numbers",
    V1,
    _numbered,
    starts={"layers/seed_generator": "state of dropout", "optimizer/": "state of its optimizer"},
)
