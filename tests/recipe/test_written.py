"""A recipe that is written and read again is equal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from finetune.recipe.recipe import Recipe
from finetune.recipe.stage import Stage
from tests.recipe.conftest import GOOD, load

PATHS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12).filter(lambda p: p[0] != "~")
RATE = st.floats(1e-9, 1e3)
LEARNING_RATES: st.SearchStrategy[Any] = st.one_of(
    RATE,
    st.dictionaries(st.integers(2, 99), RATE, max_size=3).map(lambda steps: {1: 0.5, **steps}),
    st.fixed_dictionaries({"schedule": st.just("cosine"), "initial": RATE, "final": st.floats(0, 1)}),
    st.fixed_dictionaries({"schedule": st.just("exponential"), "initial": RATE, "decay": RATE.filter(lambda x: x <= 1)})
    .map(lambda value: value | {"every": 2}),
    st.just({"file": "data/learning_rate_schedule_classifier_casia.txt"}),
)  # fmt: skip
STAGES = st.builds(
    Stage,
    name=st.from_regex(r"[A-Za-z0-9_-]([A-Za-z0-9 _-]{0,8}[A-Za-z0-9_-])?", fullmatch=True),
    train_from=st.just("Block8"),
    epochs=st.integers(1, 99),
    learning_rate=LEARNING_RATES,
    optimizer=st.sampled_from(["adam", {"name": "rmsprop", "constants": "facenet"}, {"name": "momentum"}]),
    batch_norm=st.sampled_from(["frozen", "train"]),
    keep_probability=st.floats(0.1, 1),
    weight_decay=st.floats(0, 1),
    prelogits_norm=st.builds(dict, factor=st.floats(0, 1), p=st.floats(0.5, 4)),
    early_stopping=st.none() | st.integers(1, 9),
    accept=st.none() | st.builds(dict, metric=st.just("lfw_auc"), max_drop=st.floats(0, 1)),
)
RECIPES = st.builds(
    Recipe,
    checkpoint=PATHS.map(Path),
    output=PATHS.map(Path),
    data=st.builds(dict, train=PATHS, validation_split=st.floats(0.01, 0.9), min_images_per_person=st.integers(1, 9)),
    stages=st.lists(STAGES, min_size=1, max_size=3, unique_by=lambda stage: stage.slug.casefold()),
    seed=st.integers(0, 2**31 - 1),
    preprocessing=st.sampled_from([{}, {"image_size": 182}, {"standardization": "per_image"}]),
    augment=st.sampled_from([{}, {"random_flip": True, "views": 3}, {"random_crop": True, "random_rotate": 7.5}]),
    lfw=st.builds(dict, dir=PATHS, pairs=PATHS, flip=st.booleans(), missing=st.just("skip")),
    batch_size=st.integers(1, 999),
    cache=st.sampled_from(["auto", "off"]),
    precision=st.sampled_from(["float32", "bfloat16"]),
    strategy=st.sampled_from(["none", "mirrored", "multi_worker"]),
)


@given(RECIPES)
def test_a_recipe_written_and_read_again_is_equal(recipe: Recipe):
    text = recipe.to_yaml()
    again = load(text)
    assert again == recipe
    assert again.to_yaml() == text


def test_a_recipe_without_lfw_is_written_without_it():
    text = load(GOOD.replace("lfw: {dir: lfw, pairs: pairs.txt}\n", "")).to_yaml()
    assert "lfw" not in text
    assert load(text).lfw is None
