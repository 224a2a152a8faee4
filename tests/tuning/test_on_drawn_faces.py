"""On drawn faces, trial 0 is the run of the recipe, and a search that was killed goes on to the same end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from finetune.cli import main
from finetune.recipe.recipe import Recipe

pytestmark = [pytest.mark.tf, pytest.mark.slow]

RECIPE = """\
seed: 5
output: {folder}/run
checkpoint: {checkpoint}
data: {{train: {faces}/learn, validation_split: 0.34}}
augment: {{random_flip: true, views: 2}}
batch_size: 4
stages:
  - {{name: head, train_from: Logits, epochs: 3, learning_rate: 0.00001}}
"""
RANGES = """\
stages.head.learning_rate: {low: 1e-6, high: 1.0, log: true}
stages.head.sampling: [shuffled, balanced]
"""


@pytest.fixture
def recipe(faces, drawn_checkpoint, tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE.format(folder=tmp_path, checkpoint=drawn_checkpoint, faces=faces))
    (tmp_path / "ranges.yaml").write_text(RANGES)
    return path


def tune(recipe, output, trials, *options):
    ranges = recipe.parent / "ranges.yaml"
    return ["tune", str(recipe), "--over", str(ranges), "--trials", str(trials), "--output", str(output), *options]


def test_trial_0_is_the_run_of_the_recipe_and_a_good_rate_is_found(recipe, tmp_path, capsys):
    from finetune.runs import run
    from finetune.tuning.trial import best_of, read_trials

    output = tmp_path / "tuned"
    assert main(tune(recipe, output, 8, "--held-out", "0")) == 0
    trials = read_trials(output)
    (result,) = run(Recipe.load(recipe))
    assert trials[0].score == result.validation_accuracy
    best = best_of(trials)
    assert best.score > trials[0].score, "at a rate of 1e-5 the head stays nearly random"
    assert best.values["stages.0.learning_rate"] > 1e-4
    assert main(["check", str(output / "best.yaml")]) == 0
    (again,) = run(Recipe.load(output / "best.yaml", {"output": tmp_path / "best"}))
    assert again.validation_accuracy == best.score


def test_a_search_that_was_killed_goes_on_to_the_same_best(recipe, tmp_path):
    alone, killed = tmp_path / "alone", tmp_path / "killed"
    assert main(tune(recipe, alone, 6)) == 0
    command = [sys.executable, "-m", "finetune", *tune(recipe, killed, 6)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ))
    try:
        table = killed / "trials.csv"
        while not (table.exists() and len(table.read_text().splitlines()) > 3):
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert not (killed / "best.yaml").exists()
    assert len(table.read_text().splitlines()) < 1 + 6
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "going on" in done.stdout
    for name in ("trials.csv", "trials.json", "best.yaml", "test.json"):
        texts = {(folder / name).read_text().replace(str(folder), "FOLDER") for folder in (alone, killed)}
        assert len(texts) == 1, name
