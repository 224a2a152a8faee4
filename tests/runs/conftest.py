"""Fixtures that make runs on drawn faces, from a checkpoint of drawn weights."""

from __future__ import annotations

import pytest


@pytest.fixture
def make(tmp_path, faces, drawn_checkpoint, without_reports):
    """Return a function that makes a `FineTuner`, with its arguments in place of the usual ones."""
    from finetune.runs.tuner import FineTuner

    def make(**changes):
        arguments = {
            "checkpoint": drawn_checkpoint,
            "data": {"train": faces / "learn", "validation_split": 0.2},
            "output": tmp_path / "run",
            "lfw": {"dir": faces / "strangers", "pairs": faces / "pairs.txt", "flip": True},
            "batch_size": 8,
        }
        return FineTuner(**(arguments | changes))

    make.faces = faces / "learn"
    return make


@pytest.fixture
def inputs(faces, tmp_path, monkeypatch):
    """Return the inputs of a run of a few numbers, which takes a moment."""
    from tests.runs.of_numbers import standing_in

    return standing_in(faces, tmp_path, monkeypatch)


@pytest.fixture
def run(inputs, monkeypatch):
    """Return a function that runs or resumes it, with the weights of a new process."""
    from finetune.runs import runner
    from finetune.runs.opening import Inputs

    restored = inputs.model.tensors()
    monkeypatch.setattr(Inputs, "open", lambda *_, **__: inputs)

    def run(resume=True):
        inputs.model.assign(restored)
        runner.run(inputs.recipe, resume=resume)

    return run
