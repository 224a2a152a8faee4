"""A stage's needs: images enough to take a step, and to choose an epoch by those that are held back."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from finetune.errors import DataError
from finetune.recipe import PeopleTimesImages, Stage, Triplet
from finetune.training.sampling.draws import Rows


def refuse_unmet(stage: Stage, train: Rows, held_back: Rows, batch_size: int) -> None:
    """Refuse a stage whose epochs would be empty, or whose epochs could not be compared.

    Args:
        stage: its loss, sampling and early stopping.
        train: int64 [n], the labels of the training images.
        held_back: int64 [m], the labels of the held-back images; empty where none are held back.
        batch_size: the recipe's, which cuts the held-back images into batches.

    Raises:
        DataError: one line per need that is not met.
    """
    problems = [f"stage {stage.name!r}: {problem}" for problem in _unmet(stage, train, held_back, batch_size)]
    if problems:
        raise DataError(*problems)


def _unmet(stage: Stage, train: Rows, held_back: Rows, batch_size: int) -> Iterator[str]:
    people, counts = np.unique(train, return_counts=True)
    if isinstance(stage.sampling, PeopleTimesImages) and stage.sampling.people > len(people):
        yield f"sampling: {stage.sampling.people} people per batch, and there are {len(people)}; give fewer"
    if isinstance(stage.loss, Triplet):
        if counts.max(initial=0) < 2:
            yield (
                "loss: triplet: nobody has two training images, so there is no triplet to train on; "
                "give more images per person, or a smaller data.validation_split"
            )
        if len(held_back) and not _holds_triplet(held_back, batch_size):
            yield (
                "loss: triplet: no batch of the held-back images has two of one person and one of another, so their "
                "loss would always be 0; give a larger data.validation_split, or 0 to keep the last epoch"
            )
    if stage.early_stopping and not len(held_back):
        yield "early_stopping: no image is held back to judge by; give more images per person, or remove it"


def _holds_triplet(labels: Rows, batch_size: int) -> bool:
    """Return whether some batch holds two images of one person and one of another."""
    batches = (labels[start : start + batch_size] for start in range(0, len(labels), batch_size))
    return any(1 < len(np.unique(batch)) < len(batch) for batch in batches)
