"""The range test raises the rate step by step, says which rate it suggests by which rule, and draws the loss."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from PIL import Image

from finetune.errors import UserError
from finetune.recipe.recipe import Recipe

pytestmark = pytest.mark.tf


def bowl(steps=100, lowest=0.1, noise=0.0):
    """Return the result of a test whose loss falls from 3 to 1 at a rate, and rises again."""
    from finetune.tuning.rate_range import RateRange

    rates = np.geomspace(1e-5, 10, steps)
    distance = np.log10(rates / lowest)
    losses = 1 + 2 * np.minimum(1, (distance / 2) ** 2) + np.random.default_rng(0).normal(0, noise, steps)
    return RateRange("head", rates, losses)


@pytest.mark.parametrize("lowest", [0.001, 0.1])
@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_a_tenth_of_the_rate_with_the_lowest_loss_is_suggested(lowest, noise):
    found = bowl(lowest=lowest, noise=noise)
    assert found.suggested == pytest.approx(lowest / 10, rel=0.4)
    assert lowest / 200 < found.rates[found.steepest] < lowest
    assert f"suggested learning_rate {found.suggested:.2g}, a tenth of the rate with the lowest loss" in str(found)


def test_a_loss_that_does_not_fall_suggests_nothing():
    from finetune.tuning.rate_range import RateRange

    found = RateRange("head", np.geomspace(1e-3, 1, 50), np.linspace(1, 2, 50))
    assert found.suggested is None
    assert str(found) == ("stage 'head': the loss does not fall in this range; give another range, or more --steps")


def test_a_loss_that_falls_to_the_end_asks_for_a_higher_range():
    from finetune.tuning.rate_range import RateRange

    found = RateRange("head", np.geomspace(1e-3, 1, 50), np.linspace(2, 1, 50))
    assert found.suggested == pytest.approx(0.1)
    assert str(found).endswith("it still falls at the end: give a higher range")


def test_the_table_and_the_picture_hold_the_test(tmp_path):
    from finetune.tuning.rate_range import write_rate_range

    found = bowl(steps=40)
    table, picture = write_rate_range(tmp_path, found)
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [float(row["learning_rate"]) for row in rows] == found.rates.tolist()
    assert [float(row["loss"]) for row in rows] == found.losses.tolist()
    with Image.open(picture) as image:
        image.load()
        assert image.format == "PNG"
        assert min(image.size) > 400
    before = picture.read_bytes()
    write_rate_range(tmp_path, found)
    assert picture.read_bytes() == before


@pytest.fixture
def recipe(faces, drawn_checkpoint, tmp_path):
    return Recipe.from_values(
        {
            "checkpoint": str(drawn_checkpoint),
            "output": str(tmp_path / "run"),
            "data": {"train": str(faces / "learn"), "validation_split": 0.2},
            "augment": {"random_flip": True},
            "lfw": {"dir": str(faces / "strangers"), "pairs": str(faces / "pairs.txt")},
            "batch_size": 8,
            "stages": [
                {"name": "head", "train_from": "Logits", "epochs": 9, "early_stopping": 1, "weight_decay": 1e-3},
                {
                    "name": "more",
                    "train_from": "Logits",
                    "epochs": 1,
                    "accept": {"metric": "lfw_accuracy", "max_drop": 0},
                },
            ],
        }
    )


@pytest.mark.slow
def test_on_drawn_faces_the_loss_falls_and_then_rises(recipe):
    from finetune.tuning.rate_range import find_rate_range

    found = find_rate_range(recipe, 1e-5, 1000, steps=60)  # drawn faces are learned at any rate: the penalty rises
    assert found.stage == "head"
    assert found.rates[0] == pytest.approx(1e-5)
    assert found.rates[-1] == pytest.approx(1000)
    assert np.allclose(np.diff(np.log(found.rates)), np.diff(np.log(found.rates))[0])
    lowest = found.smoothed[found.lowest]
    assert lowest < 0.8 * found.smoothed[0]
    assert found.smoothed[-1] > 2 * lowest
    assert 1e-5 < found.suggested < 100
    assert not recipe.output.exists()
    later = find_rate_range(recipe, 1e-5, 1, stage="more", steps=20)
    assert later.stage == "more"
    assert later.losses[0] < found.losses[0], "the first stage has been trained"


def test_a_stage_that_is_none_is_one_line(recipe):
    from finetune.tuning.rate_range import find_rate_range

    with pytest.raises(UserError, match="--stage: no stage is named 'last'; the stages are 'head' and 'more'"):
        find_rate_range(recipe, 1e-5, 1, stage="last")
