"""The plan: what it refuses, what it says of the data, and what it says the run will cost."""

from __future__ import annotations

import pytest

from finetune.errors import DataError
from finetune.recipe import Stage

pytest.importorskip("tensorflow")
from finetune.runs.plan import plan

pytestmark = pytest.mark.tf


def planned(tuner, *stages):
    import dataclasses

    return plan(dataclasses.replace(tuner.inputs, recipe=dataclasses.replace(tuner.recipe, stages=stages)))


def test_stages_that_could_take_no_step_are_refused_by_the_plan_and_before_anything_is_written(make, tmp_path):
    tuner = make(data={"train": make.faces, "validation_split": 0.9})  # 6 images each: 5 held back, 1 trained on
    first = Stage("first", "Block8", 1, loss="triplet")
    grouped = Stage("second", "Block8", 1, sampling={"people": 5, "images": 2})
    with pytest.raises(DataError) as caught:
        planned(tuner, first, grouped)
    assert [line.split(":")[0] for line in caught.value.problems] == ["stage 'first'", "stage 'second'"]
    with pytest.raises(DataError, match="nobody has two training images"):
        tuner.run(first)
    assert not (tmp_path / "run").exists()
    assert tuner.recipe.stages == ()
