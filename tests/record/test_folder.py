"""Only one process at a time writes into a run's folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from finetune.errors import UserError

pytest.importorskip("tensorflow")
from finetune.recipe.recipe import Recipe
from finetune.record.folder import RunFolder
from finetune.runs.runner import run
from finetune.runs.tuner import FineTuner
from finetune.runtime.strategy import SINGLE

pytestmark = pytest.mark.tf

HOLD = """
import sys
from pathlib import Path
from types import SimpleNamespace
from finetune.files import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""


def holding(lock: Path) -> subprocess.Popen[str]:
    """Start a process that holds a lock until a line is sent to it."""
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(lock)], stdin=pipe, stdout=pipe, text=True)
    assert process.stdout.readline() == "held\n"
    return process


def test_a_folder_that_another_process_runs_in_is_refused_by_that_process(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    with holding(folder.path / ".lock") as other:
        for enter in (folder.locked().__enter__, folder.refuse_if_locked):
            with pytest.raises(UserError, match=rf"run: process {other.pid} on .* runs in it; wait for its end"):
                enter()
        other.kill()
    folder.refuse_if_used()  # a lock of a run that was killed is nothing
    with folder.locked(), folder.locked():
        assert (folder.path / ".lock").read_text().startswith("process ")
    assert not any(folder.path.iterdir())
    deep = RunFolder(tmp_path / "not/yet/there")
    with deep.locked():
        assert (tmp_path / "not/yet/there/.lock").exists()
    assert not (tmp_path / "not").exists()


def test_through_a_link_it_is_the_same_folder(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "link").symlink_to("run")
    with holding(tmp_path / "run/.lock") as other:
        with pytest.raises(UserError, match=f"link: process {other.pid} on "):
            RunFolder(tmp_path / "link").refuse_if_locked()
        other.kill()


def recipe(output: Path) -> Recipe:
    stage = {"name": "head", "train_from": "Logits", "epochs": 1, "learning_rate": 0.1}
    return Recipe.from_values(
        {"checkpoint": "none", "data": {"train": "none"}, "output": str(output), "stages": [stage]}
    )


@pytest.mark.parametrize("resume", [False, True])
def test_a_second_run_is_refused_before_anything_is_read(tmp_path, resume):
    (tmp_path / "run").mkdir()
    with holding(tmp_path / "run/.lock") as other:
        with pytest.raises(UserError, match=f"run: process {other.pid} on .* runs in it"):
            run(recipe(tmp_path / "run"), resume=resume)
        other.kill()


def test_a_run_that_another_one_began_while_it_read_its_inputs_writes_nothing(tmp_path):
    inputs = SimpleNamespace(recipe=recipe(tmp_path / "run"), strategy=SINGLE, model=None, strangers=None)
    tuner = FineTuner.from_inputs(inputs)
    (tmp_path / "run").mkdir()
    (tmp_path / "run/recipe.yaml").write_text("another one's")
    with pytest.raises(UserError, match="run: the output folder is not empty; choose another output"):
        tuner.begin()
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["recipe.yaml"]
    assert (tmp_path / "run/recipe.yaml").read_text() == "another one's"
