"""Rehearsals of recipes: their stages are trained and measured on inputs that are open, and nothing is written."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator

import numpy as np

from finetune.dataset import Dataset
from finetune.errors import Problem
from finetune.model import Model
from finetune.recipe import Recipe
from finetune.record import Evidence, HeldBack, StageResult, ended
from finetune.runs.context import Context
from finetune.runs.evaluation import Evaluation
from finetune.runs.opening import Inputs
from finetune.runs.stage import OnEpoch, StageRun
from finetune.training import StageFailed, StageState, Trainer, replication_of, trained

OnStage = Callable[[StageResult], object]


class Rehearsal:
    """Training of recipes on the same images, each from the same weights.

    A recipe gets the figures that `finetune run` would give. Images, checkpoint and baseline are taken once for all
    recipes, which may differ in their stages, batch size and augmentation.

    Args:
        inputs: inputs on one device. The weights that their model has now are those that each recipe starts from.
    """

    def __init__(self, inputs: Inputs) -> None:
        self.inputs = inputs

    @contextlib.contextmanager
    def run(
        self, recipe: Recipe, on_epoch: OnEpoch | None = None, on_stage: OnStage | None = None
    ) -> Iterator[list[StageResult]]:
        """Train the stages of a recipe, and yield their results. Inside the context the model has their weights.

        Args:
            recipe: recipe whose keys for images, checkpoint and pairs are those of the inputs.
            on_epoch: function that is called with the row of each finished epoch.
            on_stage: function that is called with the result of each finished stage.

        Raises:
            DataError: a stage needs more images than there are.
            StageFailed: the loss became NaN, or the embeddings collapsed.
            RunError: an image can no longer be read.
        """
        context = Context.of(dataclasses.replace(self.inputs, recipe=recipe), writes=False)
        model, start = context.model, self._start
        began = model.tensors(_trained(model, recipe))
        results: list[StageResult] = []
        try:
            for stage in recipe.stages:
                if ended(recipe, results):
                    break
                context.inputs.refuse_unmet(stage)
                trainer = Trainer(model, stage, replication_of(self.inputs.strategy), self.inputs.train.labels)
                results.append(StageRun(context, stage, start, results, on_epoch).run(trainer, StageState()).result)
                if results[-1].failure:
                    raise StageFailed(Problem("", results[-1].failure))
                if on_stage:
                    on_stage(results[-1])
            yield results
        finally:
            model.assign(began)

    def named(self, recipe: Recipe, images: Dataset) -> HeldBack:
        """Train a recipe, and name other images of its people with its classifier.

        Args:
            recipe: recipe as for `run`.
            images: images of the people in training, at least one.

        Raises:
            FinetuneError: an error of `run`.
        """
        with self.run(recipe):
            evaluation = Evaluation(dataclasses.replace(self.inputs, recipe=recipe, validation=images))
            named = evaluation.held_back(evaluation.embedder())
        assert named is not None  # there are images
        return named

    @functools.cached_property
    def _start(self) -> Evidence:
        """Measurements before the first stage."""
        evaluation = Evaluation(self.inputs)
        embedder = evaluation.embedder()
        sets, trade_off = evaluation.sets(embedder), evaluation.trade_off(embedder)
        return Evidence(sets, trade_off, evaluation.held_back_by_mean(embedder, trade_off))


def without_pairs(inputs: Inputs) -> Inputs:
    """Return the inputs without pairs and held-out identities to measure, which take time after each stage."""
    selection = inputs.selection and dataclasses.replace(inputs.selection, strangers=None)
    return dataclasses.replace(inputs, sets=(), selection=selection)


def without_validation(inputs: Inputs) -> Inputs:
    """Return the inputs without validation images."""
    return dataclasses.replace(inputs, validation=inputs.train.take(np.arange(0)))


def _trained(model: Model, recipe: Recipe) -> list[str]:
    """Return the TF1 names of the variables that any stage of a recipe may change."""
    return list({name: None for stage in recipe.stages for name in trained(model.backbone, model.variables, stage)})
