"""Fixtures of searches on a run of a few numbers, which takes a moment."""

from __future__ import annotations

from pathlib import Path

import pytest

RECIPE = """\
checkpoint: {folder}/checkpoint
output: {folder}/run
data: {{train: {faces}/learn, validation_split: 0.34}}
batch_size: 8
stages:
  - {{name: head, train_from: Logits, epochs: 2, learning_rate: 0.2}}
"""


@pytest.fixture
def numbers(faces, tmp_path, monkeypatch) -> Path:
    """Write a recipe of one stage, whose rate decides how bad the embeddings become, and return its path.

    Inputs are those of a run of a few numbers.
    """
    from finetune.dataset.splitting import split_validation
    from finetune.runs import rehearsal
    from finetune.runs.opening import Inputs
    from tests.runs import of_numbers

    inputs = of_numbers.standing_in(faces, tmp_path, monkeypatch)
    monkeypatch.setattr(rehearsal, "Trainer", of_numbers.Trainer)
    monkeypatch.setattr(rehearsal, "Evaluation", of_numbers.Evaluation)

    def opened(recipe, *_):
        import dataclasses

        train, validation = split_validation(inputs.scan.dataset, recipe.data.validation_split, recipe.seed)
        return dataclasses.replace(inputs, recipe=recipe, train=train, validation=validation)

    monkeypatch.setattr(Inputs, "open", opened)
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE.format(folder=tmp_path, faces=faces))
    return path


@pytest.fixture
def plan(numbers, tmp_path):
    """Return a function that makes the plan of a search over the rate, with changes."""
    from finetune.recipe.recipe import Recipe
    from finetune.tuning.searching import Plan
    from finetune.tuning.space import Span

    def plan(**changes):
        arguments = {
            "load": lambda values: Recipe.load(numbers, values),
            "space": {"stages.0.learning_rate": Span(1e-5, 1.0, log=True)},
            "trials": 8,
            "held_out": 0.2,
            "output": tmp_path / "tuned",
        }
        return Plan(**(arguments | changes))

    return plan
