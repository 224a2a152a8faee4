"""Requirements of a stage: enough images to take a step, and to choose an epoch with the held-back ones."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from finetune.errors import DataError, Problem
from finetune.recipe import Stage
from finetune.training.objectives import PeopleTimesImages
from finetune.training.sampling.draws import Rows


def refuse_unmet(stage: Stage, train: Rows, held_back: Rows, batch_size: int) -> None:
    """Refuse a stage whose epochs would be empty, or could not be compared.

    Args:
        stage: stage with its loss, sampling and early stopping.
        train: labels of the training images, int64 [n].
        held_back: labels of the held-back images, int64 [m]; empty if none are held back.
        batch_size: batch size of the recipe, also for the held-back images.

    Raises:
        DataError: some requirements are not met; one line per requirement.
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
