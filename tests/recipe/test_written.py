"""A recipe that is written and read again is equal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import given, strategies as st

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
    augment=st.sampled_from(
        [
            {},
            {"random_flip": True, "views": 3},
            {"random_crop": True, "random_rotate": 7.5},
            {"random_zoom": 0.1, "random_cutout": 0.5},
            {"camera": {"resolution": [16, 64], "low_light": [0.5, 1], "grey": True}, "views": 2},
        ]
    ),
    lfw=st.builds(dict, dir=PATHS, pairs=PATHS, flip=st.booleans(), missing=st.just("skip")),
    batch_size=st.integers(1, 999),
    cache=st.sampled_from(["auto", "off"]),
    precision=st.sampled_from(["float32", "bfloat16"]),
    strategy=st.sampled_from(["none", "mirrored", "multi_worker"]),
)


WRITTEN = """\
checkpoint: m
output: r
data:
  train: faces
  align: false
  validation_split: 0.2
  min_images_per_person: 2
  strangers: 0.1
  filter: {percentile: 99.0, min_images_per_person: 2}
stages:
- name: head
  train_from: Logits
  epochs: 5
  learning_rate: {schedule: cosine, initial: 0.01, final: 0.001}
  optimizer: {name: adam, epsilon: 0.1}
  batch_norm: frozen
  keep_probability: 1.0
  loss: {name: arcface, margin: 0.5, scale: 64.0}
  init: prototypes
  sampling: shuffled
  weight_decay: 0.0
  l2_sp: 0.0
  distillation: 0.0
  center_loss: {factor: 0.1, alfa: 0.9}
  prelogits_norm: {factor: 0.1, p: 2.0}
  warmup_epochs: 0.0
  layer_decay: 1.0
  clip_norm: 1.0
  ema: 0.9
  early_stopping: 3
  accept: {metric: lfw_val, max_drop: 0.01, bound: lower, otherwise: retry, retries: 2, rate_factor: 0.5, since: previous}
- name: body
  train_from: Block8
  epochs: 2
  learning_rate: {0: 0.01, 3: 0.001, 5: '-'}
  optimizer: {name: rmsprop, epsilon: 0.5, rho: 0.5}
  batch_norm: frozen
  keep_probability: 1.0
  loss: {name: triplet, distance: squared, margin: 0.2}
  sampling: {people: 18, images: 5}
  mining: {negatives: semi_hard, then: bank, candidates: 9, tolerance: 0.1}
  weight_decay: 0.0
  l2_sp: 0.0
  distillation: 0.0
  center_loss: {factor: 0.0, alfa: 0.95}
  prelogits_norm: {factor: 0.0, p: 1.0}
  warmup_epochs: 0.0
  layer_decay: 1.0
  ema: 0.0
  accept: {metric: strangers_auc, max_drop: 0.01, bound: estimate, otherwise: continue, since: previous}
seed: 1
backbone: inception_resnet_v1
averages: false
preprocessing: {image_size: 160, standardization: fixed}
augment: {random_crop: true, random_flip: true, random_rotate: 10.0, views: 2}
lfw: {dir: lfw, pairs: p.txt, distance: cosine, subtract_mean: true, flip: true, missing: error}
batch_size: 90
cache: memory
precision: float32
runtime: tensorflow
strategy: none
history: {tensorboard: true, stat_h5: false}
"""  # noqa: E501
"""A recipe from a run of an earlier version. Each byte must stay, because a run is resumed by it."""


@given(RECIPES)
def test_a_recipe_written_and_read_again_is_equal(recipe: Recipe):
    text = recipe.to_yaml()
    again = load(text)
    assert again == recipe
    assert again.to_yaml() == text


def test_a_recipe_is_written_as_it_always_was():
    assert load(WRITTEN).to_yaml() == WRITTEN


def test_a_recipe_without_lfw_is_written_without_it():
    text = load(GOOD.replace("lfw: {dir: lfw, pairs: pairs.txt}\n", "")).to_yaml()
    assert "lfw" not in text
    assert load(text).lfw is None
