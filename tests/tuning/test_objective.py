"""A trial is judged by its last stage's gate, or by the accuracy on the validation images, and the name says which."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from finetune.errors import UserError
from finetune.recipe.recipe import Recipe
from finetune.record.held_back import HeldBack
from finetune.record.results import Evidence
from finetune.training.history import EpochRow

pytestmark = pytest.mark.tf

SETS = {
    "lfw": SimpleNamespace(accuracy=0.9, val=0.5, auc=0.95),
    "novel": SimpleNamespace(accuracy=0.7, val=0.6, auc=0.8),
}
EVIDENCE = Evidence(
    SETS, SimpleNamespace(strangers=SimpleNamespace(accuracy=0.8, auc=0.85)), HeldBack(np.array([True, True, False]))
)
ROW = EpochRow("last", 1, 3, {"validation_accuracy": 0.61, "strangers_val": 0.3, "lfw_accuracy": 0.91})


def objective(accept=None, split=0.2):
    from finetune.tuning.objective import objective_of

    stages = [
        {"name": "head", "train_from": "Logits", "epochs": 1, "accept": {"metric": "lfw_auc", "max_drop": 0}},
        {
            "name": "last",
            "train_from": "Block8",
            "epochs": 3,
            **({"accept": accept | {"max_drop": 0}} if accept else {}),
        },
    ]
    values = {
        "checkpoint": "model",
        "output": "out",
        "data": {"train": "faces", "validation_split": split, "strangers": 0.2},
        "lfw": {"dir": "lfw", "pairs": "pairs.txt", "groups": "groups.csv"},
        "measure": [{"name": "novel", "pairs": "novel.bin"}],
        "stages": stages,
    }
    return objective_of(Recipe.from_values(values))


@pytest.mark.parametrize(
    ("accept", "score", "after_an_epoch", "title"),
    [
        (None, 2 / 3, 0.61, "accuracy on the validation images after the last stage"),
        ({"metric": "lfw_accuracy"}, 0.9, 0.91, "lfw_accuracy after the last stage, as in its accept section"),
        ({"metric": "lfw_val"}, 0.5, None, "lfw_val after the last stage, as in its accept section"),
        ({"metric": "strangers_auc"}, 0.85, None, "strangers_auc after the last stage, as in its accept section"),
        ({"metric": "novel.accuracy"}, 0.7, None, "novel.accuracy after the last stage, as in its accept section"),
        ({"worst": "val"}, 0.5, None, "lowest val of all sets after the last stage, as in its accept section"),
        ({"worst": "auc"}, 0.8, None, "lowest auc of all sets after the last stage, as in its accept section"),
    ],
)
def test_the_last_stage_decides_what_a_trial_is_judged_by(accept, score, after_an_epoch, title):
    found = objective(accept)
    assert found.after(EVIDENCE) == pytest.approx(score)
    assert found.within(ROW) == after_an_epoch
    assert found.title == title


def test_the_worst_group_is_that_of_the_result(monkeypatch):
    from finetune.tuning import objective as module

    monkeypatch.setattr(
        module, "worst_group", lambda result, groups: SimpleNamespace(accuracy=0.42, of=(result, groups))
    )
    lfw = SimpleNamespace(groups="groups")
    assert objective({"metric": "worst_group_accuracy"}).after(Evidence({"lfw": lfw})) == 0.42


def test_a_gate_needs_no_validation_images_and_without_one_they_are_needed():
    assert objective({"metric": "lfw_accuracy"}, split=0).gate
    with pytest.raises(UserError, match="data: no validation images judge the trials"):
        objective(split=0)


def test_too_few_images_to_validate_on_are_refused():
    from finetune.tuning.objective import Objective, refuse_unjudged

    inputs = SimpleNamespace(validation=(), recipe=SimpleNamespace(data=SimpleNamespace(train="faces")))
    with pytest.raises(UserError, match="faces: no image is left to validate on; give more images per person, or a"):
        refuse_unjudged(inputs, Objective(None))
    refuse_unjudged(inputs, objective({"metric": "lfw_accuracy"}))
