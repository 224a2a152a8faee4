"""Advice before training: the recipe that fits, what its stages can gain, and what they cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from finetune.recipe import Stage
from finetune.report import duration
from finetune.runs.cost import Cost
from finetune.runs.opening import Inputs
from finetune.verification import FEW_PEOPLE
from finetune.words import counted

UNLIKE = 0.03
"""Distance of the first layer's statistics from which photos are unlike the checkpoint's. On 64 crops of LFW it is
0.002 to 0.006; made 28 pixels wide 0.04, noisy 0.03, grey 0.18, dark 0.6 and more."""
ENOUGH = 100
"""Number of people below which no gain of the embeddings has been shown on photos like the checkpoint's."""
MANY, FEW_IMAGES = 1_000, 8
"""Number of people of a large set, and number of images per person below which there are few."""
LONG = 3600.0
"""Seconds of a run from which its longest stage is named."""


def advice(inputs: Inputs, distance: float | None, parts: Sequence[Cost]) -> list[str]:
    """Return what the counts, the look of the photos and the cost say about a recipe, one sentence each.

    Args:
        inputs: opened inputs of the recipe.
        distance: distance of the first layer's statistics on the training images from the stored ones; None if the
            network has none.
        parts: costs of the baseline and of each stage.

    Returns:
        Sentences; none for a recipe without a checkpoint, of whose people nothing is known.
    """
    if inputs.recipe.checkpoint is None:
        return []
    return [*_fitting(inputs, distance), *_nothing_to_gain(inputs, distance, parts), *_longest(inputs, parts)]


def _fitting(inputs: Inputs, distance: float | None) -> Iterator[str]:
    """Yield the recipe that fits, with its reason."""
    look = (
        "" if distance is None else f", whose photos look {'unlike' if _unlike(distance) else 'like'} the checkpoint's"
    )
    measured = "" if distance is None else f" (first layer's statistics: {distance:.3f} apart)"
    people = len(inputs.scan.dataset.class_names)
    if inputs.recipe.data.labels == "none":
        yield f"recipes/unlabelled.yaml fits {counted(len(inputs.train), 'image')} without names{measured}"
        return
    each = len(inputs.train) / people
    if _unlike(distance):
        recipe = "domain"
    elif people <= FEW_PEOPLE or each < FEW_IMAGES:
        recipe = "few"
    else:
        recipe = "large" if people >= MANY else "small"
    yield f"recipes/{recipe}.yaml fits {counted(people, 'person')} with {each:.0f} images each{look}{measured}"


def _nothing_to_gain(inputs: Inputs, distance: float | None, parts: Sequence[Cost]) -> Iterator[str]:
    """Yield warnings of stages that have nothing to learn from, or that can't follow the photos."""
    recipe, people = inputs.recipe, len(inputs.scan.dataset.class_names)
    deeper = [
        (stage, part) for stage, part in zip(recipe.stages, parts[1:], strict=True) if _trains_embeddings(inputs, stage)
    ]
    if not deeper:
        return
    if _unlike(distance):
        if all(stage.batch_norm == "frozen" for stage, _ in deeper):
            yield "warning: batch norm keeps the statistics of other photos than these; set batch_norm: train"
        return
    if 0 < people < ENOUGH and not (recipe.augment.camera and recipe.augment.camera.draws):
        saved = duration(sum(part.seconds for _, part in deeper))
        yield (
            f"warning: with fewer than {ENOUGH} people no gain of the embeddings has been shown; the classifier alone "
            f"(train_from: {inputs.model.backbone.head}) saves {saved}"
        )


def _longest(inputs: Inputs, parts: Sequence[Cost]) -> Iterator[str]:
    """Yield the stage that takes most of a long run."""
    seconds = np.array([part.seconds for part in parts[1:]])
    if len(seconds) > 1 and seconds.sum() >= LONG and seconds.max() > seconds.sum() / 2:
        name, share = inputs.recipe.stages[int(seconds.argmax())].name, seconds.max() / seconds.sum()
        yield f"stage {name!r} takes {share:.0%} of the time; see what the stages before it give first"


def _unlike(distance: float | None) -> bool:
    return distance is not None and distance >= UNLIKE


def _trains_embeddings(inputs: Inputs, stage: Stage) -> bool:
    backbone = inputs.model.backbone
    return backbone.boundary(stage.train_from) < backbone.head_index
