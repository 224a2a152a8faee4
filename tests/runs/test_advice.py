"""Advice before training: the recipe that fits, stages with nothing to learn from, and the longest stage."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from finetune import Stage
from finetune.backbones import BACKBONES, DEFAULT
from finetune.recipe import Augment
from finetune.runs.advice import ENOUGH, UNLIKE, advice
from finetune.runs.cost import Cost

pytestmark = pytest.mark.tf

HEAD = Stage("head", "Logits", 1)
DEEP = Stage("deep", "Repeat_2", 1)


def said(people, images, distance=0.003, stages=(HEAD,), seconds=60.0, augment=None, labels=None, checkpoint="c"):
    inputs = SimpleNamespace(
        recipe=SimpleNamespace(
            checkpoint=checkpoint, stages=stages, data=SimpleNamespace(labels=labels), augment=augment or Augment()
        ),
        model=SimpleNamespace(backbone=BACKBONES[DEFAULT]),
        scan=SimpleNamespace(dataset=SimpleNamespace(class_names=["x"] * people)),
        train=[None] * images,
    )
    seconds = seconds if isinstance(seconds, list) else [seconds] * len(stages)
    parts = [Cost("baseline", 10.0), *(Cost(stage.name, each) for stage, each in zip(stages, seconds, strict=True))]
    return advice(inputs, distance, parts)


@pytest.mark.parametrize(
    ("people", "images", "distance", "recipe"),
    [
        (20, 600, 0.003, "few"),
        (21, 21 * 8, 0.003, "small"),
        (74, 74 * 8 - 1, 0.003, "few"),
        (74, 860, 0.003, "small"),
        (999, 20_000, 0.003, "small"),
        (1000, 20_000, 0.003, "large"),
        (5, 50, UNLIKE, "domain"),
        (5000, 90_000, 0.25, "domain"),
        (74, 860, None, "small"),
    ],
)
def test_the_recipe_follows_counts_and_look(people, images, distance, recipe):
    (line,) = said(people, images, distance)
    assert line.startswith(f"recipes/{recipe}.yaml fits {people} people with {images / people:.0f} images each")
    assert (distance is None) == ("statistics" not in line)
    if distance is not None:
        assert ("unlike the checkpoint's" in line) == (distance >= UNLIKE)
        assert f"{distance:.3f} apart" in line


def test_images_without_names_have_a_recipe_of_their_own():
    (line,) = said(0, 500, labels="none")
    assert line.startswith("recipes/unlabelled.yaml fits 500 images without names")


def test_few_people_like_the_checkpoint_s_are_told_that_the_embeddings_gain_nothing():
    _, line = said(ENOUGH - 1, 860, stages=(HEAD, DEEP), seconds=[60.0, 1800.0])
    assert line.startswith("warning: with fewer than 100 people no gain of the embeddings has been shown")
    assert "train_from: Logits" in line
    assert line.endswith("saves 30 min")
    assert len(said(ENOUGH, 860, stages=(HEAD, DEEP))) == 1
    assert len(said(ENOUGH - 1, 860)) == 1, "a head alone has nothing to save"
    assert len(said(ENOUGH - 1, 860, stages=(HEAD, DEEP), augment=Augment(camera={"grey": True}))) == 1


def test_other_photos_need_their_own_statistics():
    _, line = said(74, 860, 0.2, stages=(HEAD, DEEP))
    assert line == "warning: batch norm keeps the statistics of other photos than these; set batch_norm: train"
    moving = Stage("deep", "Repeat_2", 1, batch_norm="train")
    assert len(said(74, 860, 0.2, stages=(HEAD, moving))) == 1


def test_the_longest_stage_of_a_long_run_is_named():
    *_, line = said(500, 9000, stages=(HEAD, DEEP), seconds=[600.0, 5400.0])
    assert line == "stage 'deep' takes 90% of the time; see what the stages before it give first"
    assert len(said(500, 9000, stages=(HEAD, DEEP), seconds=[60.0, 540.0])) == 1
    assert len(said(500, 9000, stages=(HEAD, DEEP), seconds=[3000.0, 3000.0])) == 1


def test_random_weights_get_no_advice():
    assert said(74, 860, checkpoint=None) == []
