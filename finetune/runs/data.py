"""The training folder of a recipe: aligned where it asks for that, scanned, and examined by the doctor."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

from finetune.align import Alignment, aligned
from finetune.dataset import Inspect, Quarantined, Scan, scan
from finetune.doctor import Report, Thumbnails, examine
from finetune.errors import DataError
from finetune.recipe import Recipe
from finetune.verification import ImagePairs

NEAR_COPIES = 50_000
"""Images up to which a run looks for near copies among them: some minutes."""


def open_data(recipe: Recipe, crop: int | None, inspect: Inspect) -> Scan:
    """Scan the training folder; photos are aligned first if the recipe says so.

    Args:
        crop: side in pixels of what the network takes; None, where no checkpoint could be opened to say: photos can't
            be aligned then.
        inspect: reads the files.

    Raises:
        DataError: it can't be trained on.
        RunError: the crops can't be written.
    """
    data = recipe.data
    folder, lost = data.train, []
    if data.align and crop:
        alignment = training_alignment(crop) if recipe.augment.random_crop else Alignment(crop)
        folder, coverage = aligned(data.train, alignment)
        lost = [Quarantined(data.train / outcome.photo, outcome.failure) for outcome in coverage.failures]
    try:
        found = scan(folder, min_images_per_person=data.min_images_per_person, crop=crop, inspect=inspect)
    except DataError as error:
        if folder == data.train:
            raise
        raise DataError(*error.within(f"{data.train}: of its crops")) from error
    return dataclasses.replace(found, quarantined=(*found.quarantined, *lost))


def examined(
    recipe: Recipe,
    scanned: Scan,
    crop: int | None,
    pairs: ImagePairs | None,
    inspect: Callable[[tuple[Path, ...]], Thumbnails],
) -> Report:
    """Return what the doctor says of the training folder, faces apart: those cost an embedding of every image."""
    return examine(
        scanned.dataset.root,
        crop=crop,
        min_images=recipe.data.min_images_per_person,
        lfw=pairs,
        inspect=inspect,
        near_copies=len(scanned.dataset) <= NEAR_COPIES,
    )


def training_alignment(crop: int) -> Alignment:
    """Crops to be cropped again at random: for 160 pixels, of 182 with a margin of 44, as published."""
    return Alignment(size=round(crop * 182 / 160), margin=44)
