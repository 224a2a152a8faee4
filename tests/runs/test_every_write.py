"""A run that was killed at any of its writes, and resumed, leaves the bytes of one that was left alone.

Network, images and charts are stood in for by a few numbers, so that a run takes a moment; all that decides what is
written when is the package's own.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow")
import tensorflow as tf

from finetune import checkpoint as checkpoints
from finetune import runner
from finetune import tuner as tuner_module
from finetune.dataset.pipeline import Batch
from finetune.dataset.scan import scan
from finetune.dataset.split import split
from finetune.doctor import Report
from finetune.errors import DataError, FinetuneError, UserError
from finetune.evaluation import read_pairs, resolve
from finetune.features.store import image_digest
from finetune.model import LOGITS, Model
from finetune.preprocessing import Preprocessing
from finetune.recipe import Recipe
from finetune.report import page
from finetune.runs import stage as stage_module
from finetune.runs.curve import Curve
from finetune.runs.held_back import HeldBack
from finetune.runs.inputs import Inputs
from finetune.runs.selection import Selection
from finetune.runs.tensorboard import TensorBoard
from finetune.training import loop
from finetune.training.figures import StepResult

pytestmark = pytest.mark.tf

TRAINED = "Logits/biases"
STAGES = [
    {"name": "head", "train_from": "Logits", "epochs": 2, "learning_rate": {0: 0.01, 2: "-"}},
    {
        "name": "too much",
        "train_from": "Bottleneck",
        "epochs": 1,
        "learning_rate": 50.0,
        "accept": {"metric": "lfw_accuracy", "max_drop": 0, "otherwise": "retry", "rate_factor": 0.5},
    },
    {"name": "last", "train_from": "Bottleneck", "epochs": 2},
]
EVENTS = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.symlink"}
"""Audit events of writes, beside the opening of a file to be written."""
_before_a_write: Callable[[str], None] | None = None


def _heard(event: str, arguments: tuple[Any, ...]) -> None:
    """Audit hooks can't be removed: without `_before_a_write` this one does nothing."""
    if _before_a_write and (event in EVENTS or (event == "open" and set(str(arguments[1])) & set("wax+"))):
        _before_a_write(f"{event} {arguments[0]}")


@contextlib.contextmanager
def before_each_write(look: Callable[[str], None]):
    """Calls `look` before everything that is written; what it writes itself is not told of."""
    global _before_a_write

    def looking(what: str) -> None:
        global _before_a_write
        _before_a_write = None
        look(what)
        _before_a_write = looking

    _before_a_write = looking
    try:
        yield looking
    finally:
        _before_a_write = None


class Trainer:
    """A trainer of four numbers, which carries something over from step to step, as an optimizer does."""

    names = (TRAINED,)
    first = LOGITS

    def __init__(self, model, stage, strategy):
        self.model, self.stage, self.carried = model, stage, 0.0

    @property
    def weight(self):
        return float(self.model.variables[TRAINED][0])

    def begin(self):
        self.carried = 0.0

    def state(self):
        return {"weights": self.model.variables[TRAINED].numpy(), "carried": np.array(self.carried)}

    def load(self, state):
        self.model.assign({TRAINED: state["weights"]})
        self.carried = float(state["carried"])

    def step(self, features, labels, rate, key, **_):
        self.carried = 0.9 * self.carried + rate * (1 + key[0] % 5 + key[1] % 3)
        self.model.assign({TRAINED: self.model.variables[TRAINED].numpy() + np.float32(self.carried)})
        return StepResult(loss=1 / (1 + self.weight), cross_entropy=0.5, correct=1.0, prelogits_norm=self.weight)

    def evaluate(self, features, labels):
        return StepResult(cross_entropy=2 + np.cos(self.weight), correct=1.0)

    def seen(self):
        return np.full([2, 512], self.weight)

    def averaged(self):
        return contextlib.nullcontext()


class Measures:
    """Measurements of made-up embeddings, the worse the larger the trained number is."""

    def __init__(self, inputs, check):
        self.inputs = inputs
        self.curve = Curve(inputs.recipe, inputs.train, inputs.validation, inputs.strangers)

    def embed(self, paths, flip=False):
        weight = float(self.inputs.model.variables[TRAINED][0])
        rows = []
        for path in paths:
            person, image = (np.random.default_rng(zlib.crc32(text.encode())) for text in (path.parent.name, path.name))
            rows.append(person.normal(size=8) + (0.3 + weight) * image.normal(size=8))
        return (np.array(rows) / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    def lfw_of(self, trainer):
        return self.inputs.measure(self.embed)

    def restored_point(self):
        return self.curve.point(lambda dataset: self.embed(dataset.paths))

    def points_of(self, trainer):
        return self.restored_point

    def restored_held_back(self, point):
        return HeldBack(point.learned.correct)

    def held_back(self, trainer):
        return HeldBack(self.restored_point().learned.correct)


class Features:
    """Batches without features."""

    def __init__(self, model, recipe, first, stage, train, validation, *_):
        self._validation = validation

    def training(self, epoch, order, size):
        parts = [order[start : start + size] for start in range(0, len(order), size)]
        return [Batch(np.zeros([len(rows), 1]), np.zeros(len(rows), np.int64), rows) for rows in parts]

    def validation(self):
        return self.training(0, np.arange(len(self._validation)), 8)


@pytest.fixture
def inputs(faces, tmp_path, monkeypatch):
    """The inputs of a run; what would take time is stood in for."""
    monkeypatch.setattr(runner, "plan", lambda inputs: [])
    monkeypatch.setattr(tuner_module, "build", Trainer)
    monkeypatch.setattr(tuner_module, "Measures", Measures)
    monkeypatch.setattr(stage_module, "FrozenFeatures", Features)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setattr(page, "_charts", lambda record: {})
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: 0.0))  # wall times differ from run to run
    recipe = Recipe.from_values(
        {
            "checkpoint": str(tmp_path / "checkpoint"),
            "output": str(tmp_path / "run"),
            "data": {"train": faces / "learn", "validation_split": 0.2, "strangers": faces / "strangers"},
            "lfw": {"dir": faces / "strangers", "pairs": faces / "pairs.txt"},
            "batch_size": 8,
            "history": {"tensorboard": True, "stat_h5": True},
            "stages": STAGES,
        }
    )
    scanned, strangers = scan(faces / "learn"), scan(faces / "strangers").dataset
    train, validation = split(scanned.dataset, 0.2, recipe.seed)
    pairs = resolve(read_pairs(faces / "pairs.txt"), faces / "strangers")
    variables = {
        "InceptionResnetV1/Bottleneck/weights": tf.Variable(np.ones([3, 8], np.float32)),
        "Logits/weights": tf.Variable(np.ones([8, 4], np.float32)),
        TRAINED: tf.Variable(np.zeros(4, np.float32)),
    }
    checkpoints.write(tmp_path / "checkpoint", "x", 0, {name: value.numpy() for name, value in variables.items()})
    located, plan = checkpoints.locate(tmp_path / "checkpoint"), checkpoints.RestorePlan(tuple(variables), {}, ())
    model = Model(variables, Preprocessing(75), scanned.dataset.class_names, plan, located)
    paths = {*scanned.dataset.paths, *strangers.paths, *pairs.paths}
    return Inputs(
        recipe,
        model,
        scanned,
        train,
        validation,
        pairs,
        scanned.dataset.class_names,
        report=Report(faces / "learn", 4, 24, 24, ()),
        selection=Selection(scanned, strangers),
        digests={path: image_digest(path) for path in paths},
    )


@pytest.fixture
def run(inputs, monkeypatch):
    """Runs it, or resumes it, with the weights of a new process."""
    restored = inputs.model.tensors()
    monkeypatch.setattr(Inputs, "open", lambda *_: inputs)

    def run(resume=True):
        inputs.model.assign(restored)
        runner.run(inputs.recipe, resume=resume)

    return run


def outputs(folder: Path) -> dict[str, Any]:
    """Every file and folder with its bytes; of TensorBoard's events, which hold the time, their values."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        if "tfevents" in path.name:
            read = events(path.read_bytes())
            values = [(v.tag, e.step, float(tf.make_ndarray(v.tensor))) for e in read for v in e.summary.value]
            found.setdefault("tensorboard/events", []).append(values)
        else:
            found[path.relative_to(folder).as_posix()] = path.read_bytes() if path.is_file() else None
    return found


def events(records: bytes):
    """TensorBoard's events; a record is its length, a check sum, the event and another check sum."""
    while records:
        size = int.from_bytes(records[:8], "little")
        yield tf.compat.v1.Event.FromString(records[12 : 12 + size])
        records = records[16 + size :]


def unlike(found: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    return sorted(name for name in found.keys() | expected.keys() if found.get(name, 0) != expected.get(name, 0))


@pytest.mark.slow
def test_killed_at_any_write_and_resumed_every_output_is_as_if_left_alone(inputs, run, tmp_path, monkeypatch):
    folder, kept = inputs.recipe.output, []

    def look(what):
        """Keeps what a kill would leave at this moment."""
        now = outputs(folder) if folder.exists() else {}
        if not kept or now != kept[-1][1]:
            kept.append((what, now, tmp_path / "kept" / str(len(kept))))
            if folder.exists():
                shutil.copytree(folder, kept[-1][2])

    sys.addaudithook(_heard)
    add = TensorBoard.add  # writes from C++, where nothing is heard of it
    with before_each_write(look) as looking, monkeypatch.context() as patched:
        patched.setattr(TensorBoard, "add", lambda self, row: (add(self, row), looking("events"))[0])
        run(resume=False)
    expected = outputs(folder)
    assert {"history.csv", "tensorboard/events", "stat.h5", "report.html", "MODEL_CARD.md", "result.json"} <= set(
        expected
    )
    assert {"2-too-much/rejected_lfw.json", "2-too-much/rejected_strangers.json", "images.sha256"} <= set(expected)
    assert len(kept) > 100
    failures = []
    for what, _, snapshot in kept:
        shutil.rmtree(folder)
        if snapshot.exists():
            shutil.copytree(snapshot, folder)
        run()
        if found := unlike(outputs(folder), expected):
            failures.append((what, found))
    assert failures == []


@pytest.fixture
def finished(inputs, run):
    """The folder of a run that is done, and what it holds."""
    run(resume=False)
    return inputs.recipe.output, outputs(inputs.recipe.output)


def altered(path: Path) -> None:
    """Change one character in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


OF_STAGES = ["0-baseline/lfw.json", "1-head/result.json", "1-head/history.csv", "2-too-much/rejected_lfw.json"]
OF_STAGES += ["2-too-much/certificate.json", "3-last/strangers.json", "3-last/stat.h5", "3-last/held_back.json"]


@pytest.mark.slow
def test_a_stage_s_file_that_is_damaged_or_gone_is_told_and_nothing_is_written(finished, run):
    folder, before = finished
    for name in OF_STAGES:
        path, whole = folder / name, before[name]
        for damage in (altered, lambda path: path.write_bytes(b""), Path.unlink):
            damage(path)
            damaged = outputs(folder)
            with pytest.raises(DataError) as refused:
                run()
            (line,) = refused.value.problems
            assert line.startswith(
                f"{path}: missing, or not what the run wrote; put back what the run wrote, or remove"
            )
            assert outputs(folder) == damaged
            path.write_bytes(whole)
    run()
    assert unlike(outputs(folder), before) == []


def test_stages_that_are_removed_are_made_again(finished, run):
    folder, before = finished
    altered(folder / "2-too-much/result.json")
    for name in ("2-too-much", "3-last"):
        shutil.rmtree(folder / name)
    run()
    assert unlike({**outputs(folder), "tensorboard/events": before["tensorboard/events"]}, before) == []


@pytest.mark.parametrize("name", ["inputs.json", "environment.json", "recipe.yaml", "1-head/files.sha256"])
def test_a_damaged_file_of_the_run_is_one_line(finished, run, name):
    folder, before = finished
    for content in (b"", b"{", b"\xff\xfe", b"[" * 100_000):
        (folder / name).write_bytes(content)
        with pytest.raises(FinetuneError) as refused:
            run()
        assert all(line.startswith(f"{folder / name.split('/')[0]}") for line in refused.value.problems)
        assert all(line.isprintable() for line in refused.value.problems)
    (folder / name).write_bytes(before[name])
    run()
    assert unlike(outputs(folder), before) == []


def test_a_recipe_that_was_changed_in_the_run_s_folder_is_told(finished, inputs):
    folder, _ = finished
    path = folder / "recipe.yaml"
    path.write_text(path.read_text().replace("epochs: 1\n", "epochs: 7\n"))
    with pytest.raises(UserError, match=r"recipe\.yaml: changed since the run wrote it; put back what it was"):
        runner.run(Recipe.load(path), resume=True)


@pytest.mark.parametrize("name", ["history.csv", "stat.h5", "result.json", "report.html"])
@pytest.mark.parametrize("damage", [altered, Path.unlink])
def test_what_the_stages_hold_is_made_again(finished, run, name, damage):
    folder, before = finished
    damage(folder / name)
    run()
    assert unlike(outputs(folder), before) == []


@pytest.mark.slow
def test_a_damaged_state_starts_its_stage_again_and_says_so(inputs, run, tmp_path, capsys):
    folder, state = inputs.recipe.output, inputs.recipe.output / ".resume/state.npz"
    snapshot = tmp_path / "snapshot"

    def look(what):
        if state.exists() and (folder / "2-too-much").exists() and not snapshot.exists():
            shutil.copytree(folder, snapshot)

    sys.addaudithook(_heard)
    with before_each_write(look):
        run(resume=False)
    expected, whole = outputs(folder), (snapshot / ".resume/state.npz").read_bytes()
    capsys.readouterr()
    told = 0
    for place in [*range(0, len(whole), len(whole) // 40), "cut", "empty"]:
        shutil.rmtree(folder)
        shutil.copytree(snapshot, folder)
        content = bytearray(whole)
        if place == "cut":
            del content[-100:]
        elif place == "empty":
            content.clear()
        else:
            content[place] ^= 8
        state.write_bytes(content)
        run()
        told += "state.npz: " in (said := capsys.readouterr().out)
        assert "state.npz: " not in said or "the unfinished stage is trained from its first epoch again" in said
        assert unlike({**outputs(folder), "tensorboard/events": expected["tensorboard/events"]}, expected) == []
    assert told > 20
