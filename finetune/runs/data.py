"""Training folder of a recipe: aligned if the recipe says so, scanned, and examined by the doctor."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

from finetune.align import Alignment, aligned
from finetune.dataset import Inspect, Quarantined, Scan, scan, scan_unlabelled
from finetune.doctor import Report, Thumbnails, examine
from finetune.errors import DataError
from finetune.recipe import Recipe
from finetune.verification import ImagePairs

NEAR_COPIES = 50_000
"""Largest number of images among which a run looks for near copies, which takes some minutes."""


def open_data(recipe: Recipe, crop: int | None, inspect: Inspect) -> Scan:
    """Scan the training folder; photos are aligned first if the recipe says so.

    Args:
        crop: side in pixels of the network's input. None if the checkpoint could not be opened; photos can't be aligned
            then.
        inspect: function that reads the files.

    Raises:
        DataError: the folder can't be used for training.
        RunError: the crops can't be written.
    """
    data = recipe.data
    folder, lost = crops(recipe, data.train, crop)
    try:
        if data.labels == "none":
            found = scan_unlabelled(folder, crop=crop, inspect=inspect)
        else:
            found = scan(folder, min_images_per_person=data.min_images_per_person, crop=crop, inspect=inspect)
    except DataError as error:
        if folder == data.train:
            raise
        raise DataError(*error.within(f"{data.train}: of its crops")) from error
    return dataclasses.replace(found, quarantined=(*found.quarantined, *lost))


def crops(recipe: Recipe, photos: Path, crop: int | None) -> tuple[Path, list[Quarantined]]:
    """Align photos if the recipe says so, and return the folder of crops and the photos without a face.

    Args:
        photos: folder of photos, or of aligned faces, which is returned itself.
        crop: side in pixels of the network's input, if known.
    """
    if not (recipe.data.align and crop):
        return photos, []
    alignment = training_alignment(crop) if recipe.augment.random_crop else Alignment(crop)
    folder, coverage = aligned(photos, alignment)
    return folder, [Quarantined(photos / outcome.photo, outcome.failure) for outcome in coverage.failures]


def examined(
    recipe: Recipe,
    scanned: Scan,
    crop: int | None,
    pairs: ImagePairs | None,
    inspect: Callable[[Sequence[Path]], Thumbnails],
) -> Report:
    """Return the doctor's report on the training folder, without the faces, which need an embedding of every image."""
    return examine(
        scanned.dataset.root,
        crop=crop,
        min_images=recipe.data.min_images_per_person,
        lfw=pairs,
        inspect=inspect,
        near_copies=len(scanned.dataset) <= NEAR_COPIES,
    )


def training_alignment(crop: int) -> Alignment:
    """Return the alignment for random crops: as published, 182 pixels with a margin of 44 for crops of 160."""
    return Alignment(size=round(crop * 182 / 160), margin=44)
