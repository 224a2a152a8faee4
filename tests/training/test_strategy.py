"""Several replicas end with the weights of one device at the same global batch."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from finetune.cli import main
from finetune.errors import UserError

tf = pytest.importorskip("tensorflow")
from finetune.runtime.cluster import Cluster  # noqa: E402
from finetune.runtime.strategy import Strategy, planned_strategy  # noqa: E402

pytestmark = pytest.mark.tf
TWO_DEVICES = Path(__file__).with_name("two_devices.py")
LIMIT = 400
"""Seconds that a process may take on a busy machine, after which it is killed."""

# 16 images in batches of 5: the last one leaves a replica without any. Seed and rates are such that stage
# 2 stops early and stage 3 is rolled back.
RECIPE = """\
seed: 5
output: run
checkpoint: {checkpoint}
data: {{train: {faces}/learn, validation_split: 0.2}}
augment: {{random_crop: true, random_flip: true, random_rotate: 10}}
lfw: {{dir: {faces}/strangers, pairs: {faces}/pairs.txt, flip: true}}
batch_size: 5
stages:
  - {{name: head, train_from: Logits, epochs: 2, learning_rate: 0.01, weight_decay: 0.0005}}
  - name: last block
    train_from: Repeat_2/block8_5
    epochs: 4
    optimizer: {{name: adam, constants: facenet}}
    learning_rate: 0.001
    weight_decay: 0.0005
    prelogits_norm: {{factor: 0.0005}}
    early_stopping: 2
  - name: too much
    train_from: Repeat_2/block8_5
    epochs: 1
    learning_rate: 0.01
    accept: {{metric: lfw_val, max_drop: 0.01}}
"""
# An epoch draws a part of the images, whose people weigh the same, and pairs are measured within the stage.
PARTS = """\
seed: 5
output: run
checkpoint: {checkpoint}
data: {{train: {faces}/learn, validation: {faces}/learn, share: 0.6}}
augment: {{random_flip: true, random_shear: 5, random_contrast: 0.2, random_cutout: 0.3}}
lfw: {{dir: {faces}/strangers, pairs: {faces}/pairs.txt}}
verification: {{every: 2}}
batch_size: 5
stages:
  - name: block
    train_from: Block8
    epochs: 2
    optimizer: {{name: adam, constants: facenet}}
    class_weight: balanced
"""


def free_addresses(n: int) -> list[str]:
    sockets = [socket.socket() for _ in range(n)]
    try:
        for listener in sockets:
            listener.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{listener.getsockname()[1]}" for listener in sockets]
    finally:
        for listener in sockets:
            listener.close()


def start(folder: Path, *command: str, **environment: str) -> subprocess.Popen[str]:
    folder.mkdir(parents=True, exist_ok=True)
    root = str(Path(__file__).resolve().parents[2])
    env = os.environ | {"PYTHONPATH": root} | environment
    arguments = [sys.executable, *command]
    return subprocess.Popen(arguments, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)


def start_workers(folders: list[Path], *arguments: str) -> list[subprocess.Popen[str]]:
    addresses = free_addresses(len(folders))
    return [
        start(
            folder,
            *("-m", "finetune", "run", *arguments, "strategy=multi_worker"),
            TF_CONFIG=json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}),
        )
        for index, folder in enumerate(folders)
    ]


def finish(processes: list[subprocess.Popen[str]]) -> list[tuple[int, str, str]]:
    """Return status, stdout and stderr of each process. None outlives this call."""
    try:
        return [
            (process.returncode, out, err) for process in processes for out, err in [process.communicate(timeout=LIMIT)]
        ]
    finally:
        for process in processes:
            process.kill()
            process.wait()


def finish_well(processes: list[subprocess.Popen[str]]) -> list[str]:
    ended = finish(processes)
    assert [status for status, _, _ in ended] == [0] * len(ended), ended
    return [out for _, out, _ in ended]


def weights(run: Path) -> dict[str, np.ndarray]:
    """Return the weights of every stage, by its folder and TF1 name."""
    tensors = {}
    for stage in sorted(path.parent for path in run.glob("*/checkpoint")):
        reader = tf.train.load_checkpoint(str(stage))
        tensors |= {f"{stage.name}/{name}": reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
    return tensors


def largest_difference(run: Path, other: Path) -> float:
    ours, theirs = weights(run), weights(other)
    assert ours.keys() == theirs.keys()
    assert len(ours) >= 3 * 490
    return max(float(np.abs(ours[name] - theirs[name]).max()) for name in ours)


def decisions(run: Path) -> list[tuple[object, ...]]:
    stages = json.loads((run / "result.json").read_text())["stages"]
    return [(stage["name"], stage["epochs"], stage["kept_epoch"], stage["accepted"], stage["step"]) for stage in stages]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory, drawn_checkpoint, faces):
    path = tmp_path_factory.mktemp("strategy") / "recipe.yaml"
    path.write_text(RECIPE.format(checkpoint=drawn_checkpoint, faces=faces))
    return path


@pytest.fixture(scope="module")
def alone(recipe):
    """Return the folder of a run on one device, whose decisions are of every kind."""
    folder = recipe.parent / "alone"
    finish_well([start(folder, "-m", "finetune", "run", str(recipe))])
    (_, _, _, *_), (_, epochs, kept, *_), (_, _, _, accepted, _) = decisions(folder / "run")
    assert (epochs, kept, accepted) == (3, 1, False)
    return folder / "run"


@pytest.fixture(scope="module")
def two_workers(recipe):
    """Run two workers on loopback that see no folder in common. Return the folders, and what the workers printed."""
    folders = [recipe.parent / "chief", recipe.parent / "other"]
    return folders, finish_well(start_workers(folders, str(recipe)))


@pytest.mark.slow
def test_two_workers_give_the_weights_and_decisions_of_one_device(alone, two_workers):
    (chief, _), _ = two_workers
    assert largest_difference(chief / "run", alone) < 1e-5
    assert decisions(chief / "run") == decisions(alone)


@pytest.mark.slow
def test_the_chief_alone_writes_and_speaks(two_workers):
    (_, other), (said, silence) = two_workers
    assert "strategy       multi_worker: 2 replicas on 2 workers; batches of 5 images, 2 or 3 per replica" in said
    assert "rolled back" in said
    assert silence == ""
    assert list(other.iterdir()) == []


@pytest.mark.slow
def test_two_devices_of_one_process_give_the_same_weights(recipe, alone):
    folder = recipe.parent / "mirrored"
    [out] = finish_well([start(folder, str(TWO_DEVICES), "run", str(recipe), "strategy=mirrored")])
    assert "strategy       mirrored: 2 replicas; batches of 5 images, 2 or 3 per replica" in out
    assert largest_difference(folder / "run", alone) < 1e-5
    assert decisions(folder / "run") == decisions(alone)


@pytest.mark.slow
def test_the_moving_statistics_become_the_mean_over_replicas(drawn_checkpoint, tmp_path):
    finish_well([start(tmp_path, str(TWO_DEVICES), "step", str(drawn_checkpoint))])


@pytest.mark.slow
def test_workers_draw_the_same_parts_and_measure_the_pairs_together(drawn_checkpoint, faces, tmp_path):
    recipe = tmp_path / "parts.yaml"
    recipe.write_text(PARTS.format(checkpoint=drawn_checkpoint, faces=faces))
    folders = [tmp_path / name for name in ("one", "chief", "other")]
    finish_well([start(folders[0], "-m", "finetune", "run", str(recipe))])
    finish_well(start_workers(folders[1:], str(recipe)))
    lines = [(folder / "run/history.csv").read_text().splitlines() for folder in folders[:2]]
    ours, theirs = (list(csv.DictReader(rows)) for rows in lines)
    for row, other in zip(ours, theirs, strict=True):
        for column in ("loss", "drawn_mean", "validation_loss", "lfw_accuracy", "lfw_val"):
            assert float(other[column] or -1) == pytest.approx(float(row[column] or -1), abs=1e-4), column
    assert [bool(row["lfw_accuracy"]) for row in theirs] == [False, True]
    ours, theirs = (weights(folder / "run") for folder in folders[:2])
    for name, value in ours.items():
        np.testing.assert_allclose(theirs[name], value, atol=1e-5)


@pytest.mark.slow
def test_the_class_weights_are_those_of_the_whole_batch(drawn_checkpoint, tmp_path):
    finish_well([start(tmp_path, str(TWO_DEVICES), "weights", str(drawn_checkpoint))])


@pytest.mark.slow
def test_when_a_worker_dies_the_other_ends_with_a_line_and_both_resume(recipe, two_workers, tmp_path):
    processes = start_workers([tmp_path, tmp_path], str(recipe))
    state, deadline = tmp_path / "run/.resume/state.npz", time.monotonic() + LIMIT
    while not ((tmp_path / "run/1-head").exists() and state.exists()):
        assert processes[0].poll() is None, processes[0].communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    processes[1].send_signal(signal.SIGKILL)
    (status, _, error), _ = finish(processes)
    assert status == 1
    *_, line = error.splitlines()
    assert line.startswith("finetune run: worker 0: another worker has ended or can't be reached; what was finished")
    out, silence = finish_well(start_workers([tmp_path, tmp_path], str(recipe), "--resume"))
    assert "resumed after epoch" in out
    assert silence == ""
    assert largest_difference(tmp_path / "run", two_workers[0][0] / "run") == 0


@pytest.mark.slow
def test_workers_that_do_not_see_the_same_are_refused(recipe, faces, tmp_path):
    (tmp_path / "a/faces").mkdir(parents=True)
    (tmp_path / "b").mkdir()
    for person in sorted((faces / "learn").iterdir()):
        (tmp_path / "a/faces" / person.name).symlink_to(person)
    (tmp_path / "b/faces").symlink_to(faces / "strangers")
    ended = finish(start_workers([tmp_path / "a", tmp_path / "b"], str(recipe), "data.train=faces"))
    for worker, (folder, (status, _, error)) in enumerate(zip(("learn", "strangers"), ended, strict=True)):
        first = sorted((faces / folder).rglob("*.png"))[0]
        line = f"{hashlib.sha256(first.read_bytes()).hexdigest()}  data/{first.parent.name}/{first.name}"
        assert status == 2
        assert error.splitlines()[-1] == (
            f"finetune run: worker {worker}: finds {line!r} where another worker finds something else; "
            "give all the same recipe, checkpoint, images and pairs"
        )


class Worker(Strategy):
    """A worker among threads of this process."""

    def sum(self, values):
        self.sums[self.worker] = values
        self.barrier.wait()
        total = sum(self.sums.values())
        self.barrier.wait()
        return total


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        (["a b c", "a b c", "a b c"], None),
        (["a b c d", "a b c d", "a b X d"], ["'c'", "'c'", "'X'"]),
        (["b c", "a b c", "a b c"], ["'b'", "'a'", "'a'"]),
        (["a b", "a b c d", "a b c d"], ["nothing", "'c'", "'c'"]),
        (["", "", "a"], ["nothing", "nothing", "'a'"]),
    ],
)
def test_each_worker_names_the_first_line_that_differs(texts, found):
    sums, barrier, problems = {}, threading.Barrier(3, timeout=60), {}
    addresses = tuple(f"host:{port}" for port in range(3))

    def work(index):
        worker = Worker("multi_worker", cluster=Cluster(addresses, index), distribution=object())
        vars(worker).update(sums=sums, barrier=barrier)
        try:
            worker.must_see_the_same(texts[index].split())
        except UserError as error:
            problems[index] = str(error)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ends = "where another worker finds something else; give all the same recipe, checkpoint, images and pairs"
    assert problems == ({i: f"worker {i}: finds {line} {ends}" for i, line in enumerate(found)} if found else {})


@pytest.mark.parametrize("command", ["plan", "run"])
def test_without_tf_config_a_line_says_what_to_set(recipe, monkeypatch, capsys, command):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert main([command, str(recipe), "strategy=multi_worker"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"finetune {command}: TF_CONFIG: not set, and strategy is multi_worker; set it on each")


@pytest.mark.parametrize(
    ("name", "batch_size", "line"),
    [
        ("mirrored", 90, "mirrored: 1 replica; batches of 90 images, 90 per replica"),
        ("multi_worker", 90, "multi_worker: 3 replicas on 3 workers; batches of 90 images, 30 per replica"),
        ("multi_worker", 2, "multi_worker: 3 replicas on 3 workers; batches of 2 images, 0 or 1 per replica"),
    ],
)
def test_the_plan_says_what_each_replica_takes(monkeypatch, name, batch_size, line):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    cluster = {"cluster": {"worker": ["a:1", "b:1", "c:1"]}, "task": {"type": "worker", "index": 2}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(cluster))
    assert planned_strategy(name).describe(batch_size) == line
