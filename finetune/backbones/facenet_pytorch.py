"""Names of facenet-pytorch's `InceptionResnetV1`, by timesler (version 2.6)."""

from __future__ import annotations

from finetune.backbones.backbone import Backbone
from finetune.backbones.placed_layers import PlacedLayer, layers
from finetune.backbones.port import Port, Theirs

CONVOLUTION = (2, 3, 1, 0)
"""Axes that turn PyTorch's kernels [out, in, height, width] into TensorFlow's [height, width, in, out]."""
DENSE = (1, 0)
"""Axes that turn PyTorch's weights [out, in] into TensorFlow's [in, out]."""
REPEATS = {"Repeat": "repeat_1", "Repeat_1": "repeat_2", "Repeat_2": "repeat_3"}
BATCH_NORM = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}


def tensors(backbone: Backbone) -> dict[str, Theirs]:
    """Return the tensors of a state dict by their names. The names of scales (gamma) are among them."""
    found: dict[str, Theirs] = {}
    for layer in layers(backbone):
        axes = DENSE if layer.dense else CONVOLUTION
        if layer.unit == backbone.embedding_unit:
            weights, norm = "last_linear", "last_bn"
        elif layer.unit == backbone.head:
            weights, norm = "logits", ""
        else:
            place = _place(layer)
            weights, norm = (f"{place}.conv", f"{place}.bn") if layer.batch_norm else (place, "")
        found[f"{weights}.weight"] = Theirs(f"{layer.scope}/weights", axes)
        if layer.batch_norm:
            for theirs, statistic in BATCH_NORM.items():
                found[f"{norm}.{theirs}"] = Theirs(f"{layer.scope}/BatchNorm/{statistic}")
        else:
            found[f"{weights}.bias"] = Theirs(f"{layer.scope}/biases")
    return found


def _place(layer: PlacedLayer) -> str:
    """Return the path of a layer, such as `repeat_1.0.branch1.1`."""
    repeat, _, number = layer.unit.partition("/")
    if number:
        unit = f"{REPEATS[repeat]}.{int(number.rpartition('_')[2]) - 1}"
    else:
        unit = "_".join(layer.unit.lower().split("_")[:2])  # of a convolution's name the kernel's size is left out
    if layer.branch is None:
        return unit if layer.batch_norm else f"{unit}.conv2d"
    return f"{unit}.branch{layer.branch}" + (f".{layer.step}" if layer.steps > 1 else "")


FACENET_PYTORCH = Port(
    "facenet-pytorch",
    "facenet-pytorch's state dict",
    ("inception_resnet_v1",),
    tensors,
    ends={".num_batches_tracked": "PyTorch's count of training steps"},
)
