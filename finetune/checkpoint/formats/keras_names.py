"""The names of a Keras 3 model's weights, which its file only numbers, by the model's configuration.

Keras numbers the groups of layers by their class: the third Conv2D of a model is `layers/conv2d_2`. Its weights are
`vars/0`, `vars/1`, …, in the order in which the class makes them. Follows `_save_container_state` of Keras's
`saving_lib`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

PARTS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "Conv2D": (("kernel", ""), ("bias", "use_bias")),
    "Dense": (("kernel", ""), ("bias", "use_bias")),
    "DepthwiseConv2D": (("kernel", ""), ("bias", "use_bias")),
    "SeparableConv2D": (("depthwise_kernel", ""), ("pointwise_kernel", ""), ("bias", "use_bias")),
    "LayerNormalization": (("gamma", "scale"), ("beta", "center")),
    "LayerScale": (("gamma", ""),),
    "BatchNormalization": (("gamma", "scale"), ("beta", "center"), ("moving_mean", ""), ("moving_variance", "")),
}
"""Weights by class of layer, in order, each with the setting that leaves it out."""
MODELS = ("Functional", "Sequential")
"""Classes of models, which have layers and may be layers of a model."""
GROUPS = ("layers", "_layer_checkpoint_dependencies")
"""Names of the group of a model's layers; the second is TensorFlow 2.13's."""


def named(config: Any, paths: Sequence[str], told: Callable[[str], str]) -> dict[str, str]:
    """Return the paths of weights by name. A weight of a class that is not in `PARTS` has its path as its name.

    Args:
        config: configuration of the model, from its JSON.
        paths: paths of all weights in the file.
        told: function from a group to the layer's name that the file gives there, or an empty text.
    """
    names = _explained(config, frozenset(paths), told)
    return names or {path: path for path in paths}


def _explained(config: Any, paths: frozenset[str], told: Callable[[str], str]) -> dict[str, str]:
    """Return the paths by name, or nothing if the configuration does not explain the file."""
    first = next((one for one in GROUPS if any(path.startswith(f"{one}/") for path in paths)), "")
    names: list[tuple[str, str]] = []
    try:
        for place, layer in _layers(config, first):
            settings = layer["config"]
            parts = [part for part, setting in PARTS[layer["class_name"]] if not setting or settings[setting]]
            expected = [f"{place}/{number}" for number in range(len(parts))]
            if not paths.issuperset(expected) or f"{place}/{len(parts)}" in paths:
                return {}
            if told(place) not in ("", settings["name"]) or not settings["name"].isprintable():
                return {}
            names += [(f"{settings['name']}/{part}", path) for part, path in zip(parts, expected, strict=True)]
    except (KeyError, TypeError, AttributeError):
        return {}
    rest = paths.difference(path for _, path in names)
    kinds = "|".join(map(_snake_case, PARTS))
    if any(re.search(rf"(^|/){first}/({kinds})(_\d+)?/vars/\d+$", path) for path in rest):
        return {}
    names += [(path, path) for path in rest]
    return dict(names) if len(dict(names)) == len(names) else {}


def _layers(model: Mapping[str, Any], group: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the group of the weights and the configuration of each layer whose class is in `PARTS`.

    Args:
        model: configuration of a model.
        group: path of the group with the model's layers.
    """
    counts: Counter[str] = Counter()
    for layer in model["config"]["layers"]:
        kind = _snake_case(layer["class_name"])
        place = f"{group}/{kind}_{counts[kind]}" if counts[kind] else f"{group}/{kind}"
        counts[kind] += 1
        if layer["class_name"] in MODELS:
            yield from _layers(layer, f"{place}/{group.rpartition('/')[2]}")
        elif layer["class_name"] in PARTS and str(layer.get("module") or "keras").startswith(("keras", "tf_keras")):
            yield f"{place}/vars", layer


def _snake_case(name: str) -> str:
    """Return the name that Keras's `to_snake_case` makes: `batch_normalization` of `BatchNormalization`."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()
