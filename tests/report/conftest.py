"""Three runs on drawn faces: one whose last stage is rolled back, one without LFW, one that was interrupted."""

from __future__ import annotations

from pathlib import Path

import pytest

HEAD = {"name": "head", "train_from": "Logits", "epochs": 2}
BLOCK = {"name": "last block", "train_from": "Block8", "epochs": 2}


def recipe(faces: Path, checkpoint: Path, output: Path, **changes):
    from finetune.recipe.recipe import Recipe

    values = {
        "checkpoint": checkpoint,
        "output": output,
        "data": {"train": faces / "learn", "validation_split": 0.2},
        "lfw": {"dir": faces / "strangers", "pairs": faces / "pairs.txt", "flip": True},
        "batch_size": 8,
        "stages": [HEAD, BLOCK],
    }
    return Recipe.from_values({name: value for name, value in (values | changes).items() if value is not None})


@pytest.fixture(scope="session")
def rolled_back(faces, drawn_checkpoint, tmp_path_factory) -> Path:
    """Run two stages, the second with a gate that hardly anything passes. Strangers are measured after each epoch."""
    from finetune.runs.runner import run

    output = tmp_path_factory.mktemp("runs") / "rolled"
    strict = BLOCK | {"accept": {"metric": "lfw_accuracy", "max_drop": 0.0, "bound": "lower"}}
    data = {"train": faces / "learn", "validation_split": 0.2, "strangers": faces / "strangers"}
    run(recipe(faces, drawn_checkpoint, output, stages=[HEAD, strict], data=data))
    return output


@pytest.fixture(scope="session")
def without_lfw(faces, drawn_checkpoint, tmp_path_factory) -> Path:
    """Run one stage that can be judged by nothing but its loss."""
    from finetune.runs.runner import run

    output = tmp_path_factory.mktemp("runs") / "plain"
    run(recipe(faces, drawn_checkpoint, output, lfw=None, stages=[HEAD], data={"train": faces / "learn"}))
    return output


@pytest.fixture(scope="session")
def interrupted(faces, drawn_checkpoint, tmp_path_factory) -> Path:
    """Stop a run after the first epoch of its second stage."""
    from finetune.errors import Interrupted, Problem
    from finetune.record.histories import Histories
    from finetune.runs.runner import run

    output = tmp_path_factory.mktemp("runs") / "stopped"
    epoch = Histories.epoch

    def stopping(self, state):
        epoch(self, state)
        if state.rows[-1].stage == BLOCK["name"]:
            raise Interrupted(Problem("", "stopped"), 15)

    stopped = recipe(faces, drawn_checkpoint, output)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Histories, "epoch", stopping)
        with pytest.raises(Interrupted):
            run(stopped)
    return output
