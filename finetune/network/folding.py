"""Folding of frozen batch normalization and of residual scales into weights and biases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from finetune.backbones import Backbone, BatchNorm, Graph, Residual
from finetune.network.graph import fold_graph


def fold(backbone: Backbone, variables: Mapping[str, Any]) -> dict[str, Any]:
    """Fold frozen batch normalization and the residual scales into weights and biases.

    Args:
        backbone: the network.
        variables: variables of whole units, by TF1 name.

    Returns:
        Tensors by TF1 name, without `BatchNorm`. Gradients pass through them.
    """
    folded = fold_batch_norm(variables, backbone.batch_norm)
    for unit in backbone.units:
        if isinstance(unit.made_of, Graph):
            folded = fold_graph(unit.made_of, backbone.scope_of(unit.name), folded)
        if isinstance(unit.made_of, Residual):
            up = f"{backbone.scope_of(unit.name)}/{unit.made_of.up}"
            for name in (f"{up}/{part}" for part in ("weights", "biases")):
                if name in folded:
                    folded[name] = unit.made_of.scale * folded[name]
    return folded


def fold_batch_norm(variables: Mapping[str, Any], settings: BatchNorm) -> dict[str, Any]:
    """Fold frozen batch normalization into the layers before it.

    The stored statistics and gamma scale each channel of a layer's weights. Biases replace beta and the statistics.
    Gradients pass through to weights, gamma and beta.

    Args:
        variables: variables by TF1 name.
        settings: settings of the network's batch normalization.

    Returns:
        Tensors by TF1 name, without `BatchNorm`.
    """
    folded = {name: value for name, value in variables.items() if "/BatchNorm/" not in name}
    for name, variance in variables.items():
        scope, found, statistic = name.partition("/BatchNorm/")
        if found and statistic == "moving_variance":
            beta, mean = (tf.cast(variables[f"{scope}/BatchNorm/{of}"], tf.float64) for of in ("beta", "moving_mean"))
            factor = 1.0 / tf.sqrt(tf.cast(variance, tf.float64) + settings.epsilon)  # [channels]
            if settings.gamma:
                factor *= tf.cast(variables[f"{scope}/BatchNorm/gamma"], tf.float64)
            folded[f"{scope}/weights"] = variables[f"{scope}/weights"] * tf.cast(factor, tf.float32)
            folded[f"{scope}/biases"] = tf.cast(beta - mean * factor, tf.float32)
    return folded
