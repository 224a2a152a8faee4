"""Inception-ResNet-v1 by name: its units in order, and where a boundary between them may lie.

The names are the variable scopes of FaceNet's own graph, so they are also the names in its
checkpoints. Nothing here needs TensorFlow: recipes are checked against it, and `finetune.network`
builds what it names.
"""

from __future__ import annotations

import difflib

SCOPE = "InceptionResnetV1"
"""The variable scope of every unit but `Logits`."""

HEAD = "Logits"
"""The classifier: the one unit that is never restored."""

UNITS: tuple[str, ...] = (
    "Conv2d_1a_3x3",
    "Conv2d_2a_3x3",
    "Conv2d_2b_3x3",
    "MaxPool_3a_3x3",
    "Conv2d_3b_1x1",
    "Conv2d_4a_3x3",
    "Conv2d_4b_3x3",
    *(f"Repeat/block35_{i}" for i in range(1, 6)),
    "Mixed_6a",
    *(f"Repeat_1/block17_{i}" for i in range(1, 11)),
    "Mixed_7a",
    *(f"Repeat_2/block8_{i}" for i in range(1, 6)),
    "Block8",
    "AvgPool_1a_8x8",
    "Bottleneck",
    HEAD,
)

WITHOUT_VARIABLES = frozenset({"MaxPool_3a_3x3", "AvgPool_1a_8x8"})

LEAST_IMAGE_SIZE = 75
"""Pixels; below it nothing is left of the image at Mixed_7a."""

REPEATS: tuple[str, ...] = ("Repeat", "Repeat_1", "Repeat_2")

BOUNDARIES: tuple[str, ...] = (*REPEATS, *(u for u in UNITS if u not in WITHOUT_VARIABLES))
"""What `train_from` may name: a repeat (its first unit is meant), or any unit with variables."""


def boundary(train_from: str) -> int:
    """The index in `UNITS` of the first unit that trains; all before it are frozen.

    Raises:
        ValueError: `train_from` is no boundary; the message names the nearest one.
    """
    if train_from not in BOUNDARIES:
        near = difflib.get_close_matches(train_from, BOUNDARIES, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}?" if near else f"choose one of {', '.join(BOUNDARIES)}"
        raise ValueError(f"no block {train_from!r}; {hint}")
    first = f"{train_from}/" if train_from in REPEATS else train_from
    return next(i for i, unit in enumerate(UNITS) if unit.startswith(first))


def unit_of(variable: str) -> str | None:
    """The unit that a TF1 variable name belongs to, or None where it belongs to no unit."""
    for unit in UNITS:
        scope = unit if unit == HEAD else f"{SCOPE}/{unit}"
        if variable.startswith(f"{scope}/"):
            return unit
    return None


def is_moving_statistic(variable: str) -> bool:
    """Whether a variable is a moving mean or variance, which no gradient reaches."""
    return variable.endswith(("/moving_mean", "/moving_variance"))
