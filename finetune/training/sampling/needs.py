"""A stage's needs: images enough to take a step, and to choose an epoch by those that are held back."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from finetune.errors import DataError, Problem
from finetune.recipe import Stage
from finetune.training.objectives import PeopleTimesImages
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
    where = f"stage {stage.name!r}"
    problems = [problem.within(where) for problem in _unmet(stage, train, held_back, batch_size)]
    if problems:
        raise DataError(*problems)


def _unmet(stage: Stage, train: Rows, held_back: Rows, batch_size: int) -> Iterator[Problem]:
    people = np.unique(train)
    if isinstance(stage.sampling, PeopleTimesImages) and stage.sampling.people > len(people):
        found = f"{stage.sampling.people} people per batch, and there are {len(people)}"
        yield Problem("sampling", found, "give fewer")
    yield from stage.loss.needs(train, held_back, batch_size)
    if stage.early_stopping and not len(held_back):
        advice = "give more images per person, or remove it"
        yield Problem("early_stopping", "no image is held back to judge by", advice)
