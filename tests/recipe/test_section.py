"""A value that can't be read hides no other problem, and no rule between fields stumbles over it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pytest

from finetune.errors import RecipeError
from finetune.recipe.batches import Mining
from finetune.recipe.optimizer import Optimizer
from finetune.recipe.recipe import Recipe
from finetune.recipe.sections import Accept

WHOLE: dict[str, Any] = {
    "checkpoint": "m",
    "output": "r",
    "seed": 1,
    "data": {
        "train": "faces",
        "align": False,
        "validation_split": 0.2,
        "min_images_per_person": 2,
        "strangers": 0.1,
        "filter": {"percentile": 99, "min_images_per_person": 2},
    },
    "preprocessing": {"image_size": 160, "standardization": "fixed"},
    "augment": {"random_crop": True, "random_flip": True, "random_rotate": 10, "views": 2},
    "lfw": {"dir": "lfw", "pairs": "p.txt", "distance": "cosine", "subtract_mean": True, "flip": True},
    "batch_size": 90,
    "cache": "memory",
    "precision": "float32",
    "runtime": "tensorflow",
    "strategy": "none",
    "history": {"tensorboard": True, "stat_h5": False},
    "stages": [
        {
            "name": "head",
            "train_from": "Logits",
            "epochs": 5,
            "learning_rate": {"schedule": "cosine", "initial": 0.01, "final": 0.001},
            "optimizer": {"name": "adam", "epsilon": 0.1},
            "loss": {"name": "arcface", "margin": 0.5, "scale": 64},
            "init": "prototypes",
            "center_loss": {"factor": 0.1, "alfa": 0.9},
            "prelogits_norm": {"factor": 0.1, "p": 2},
            "clip_norm": 1,
            "ema": 0.9,
            "early_stopping": 3,
            "accept": {
                "metric": "lfw_val",
                "max_drop": 0.01,
                "bound": "lower",
                "otherwise": "retry",
                "retries": 2,
                "rate_factor": 0.5,
            },
        },
        {
            "name": "body",
            "train_from": "Block8",
            "epochs": 2,
            "learning_rate": {0: 0.01, 3: 0.001},
            "loss": {"name": "triplet", "distance": "squared", "margin": 0.2},
            "sampling": {"people": 18, "images": 5},
            "mining": {"negatives": "semi_hard", "then": "bank", "candidates": 9, "tolerance": 0.1},
            "accept": {"metric": "strangers_auc", "max_drop": 0.01},
        },
    ],
}
WRONG: tuple[Any, ...] = (None, "nonsense", -1, {"x": 1}, object())


def places(values: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where there is a value, sections and lists included."""
    if at:
        yield at
    if isinstance(values, (dict, list)):
        for key in values if isinstance(values, dict) else range(len(values)):
            yield from places(values[key], (*at, key))


def with_values(*changes: tuple[tuple[Any, ...], Any]) -> dict[str, Any]:
    values = copy.deepcopy(WHOLE)
    for at, value in changes:
        holder: Any = values
        for key in at[:-1]:
            holder = holder[key]
        holder[at[-1]] = value
    return values


def problems(values: dict[str, Any]) -> tuple[str, ...]:
    """What is wrong with a recipe; anything but a RecipeError fails the test."""
    try:
        Recipe.from_values(values)
    except RecipeError as error:
        return error.problems
    return ()


PLACES = list(places(WHOLE))


def test_the_recipe_is_sound():
    assert problems(WHOLE) == ()
    assert len(PLACES) > 80


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: f"{type(wrong).__name__}")
def test_a_value_that_can_not_be_read_hides_no_other(wrong):
    for at in PLACES:
        if at[0] != "seed":
            found = problems(with_values((("seed",), "no seed"), (at, wrong)))
            assert any("seed: found" in line for line in found), at


def test_two_values_that_can_not_be_read_make_no_rule_stumble():
    for one, other in list(combinations(PLACES, 2))[::7]:
        if other[: len(one)] != one:
            assert problems(with_values((one, object()), (other, object()))), (one, other)


def test_an_unknown_metric_is_told_beside_all_else():
    values = with_values((("stages", 0, "accept", "metric"), "accuracy"), (("seed",), "x"), (("batch_size",), 0))
    assert problems(values) == (
        "Recipe.stages[0].accept.metric: found the text 'accuracy'; did you mean 'lfw_accuracy'?",
        "Recipe.seed: found the text 'x'; give a whole number from 0 to 2147483647",
        "Recipe.batch_size: found 0; give a whole number of images from 1",
    )


@pytest.mark.parametrize(
    ("at", "wrong"),
    [
        (("augment", "random_crop"), "yes"),
        (("stages", 1, "loss"), {"name": "tripet"}),
        (("stages", 1, "loss"), "tripet"),
        (("stages", 1, "loss", "margin"), -1),
        (("stages", 1, "mining"), "semihard"),
        (("stages", 1, "mining", "negatives"), "semihard"),
        (("stages", 1, "sampling"), "balance"),
        (("stages", 1, "sampling", "people"), 1),
        (("stages", 0, "accept", "otherwise"), "repeat"),
        (("lfw",), "lfw"),
        (("lfw", "dir"), 3),
        (("data", "strangers"), 3),
        (("data", "validation_split"), 3),
        (("stages", 1, "train_from"), "Block9"),
    ],
)
def test_what_a_value_was_meant_to_say_is_no_second_problem(at, wrong):
    changes = [(at, wrong)]
    if at[0] == "augment":
        changes += [(("augment", "random_flip"), False), (("augment", "random_rotate"), 0)]
    if at[-1] == "negatives":
        changes += [(("stages", 1, "mining", "then"), None)]
    assert len(problems(with_values(*changes))) == 1


def test_sections_made_in_python_are_checked_alike():
    for make in (
        lambda: Accept("accuracy", 0.01),
        lambda: Optimizer("adam", 3),  # type: ignore[arg-type]
        lambda: Optimizer("adm", 3),  # type: ignore[arg-type]
        lambda: Mining("semihard", "bank"),  # type: ignore[arg-type]
    ):
        with pytest.raises(RecipeError):
            make()
