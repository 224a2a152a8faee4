"""A rehearsal gives the figures of a run, leaves the weights as they were, and writes nothing."""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.tf


@pytest.fixture
def rehearsal(inputs, monkeypatch):
    from finetune.runs import rehearsal as module
    from tests.runs import of_numbers

    monkeypatch.setattr(module, "Trainer", of_numbers.Trainer)
    monkeypatch.setattr(module, "Evaluation", of_numbers.Evaluation)
    return module.Rehearsal(inputs)


def figures(results):
    """Return what was measured after each stage."""
    return [
        (
            result.name,
            result.accepted,
            result.reason,
            result.kept_epoch,
            result.validation_loss,
            result.trained.held_back.accuracy,
            result.trained.lfw.accuracy,
            result.trained.trade_off.strangers.accuracy,
        )
        for result in results
    ]


def test_its_figures_are_those_of_a_run(rehearsal, inputs, run):
    from finetune.record import RunFolder, stored_results

    recipe = inputs.recipe
    with rehearsal.run(recipe) as results:
        pass
    run(resume=False)
    _, of_run = stored_results(RunFolder(recipe.output), recipe.stages)
    assert [name for name, *_ in figures(results)] == ["head", "too much", "last"]
    assert figures(results) == figures(of_run)


def test_the_weights_are_the_recipes_inside_and_as_before_outside_and_nothing_is_written(rehearsal, inputs):
    before = inputs.model.tensors()
    with rehearsal.run(inputs.recipe):
        changed = inputs.model.tensors()
    after = inputs.model.tensors()
    assert any(not np.array_equal(before[name], changed[name]) for name in before)
    assert all(np.array_equal(before[name], after[name]) for name in before)
    assert not inputs.recipe.output.exists()


def test_the_weights_are_as_before_after_an_error_too(rehearsal, inputs):
    before = inputs.model.tensors()

    def stop(row):
        if row.stage == "last":
            raise KeyError

    with pytest.raises(KeyError), rehearsal.run(inputs.recipe, stop):
        pass
    assert all(np.array_equal(before[name], value) for name, value in inputs.model.tensors().items())


def test_rows_and_results_are_told_as_they_come(rehearsal, inputs):
    told = []
    with rehearsal.run(
        inputs.recipe, lambda row: told.append((row.stage, row.attempt, row.epoch)), lambda of: told.append(of.name)
    ):
        assert told[:3] == [("head", 1, 1), "head", ("too much", 1, 1)]
        assert told[-3:] == [("last", 1, 1), ("last", 1, 2), "last"]


def test_one_rehearsal_may_go_on_from_the_weights_of_another(rehearsal, inputs):
    recipe, (head, *_) = inputs.recipe, inputs.recipe.stages
    first = recipe.model_copy(update={"stages": (head,)})
    with rehearsal.run(first) as alone:
        pass
    with rehearsal.run(first), rehearsal.run(first) as after:
        pass
    assert figures(after) != figures(alone)


def test_without_pairs_and_validation_neither_is_measured(rehearsal, inputs):
    from finetune.runs.rehearsal import Rehearsal, without_pairs, without_validation

    recipe = inputs.recipe.model_copy(update={"stages": inputs.recipe.stages[:1]})
    with Rehearsal(without_validation(without_pairs(inputs))).run(recipe) as (result,):
        assert (result.trained.sets, result.trained.trade_off, result.trained.held_back) == ({}, None, None)
        assert result.validation_loss is None


def test_a_recipe_that_stops_after_a_roll_back_ends_there(rehearsal, inputs):
    head, too_much, last = inputs.recipe.stages
    accept = too_much.accept.model_copy(update={"otherwise": "stop", "rate_factor": None})
    stages = head, too_much.model_copy(update={"accept": accept}), last
    with rehearsal.run(inputs.recipe.model_copy(update={"stages": stages})) as results:
        assert [(result.name, result.accepted) for result in results] == [("head", True), ("too much", False)]


def test_a_loss_that_is_not_finite_ends_it_although_an_epoch_was_kept(rehearsal, inputs, monkeypatch):
    from finetune.training import StageFailed
    from tests.runs import of_numbers

    step = of_numbers.Trainer.step
    monkeypatch.setattr(
        of_numbers.Trainer, "step", lambda *of, **given: step(*of, **given) | ({"loss": np.nan} if told else {})
    )
    told = []
    before = inputs.model.tensors()
    head = inputs.recipe.stages[0].model_copy(update={"learning_rate": 0.01})
    recipe = inputs.recipe.model_copy(update={"stages": [head]})
    with pytest.raises(StageFailed, match="the loss became nan"), rehearsal.run(recipe, told.append):
        pass
    assert [(row.stage, row.epoch) for row in told] == [("head", 1)]
    assert all(np.array_equal(before[name], value) for name, value in inputs.model.tensors().items())
