"""ImageNet's weights of the networks of `keras.applications`, which Keras downloads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from finetune.backbones import Backbone, keras_order, variable_sizes
from finetune.errors import Problem, UserError


def imagenet_weights(backbone: Backbone) -> Mapping[str, np.ndarray]:
    """Return ImageNet's weights of a network up to its pooled features, by TF1 name.

    Keras keeps the downloaded file in `~/.keras/models`.

    Raises:
        UserError: Keras has no such weights, or can't download them.
    """
    if not backbone.keras_name:
        raise UserError(Problem("weights", f"Keras has no {backbone.title}", "give weights: none, or a file"))
    import keras

    build = getattr(keras.applications, backbone.keras_name)
    try:
        model = build(weights="imagenet", include_top=False, pooling="avg")
    except Exception as error:  # Keras raises all kinds, with texts of several lines
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        advice = "connect to the internet once, or give a file of Keras with these weights: weights=FILE"
        found = f"ImageNet's weights of {backbone.title} could not be downloaded ({reason})"
        raise UserError(Problem("weights", found, advice)) from error
    kinds = [(scope, node) for scope, node in keras_order(backbone) if variable_sizes(node.layer, 1)]
    theirs = [layer for layer in _flat(model) if layer.weights and type(layer).__name__ != "Normalization"]
    values: dict[str, np.ndarray] = {}
    for (scope, node), layer in zip(kinds, theirs, strict=True):
        assert type(layer).__name__ == type(node.layer).__name__, (layer.name, node.name)
        for name, variable in zip(variable_sizes(node.layer, 1), layer.weights, strict=True):
            values[f"{scope}/{node.name}/{name}"] = np.asarray(variable)
    return values


def _flat(model: Any) -> Iterator[Any]:
    """Yield the layers of a Keras model, with those of models within it in their place."""
    for layer in model.layers:
        yield from _flat(layer) if hasattr(layer, "layers") else [layer]
