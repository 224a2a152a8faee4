"""A run that was killed or stopped, and resumed, ends with the same bytes as an undisturbed run."""

from __future__ import annotations

import csv
import re
import signal

import pytest

from tests.runs.killed import checkpoint_bytes, finish, history, start, stop_in_the_middle

pytestmark = [pytest.mark.tf, pytest.mark.slow]

RECIPE = """\
seed: 5
output: OUTPUT
checkpoint: {checkpoint}
data: {{train: {faces}/learn, validation_split: 0.2}}
augment: {{random_crop: true, random_flip: true, random_rotate: 10}}
lfw: {{dir: {faces}/strangers, pairs: {faces}/pairs.txt}}
batch_size: 2
stages:
  - {{name: head, train_from: Logits, epochs: 3, learning_rate: 0.01}}
  - name: last block
    train_from: Repeat_2/block8_5
    epochs: 4
    learning_rate: {{schedule: cosine, initial: 0.001}}
    batch_norm: train
    keep_probability: 0.7
    weight_decay: 0.0001
"""

MORE = """\
seed: 5
output: OUTPUT
checkpoint: {checkpoint}
data: {{train: {faces}/learn, validation: {faces}/learn, share: 0.6}}
augment:
  random_flip: true
  random_rotate: 10
  random_shear: 5
  random_zoom: 0.1
  random_brightness: 0.2
  random_contrast: 0.2
  random_auto_contrast: 0.3
  random_cutout: 0.3
  camera: {{low_light: [0.5, 1], motion: [0, 5], resolution: [16, 64], noise: [0, 10], grey: 0.5, jpeg: [20, 60]}}
lfw: {{dir: {faces}/strangers, pairs: {faces}/pairs.txt}}
batch_size: 2
verification: {{every: 2}}
stages:
  - {{name: head, train_from: Logits, epochs: 3, learning_rate: 0.01, steps_per_epoch: 2}}
  - name: last block
    train_from: Repeat_2/block8_5
    epochs: 4
    class_weight: balanced
    warmup_epochs: 1.5
    ema: 0.9
    distillation: {{factor: 20, of: same}}
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory, drawn_checkpoint, faces):
    path = tmp_path_factory.mktemp("resume") / "recipe.yaml"
    path.write_text(RECIPE.format(checkpoint=drawn_checkpoint, faces=faces))
    return path


@pytest.fixture(scope="module")
def left_alone(recipe):
    output = recipe.parent / "alone" / "run"
    finish(recipe, output)
    return output


@pytest.mark.parametrize(("number", "status"), [(signal.SIGKILL, -9), (signal.SIGTERM, 143)])
def test_stopped_and_resumed_equals_left_alone(recipe, left_alone, tmp_path, number, status):
    output = tmp_path / "run"
    returned, error = stop_in_the_middle(recipe, output, number)
    assert returned == status, error
    if number == signal.SIGTERM:
        assert error.splitlines()[-1].startswith(
            f"finetune run: stopped by SIGTERM; resume with: finetune run {recipe} output={output} --resume"
        )
    out = finish(recipe, output, "--resume")
    assert "resumed after epoch" in out
    assert checkpoint_bytes(output) == checkpoint_bytes(left_alone)
    assert history(output) == history(left_alone)
    assert not (output / ".resume").exists()
    assert not [path for path in output.rglob("*") if path.name.endswith(".partial")]


def left_alone_and_resumed(recipe, tmp_path):
    """Return the folders of a run that was left alone, and of one that was killed and resumed, after a comparison."""
    alone, output = tmp_path / "alone/run", tmp_path / "run"
    finish(recipe, alone)
    returned, error = stop_in_the_middle(recipe, output, signal.SIGKILL)
    assert returned == -9, error
    assert "resumed after epoch" in finish(recipe, output, "--resume")
    assert checkpoint_bytes(output) == checkpoint_bytes(alone)
    assert history(output) == history(alone)
    return alone, output


def test_an_epoch_of_a_part_of_the_images_is_resumed_like_any(drawn_checkpoint, faces, tmp_path):
    """Resume with changed pixels, limited epochs, weighted people, and pairs that are measured within the stages."""
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(MORE.format(checkpoint=drawn_checkpoint, faces=faces))
    _, output = left_alone_and_resumed(recipe, tmp_path)
    rows = list(csv.DictReader((output / "history.csv").read_text().splitlines()))
    assert [row["epoch"] for row in rows if row["lfw_accuracy"]] == ["2", "2", "4"]


@pytest.mark.parametrize("loss", ["curricularface", "adaface", "sub_arcface"])
def test_a_loss_with_a_state_of_its_own_is_resumed_like_any(drawn_checkpoint, faces, tmp_path, loss):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"{MORE.format(checkpoint=drawn_checkpoint, faces=faces)}    loss: {loss}\n")
    alone, output = left_alone_and_resumed(recipe, tmp_path)
    suspects = [path.read_text() for run in (alone, output) for path in run.glob("2-*/suspects.csv")]
    assert suspects == suspects[:1] * (2 if loss == "sub_arcface" else 0)


def test_killed_through_a_link_beside_a_second_process_it_equals_one_left_alone(recipe, left_alone, tmp_path):
    """Let a second process resume the run by the folder's own name, which is refused."""
    folder = tmp_path / "disk/run"
    folder.mkdir(parents=True)
    link = tmp_path / "run"
    link.symlink_to(folder)
    refused = []

    def second():
        process = start(recipe, folder, "--resume")
        refused.append((process.communicate(timeout=60)[1], process.returncode))

    returned, error = stop_in_the_middle(recipe, link, signal.SIGKILL, second)
    assert returned == -9, error
    ((error, status),) = refused
    assert status == 2
    assert re.fullmatch(rf"finetune run: {folder}: process \d+ on \S+ runs in it; wait for its end.*\n", error)
    both = [start(recipe, path, "--resume") for path in (link, folder)]
    ended = [(process.communicate(timeout=300)[1], process.returncode) for process in both]
    assert sorted(status for _, status in ended) in ([0, 2], [0, 0]), ended
    assert link.is_symlink()
    assert checkpoint_bytes(folder) == checkpoint_bytes(left_alone)
    assert history(folder) == history(left_alone)


def test_resuming_a_finished_run_changes_nothing(recipe, left_alone):
    before = {path: path.read_bytes() for path in sorted(left_alone.rglob("*")) if path.is_file()}
    out = finish(recipe, left_alone, "--resume")
    assert "last block" in out
    assert {path: path.read_bytes() for path in sorted(left_alone.rglob("*")) if path.is_file()} == before
