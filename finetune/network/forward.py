"""The forward pass of a slice of a backbone's units: a prefix is frozen, a suffix is trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal, NamedTuple

import tensorflow as tf

from finetune.backbones import Backbone, Dense
from finetune.images import Precision
from finetune.network.folding import fold
from finetune.network.graph import BatchNormMode
from finetune.network.layers import batch_norm as trained_batch_norm, existing_variables, normalizing, stored_batch_norm
from finetune.network.specs import build_unit

BODY = slice(0, -1)
"""All units but the head: from standardized images to prelogits."""
HEAD = slice(-1, None)
"""The head: from prelogits to logits."""


class Dropout(NamedTuple):
    """Dropout before one unit of the network.

    Attributes:
        keep_probability: in (0, 1].
        seed: int32 [2], for `tf.random.stateless_uniform`.
    """

    keep_probability: float
    seed: tf.Tensor


def forward_pass(
    backbone: Backbone,
    inputs: tf.Tensor,
    variables: Mapping[str, tf.Variable],
    units: slice = BODY,
    *,
    batch_norm: Literal["frozen", "folded", "stored", "train"] = "frozen",
    dropout: Dropout | None = None,
    precision: Precision = "float32",
) -> tf.Tensor:
    """Run a slice of the units; by default, from standardized images to prelogits.

    Args:
        backbone: the network.
        inputs: output of the unit before the slice; float32 images [n, s, s, 3] for the first unit.
        variables: variables of the units that run, by TF1 name.
        units: slice of `backbone.units`.
        batch_norm: how these units normalize. `frozen` uses the stored statistics, folded into the weights here.
            `folded` takes variables that `fold` has already made. `stored` uses the stored statistics in a separate
            operation, as FaceNet's graph does. `train` uses the batch statistics and moves the stored ones toward them.
        dropout: dropout before `backbone.dropout_before`, or None. It acts only if that unit is in the slice.
        precision: `bfloat16` applies to all units but `backbone.float32_units`. Variables stay float32.

    Returns:
        Output of the last unit, float32: logits [n, num_classes] with the head. Without the head: prelogits
        [n, embedding_size].

    Raises:
        KeyError: a variable is not among `variables`.
    """
    normalizers: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
        "train": partial(trained_batch_norm, settings=backbone.batch_norm),
        "stored": partial(stored_batch_norm, settings=backbone.batch_norm),
    }
    mode: BatchNormMode = "folded" if batch_norm == "frozen" else batch_norm
    used = fold(backbone, units_of(backbone, variables, units)) if batch_norm == "frozen" else variables
    with existing_variables(used), normalizing(normalizers.get(batch_norm)):
        net = inputs
        for unit in backbone.units[units]:
            net = tf.cast(net, computes_in(backbone, unit.name, precision))
            if unit.name == backbone.dropout_before and dropout is not None:
                net = tf.nn.experimental.stateless_dropout(net, 1.0 - dropout.keep_probability, seed=dropout.seed)
            dense = isinstance(unit.made_of, Dense)
            width = variables[f"{backbone.scope_of(unit.name)}/weights"].shape[-1] if dense else 0
            net = build_unit(backbone, unit, net, width, batch_norm=mode)
    return tf.cast(net, tf.float32)


def computes_in(backbone: Backbone, unit: str, precision: Precision) -> Precision:
    """Return the type that a unit computes in."""
    return "float32" if unit in backbone.float32_units else precision


def units_of(backbone: Backbone, variables: Mapping[str, Any], units: slice) -> dict[str, Any]:
    """Return the variables, by TF1 name, that belong to a slice of the units."""
    chosen = range(len(backbone.units))[units]
    return {name: value for name, value in variables.items() if backbone.index_of(name) in chosen}


def l2_normalize(prelogits: tf.Tensor) -> tf.Tensor:
    """Return embeddings of unit length, [n, embedding_size], with FaceNet's epsilon."""
    return tf.nn.l2_normalize(prelogits, 1, 1e-10)
