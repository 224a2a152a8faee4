"""Names of PyTorch modules: those of facenet-pytorch, and those of DeepFace.

facenet-pytorch (by timesler) has `InceptionResnetV1` with 512 values, and with a classifier where one is asked for.
DeepFace's network of the same kind has 128 or 512 values, and no classifier.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from finetune.backbones.backbone import Backbone
from finetune.backbones.placed_layers import PlacedLayer, layers
from finetune.backbones.port import Port, Theirs

CONVOLUTION = (2, 3, 1, 0)
"""Axes that turn PyTorch's kernels [out, in, height, width] into TensorFlow's [height, width, in, out]."""
DENSE = (1, 0)
"""Axes that turn PyTorch's weights [out, in] into TensorFlow's [in, out]."""
BATCH_NORM = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}


class Modules(NamedTuple):
    """Names of a layer's modules: of its weights, and of its batch normalization, if it has one."""

    weights: str
    batch_norm: str = ""


def facenet_pytorch(backbone: Backbone, layer: PlacedLayer) -> Modules:
    """Return facenet-pytorch's names of a layer, such as `repeat_1.0.branch1.1.conv`."""
    if layer.unit == backbone.embedding_unit:
        return Modules("last_linear", "last_bn")
    if layer.unit == backbone.head:
        return Modules("logits")
    repeat, _, number = layer.unit.partition("/")
    unit = "_".join(layer.unit.lower().split("_")[:2])  # of a convolution's name the kernel's size is left out
    if number:
        unit = f"repeat_{int(repeat.partition('_')[2] or 0) + 1}.{int(number.rpartition('_')[2]) - 1}"
    return _within(unit, layer, "branch", "conv2d")


def deepface(backbone: Backbone, layer: PlacedLayer) -> Modules:
    """Return DeepFace's names of a layer, such as `block35.0.branch_1.1.conv`."""
    if layer.unit == backbone.embedding_unit:
        return Modules("bottleneck", "bottleneck_bn")
    if layer.unit == backbone.head:
        return Modules("logits")
    _, _, number = layer.unit.partition("/")
    unit = layer.unit.lower()
    if number:
        block, _, place = number.rpartition("_")
        unit = f"{block}.{int(place) - 1}"
    elif unit == "block8":
        unit = "block8.5"  # after the five of the repeat
    return _within(unit, layer, "branch_", "up")


def _within(unit: str, layer: PlacedLayer, branch: str, up: str) -> Modules:
    """Return the names of a layer in a unit, by the port's words for branches and for the projection after them."""
    if not layer.batch_norm:
        return Modules(f"{unit}.{up}")
    place = unit
    if layer.branch is not None:
        place += f".{branch}{layer.branch}" + (f".{layer.step}" if layer.steps > 1 else "")
    return Modules(f"{place}.conv", f"{place}.bn")


def tensors(backbone: Backbone, *, named: Callable[[Backbone, PlacedLayer], Modules]) -> dict[str, Theirs]:
    """Return the tensors of a state dict by their names. The names of scales (gamma) are among them."""
    found: dict[str, Theirs] = {}
    for layer in layers(backbone):
        modules = named(backbone, layer)
        found[f"{modules.weights}.weight"] = Theirs(f"{layer.scope}/weights", DENSE if layer.dense else CONVOLUTION)
        if layer.batch_norm:
            for theirs, statistic in BATCH_NORM.items():
                found[f"{modules.batch_norm}.{theirs}"] = Theirs(f"{layer.scope}/BatchNorm/{statistic}")
        else:
            found[f"{modules.weights}.bias"] = Theirs(f"{layer.scope}/biases")
    return found


V1 = ("inception_resnet_v1",)
COUNT = {".num_batches_tracked": "PyTorch's count of training steps"}
FACENET_PYTORCH = Port(
    "facenet-pytorch", "facenet-pytorch's state dict", V1, partial(tensors, named=facenet_pytorch), ends=COUNT
)
DEEPFACE_PYTORCH = Port(
    "deepface-pytorch", "DeepFace's state dict for PyTorch", V1, partial(tensors, named=deepface), ends=COUNT
)
