"""Sections are checked values. One that can't be read hides no other problem, and no rule stumbles over it."""

from __future__ import annotations

import copy
import math
import pickle
import re
from collections.abc import Iterator
from itertools import combinations
from typing import Annotated, Any

import numpy as np
import pydantic
import pytest

from finetune.errors import RecipeError
from finetune.recipe.accept import Accept
from finetune.recipe.recipe import Recipe
from finetune.schema import Range, Unread, read, wants
from finetune.training.objectives.batches import Mining
from finetune.training.optimization.optimizer import Optimizer

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
    "augment": {"random_crop": True, "random_flip": True, "random_rotate": 10, "random_zoom": 0.1, "views": 2}
    | {"camera": {"grey": 0.5, "resolution": [16, 64], "noise": [0, 10], "jpeg": [20, 60]}},
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
            "distillation": {"factor": 20, "of": "same"},
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
        {"name": "all", "train_from": "Block8", "epochs": 1, "accept": {"worst": "accuracy", "max_drop": 0.01}},
        {"name": "last", "train_from": "Block8", "epochs": 1, "accept": {"metric": "novel.val", "max_drop": 0.01}},
    ],
    "measure": [
        {
            "name": "novel",
            "images": "novel",
            "pairs": "novel.txt",
            "protocol": "fixed_far",
            "far": 0.01,
            "distance": "cosine",
            "flip": True,
            "missing": "skip",
            "sample": 0.5,
        },
        {"name": "old-2", "images": "old", "pairs": "old.txt", "protocol": "k_fold", "subtract_mean": True},
    ],
}
WRONG: tuple[Any, ...] = (None, "nonsense", -1, {"x": 1}, object())


def places(values: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield each place that has a value, sections and lists included."""
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
    """Return the problems of a recipe. Any other error than a RecipeError fails the test."""
    try:
        Recipe.from_values(values)
    except RecipeError as error:
        return tuple(map(str, error.problems))
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
        changes += [
            (("augment", "random_flip"), False),
            (("augment", "random_rotate"), 0),
            (("augment", "random_zoom"), 0),
            (("augment", "camera"), None),
        ]
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


def test_a_section_is_a_value_that_does_not_change():
    one, other = Mining("random", candidates=7), Mining(negatives="random", candidates=np.int64(7))
    assert one == other
    assert hash(one) == hash(other)
    assert one != Mining("random")
    with pytest.raises(ValueError, match="frozen"):
        one.candidates = 8
    assert copy.deepcopy(one) == pickle.loads(pickle.dumps(one)) == one


def test_a_copy_with_other_values_is_checked_like_any():
    accept = Accept("lfw_val", 0.01)
    assert accept.model_copy(update={"max_drop": 1}) == Accept("lfw_val", 1.0)
    assert accept == Accept("lfw_val", 0.01)
    for change, line in {
        ("max_drop", 2): "Accept.max_drop: found 2; give a number from 0 to 1",
        ("retries", 2): "Accept.retries: found it with otherwise: continue; give otherwise: retry, or drop it",
        ("max_dorp", 1): "Accept.max_dorp: unknown key; did you mean 'max_drop'?",
    }.items():
        with pytest.raises(RecipeError, match=re.escape(line)):
            accept.model_copy(update=dict([change]))


def test_pydantic_s_own_ways_in_let_nothing_through_that_could_not_be_read():
    assert Accept.model_validate({"metric": "lfw_val", "max_drop": 0}) == Accept("lfw_val", 0)
    for validate in (Accept.model_validate, pydantic.TypeAdapter(Accept).validate_python):
        with pytest.raises(RecipeError, match=r"Accept\.metric: found the text 'x'; give lfw_accuracy"):
            validate({"metric": "x", "max_drop": 0})
    with pytest.raises(RecipeError, match=r"Accept\.metric: missing; give lfw_accuracy"):
        Accept.model_validate_json("{}")


@pytest.mark.parametrize("make", [lambda: Mining("random", negatives="hard"), lambda: Mining(*"abcde")])
def test_a_value_is_given_once_and_for_a_key(make):
    with pytest.raises(TypeError, match="Mining: more values than keys, or one given twice"):
        make()


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"gt": 0}, "a number above 0"),
        ({"ge": 0}, "a number from 0"),
        ({"ge": 0, "le": 1}, "a number from 0 to 1"),
        ({"gt": 0, "le": 1}, "a number above 0, at most 1"),
        ({"ge": 0, "lt": 1}, "a number from 0, below 1"),
        ({"gt": 0, "lt": 1, "of": "a share"}, "a share above 0, below 1"),
        ({"ge": 0, "lt": math.pi, "of": "radians"}, "radians from 0, below pi"),
    ],
)
def test_limits_are_said_in_words_and_hold(limits: dict[str, Any], words: str):
    kind = Annotated[float, Range(**limits)]
    assert wants(kind) == words
    for value in (-1, 0, 0.5, 1, 3, math.pi, 4, math.inf, math.nan):
        inside = {"gt": value > limits.get("gt", -9), "ge": value >= limits.get("ge", -9)} | {
            "lt": value < limits.get("lt", 1e9),
            "le": value <= limits.get("le", 1e9),
        }
        assert isinstance(read(value, kind), Unread) != all(inside.values()), value
