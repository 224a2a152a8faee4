"""A stage checks its needs of the images before the first step, and reports all of them at once."""

from __future__ import annotations

import numpy as np
import pytest

from finetune.errors import DataError
from finetune.recipe.stage import Stage
from finetune.training.sampling.needs import refuse_unmet

TWO_EACH = np.repeat(np.arange(6), 2)
ONE_EACH = np.arange(6)
NOBODY = np.array([], np.int64)
GROUPED = {"people": 3, "images": 2}


def refused(train, held_back, batch_size=90, **values):
    with pytest.raises(DataError) as caught:
        refuse_unmet(Stage("s", "Block8", 2, **values), train, held_back, batch_size)
    return tuple(map(str, caught.value.problems))


@pytest.mark.parametrize("mining", ["random", "bank", {"negatives": "random", "then": "bank"}])
def test_triplets_of_people_with_one_training_image_each_are_refused(mining):
    (line,) = refused(ONE_EACH, NOBODY, loss="triplet", mining=mining)
    assert line.startswith("stage 's': loss: triplet: nobody has two training images")
    assert "a smaller data.validation_split" in line


@pytest.mark.parametrize("mining", ["hard", "semi_hard"])
def test_so_are_those_that_are_found_within_a_batch(mining):
    (line,) = refused(ONE_EACH, NOBODY, loss="triplet", mining=mining, sampling=GROUPED)
    assert "nobody has two training images" in line


@pytest.mark.parametrize(
    ("held_back", "batch_size"),
    [(ONE_EACH, 90), (np.zeros(4, np.int64), 90), (np.repeat(np.arange(6), 2), 1), (np.repeat(np.arange(6), 2), 2)],
    ids=["one image each", "one person", "batches of one", "batches of one person"],
)
def test_held_back_images_without_a_triplet_in_any_batch_can_choose_no_epoch(held_back, batch_size):
    (line,) = refused(TWO_EACH, held_back, batch_size, loss="triplet")
    assert "their loss would always be 0; give a larger data.validation_split" in line


def test_early_stopping_without_a_held_back_image_is_refused():
    (line,) = refused(TWO_EACH, NOBODY, early_stopping=2)
    assert line == (
        "stage 's': early_stopping: no image is held back to judge by; give more images per person, or remove it"
    )


def test_batches_of_more_people_than_there_are_are_refused_beside_all_else():
    grouped = {"people": 7, "images": 2}
    lines = refused(ONE_EACH, NOBODY, loss="triplet", mining="hard", sampling=grouped, early_stopping=1)
    assert lines[0] == "stage 's': sampling: 7 people per batch, and there are 6; give fewer"
    assert len(lines) == 3


def test_one_person_with_a_second_image_is_enough():
    triplets = Stage("s", "Block8", 2, loss="triplet", early_stopping=1)
    refuse_unmet(triplets, np.array([0, 1, 1]), np.array([0, 0, 1]), 3)
    refuse_unmet(Stage("s", "Logits", 2), ONE_EACH, NOBODY, 90)
