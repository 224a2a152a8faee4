"""A recipe from first to last, and what it prints at its end."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from finetune.recipe.recipe import Recipe

pytest.importorskip("tensorflow")
from finetune.runs import evaluation
from finetune.runs.runner import run

pytestmark = pytest.mark.tf


@pytest.mark.slow
def test_a_run_ends_with_the_stage_to_use_and_the_next_command_uses_it(
    faces, drawn_checkpoint, tmp_path, without_reports, monkeypatch, capsys
):
    measure, answers = evaluation.measure_sets, []

    def measured(*arguments):
        """Return a result. The last stage does harm: a quarter of the pairs is right, before it every pair."""
        (result,) = measure(*arguments).values()
        correct = np.arange(result.n_pairs) < result.n_pairs * (1.0, 1.0, 0.25)[len(answers)]
        answers.append(correct)
        return {"lfw": dataclasses.replace(result, correct=correct, accuracy=float(correct.mean()))}

    monkeypatch.setattr(evaluation, "measure_sets", measured)
    values = {
        "checkpoint": drawn_checkpoint,
        "output": tmp_path / "run",
        "data": {"train": faces / "learn", "validation_split": 0.2},
        "lfw": {"dir": faces / "strangers", "pairs": faces / "pairs.txt"},
        "preprocessing": {"standardization": "fixed"},
        "batch_size": 8,
        "stages": [
            {"name": "head", "train_from": "Logits", "epochs": 1},
            {"name": "last block", "train_from": "Block8", "epochs": 1},
        ],
    }
    run(Recipe.from_values(values))
    lines = capsys.readouterr().out.splitlines()
    harm = "worse than before the stage and before the run: LFW accuracy fell from 1.0000 to 0.2500"
    assert any(line.startswith(harm) for line in lines)
    assert any(line.startswith(f"last block: {harm}") for line in lines)
    enroll = f"finetune enroll people.h5 {faces / 'learn'} --checkpoint {drawn_checkpoint} --standardization fixed"
    assert f"               for 4 people a gallery without training may do; try it first: {enroll}" in lines
    (verdict,) = (line for line in lines if line.startswith("verdict: "))
    assert verdict.startswith("verdict: Use the checkpoint that you started from, with a gallery:")
    assert "Worse than the start: stage 'last block'" in verdict
    assert lines[lines.index(verdict) + 1] == f"next: {enroll}"
    assert lines[lines.index(verdict) + 2].startswith("then: finetune identify people.h5 FACES   # aligned as ")
    stored = json.loads((tmp_path / "run/result.json").read_text())["verdict"]
    assert stored == {"use": None, "why": verdict.removeprefix("verdict: ")}
