"""The network as an ordered list of units; a slice of it is a prefix (frozen) or a suffix (trained)."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal

import tensorflow as tf
import tf_slim as slim

from finetune.architecture import HEAD, SCOPE, UNITS, unit_of
from finetune.images import Precision
from finetune.network import inception_resnet_v1, layers

__all__ = [
    "computes_in",
    "fold",
    "forward",
    "l2_normalize",
    "multiply_adds",
    "output_shapes",
    "units_of",
    "variable_shapes",
]


FLOAT32 = (UNITS[0], "Bottleneck", HEAD)
"""The units that compute in float32, whatever the precision. The first convolution has 0.4 % of the multiply-adds;
without the pixels' rounding to 8 bits embeddings in bfloat16 are a third nearer to those in float32."""


def forward(
    inputs: tf.Tensor,
    variables: Mapping[str, tf.Variable],
    start: int = 0,
    stop: int = len(UNITS) - 1,
    *,
    batch_norm: Literal["frozen", "folded", "stored", "train"] = "frozen",
    batch_norm_decay: float = layers.DECAY,
    keep_probability: float = 1.0,
    dropout_seed: tf.Tensor | None = None,
    precision: Precision = "float32",
) -> tf.Tensor:
    """Runs the units `UNITS[start:stop]`; by default, from standardized images to prelogits.

    Args:
        inputs: what the unit before `start` gives; float32 images [n, s, s, 3] for 0.
        variables: by TF1 name, those of the units that run.
        start, stop: a slice of `UNITS`. Without the head the last output is the prelogits
            [n, embedding_size], with it the logits [n, num_classes].
        batch_norm: whether these units normalize by the stored statistics (`frozen`; `folded`: these
            are in the variables already, which `fold` made; `stored`: by an operation of its own, as in FaceNet's
            graph), or by the batch's, toward which the stored ones move (`train`).
        batch_norm_decay: of the moving statistics, where they move.
        keep_probability: of dropout between pooling and `Bottleneck`, in (0, 1].
        dropout_seed: int32 [2], for `tf.random.stateless_uniform`; needed where dropout acts.
        precision: `bfloat16` computes from the second convolution to the pooling in it; the first one,
            variables, `Bottleneck` and the head stay float32.

    Returns:
        float32.

    Raises:
        KeyError: a variable is not among `variables`.
    """
    widths = {
        name: variables[f"{scope}/weights"].shape[-1] if f"{scope}/weights" in variables else 0
        for name, scope in (("embedding_size", f"{SCOPE}/Bottleneck"), ("num_classes", HEAD))
    }
    normalizers: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
        "train": partial(layers.batch_norm, decay=batch_norm_decay),
        "stored": layers.stored_batch_norm,
    }
    used = fold(units_of(variables, start, stop)) if batch_norm == "frozen" else variables
    with layers.existing_variables(used), _normalizing(normalizers.get(batch_norm)):
        net = inputs
        for unit in UNITS[start:stop]:
            net = tf.cast(net, computes_in(unit, precision))
            if unit == "Bottleneck" and keep_probability < 1.0:
                net = tf.nn.experimental.stateless_dropout(net, 1.0 - keep_probability, seed=dropout_seed)
            net = inception_resnet_v1.build(unit, net, **widths, folded=batch_norm not in normalizers)
    return tf.cast(net, tf.float32)


def fold(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Puts batch normalization by the stored statistics, and the residual scales, into weights and biases.

    Args:
        variables: by TF1 name, those of whole units.

    Returns:
        By TF1 name, without `BatchNorm`. Gradients pass through.
    """
    folded = layers.fold_batch_norm(variables)
    for unit, made_of in inception_resnet_v1.LAYERS.items():
        if isinstance(made_of, inception_resnet_v1.Residual):
            for name in (f"{SCOPE}/{unit}/{inception_resnet_v1.UP}/{part}" for part in ("weights", "biases")):
                if name in folded:
                    folded[name] = made_of.scale * folded[name]
    return folded


def computes_in(unit: str, precision: Precision) -> Precision:
    """The type that a unit of `UNITS` computes in."""
    return "float32" if unit in FLOAT32 else precision


def units_of(variables: Mapping[str, Any], start: int, stop: int) -> dict[str, Any]:
    """Of variables by TF1 name, those of the units `UNITS[start:stop]`."""
    return {name: value for name, value in variables.items() if start <= UNITS.index(unit_of(name) or "") < stop}


def l2_normalize(prelogits: tf.Tensor) -> tf.Tensor:
    """Embeddings of unit length, [n, embedding_size], with FaceNet's epsilon."""
    return tf.nn.l2_normalize(prelogits, 1, 1e-10)


def variable_shapes(embedding_size: int, num_classes: int) -> Mapping[str, tuple[int, ...]]:
    """The shape of each variable of the whole network by TF1 name, in the order of the units."""
    return _trace(embedding_size, num_classes, 160)[0]


def multiply_adds(embedding_size: int, num_classes: int, image_size: int) -> tuple[int, ...]:
    """What one image costs in each unit's forward pass, in multiply-adds, in the order of the units."""
    return _trace(embedding_size, num_classes, image_size)[1]


def output_shapes(embedding_size: int, num_classes: int, image_size: int) -> tuple[tuple[int, ...], ...]:
    """The shape of what each unit gives for one image, in the order of the units."""
    return _trace(embedding_size, num_classes, image_size)[2]


@functools.cache
def _trace(
    embedding_size: int, num_classes: int, image_size: int
) -> tuple[Mapping[str, tuple[int, ...]], tuple[int, ...], tuple[tuple[int, ...], ...]]:
    """Builds the network without values: the variables' shapes, each unit's cost and the shape of its output."""
    shapes: dict[str, tuple[int, ...]] = {}
    costs, outputs = [], []

    def record(name: str, shape: tuple[int, ...]) -> tf.Tensor:
        shapes[name] = shape
        return tf.compat.v1.placeholder(tf.float32, shape)

    def ask(inputs: tf.Tensor) -> tf.Tensor:
        layers.batch_norm_variables(inputs.shape[-1])
        return inputs

    graph = tf.Graph()
    with graph.as_default(), layers.variables_from(record), _normalizing(ask):
        net = tf.compat.v1.placeholder(tf.float32, [None, image_size, image_size, 3])
        for unit in UNITS:
            before = len(graph.get_operations())
            net = inception_resnet_v1.build(unit, net, embedding_size, num_classes)
            costs.append(sum(_cost(operation) for operation in graph.get_operations()[before:]))
            outputs.append(tuple(net.shape.as_list()[1:]))
    return shapes, tuple(costs), tuple(outputs)


def _cost(operation: tf.Operation) -> int:
    if operation.type not in ("Conv2D", "MatMul"):
        return 0
    kernel, outputs = operation.inputs[1].shape, operation.outputs[0].shape
    places = outputs[1:3].num_elements() if operation.type == "Conv2D" else 1
    return int(places * kernel.num_elements())


def _normalizing(normalizer: Callable[[tf.Tensor], tf.Tensor] | None) -> contextlib.AbstractContextManager[object]:
    """Layers followed by a batch normalization; None: by none, they have biases instead."""
    return slim.arg_scope(
        [slim.conv2d, slim.fully_connected], **({} if normalizer is None else {"normalizer_fn": normalizer})
    )
