"""A run of a few numbers, and the files that it writes.

Stand-ins replace network, images and charts, so that a run takes a moment. The package's own code decides what is
written when.
"""

from __future__ import annotations

import contextlib
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from finetune import checkpoint as checkpoints
from finetune.backbones import by_name
from finetune.dataset.pipeline import Batch
from finetune.dataset.scanning import scan
from finetune.dataset.splitting import split_validation
from finetune.doctor.report import Report
from finetune.images.inspection import inspect_images
from finetune.images.preprocessing import Preprocessing
from finetune.model import Model, Origin
from finetune.recipe.recipe import Recipe
from finetune.report import page
from finetune.runs import context as context_module, evaluation, runner, stage as stage_module, tuner as tuner_module
from finetune.runs.opening import Inputs
from finetune.runs.selection import Selection
from finetune.training import loop
from finetune.training.metrics import metrics_of
from finetune.verification.sets import PairSet

V1 = by_name("inception_resnet_v1")
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
    {"name": "last", "train_from": "Bottleneck", "epochs": 2, "steps_per_epoch": 2, "class_weight": "balanced"},
]
EVENTS = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.symlink"}
"""Audit events of writes, beside the opening of a file to be written."""
_before_a_write: Callable[[str], None] | None = None


def heard(event: str, arguments: tuple[Any, ...]) -> None:
    """Tell `_before_a_write` of a write. Without it this hook does nothing, because audit hooks can't be removed."""
    if _before_a_write and (event in EVENTS or (event == "open" and set(str(arguments[1])) & set("wax+"))):
        _before_a_write(f"{event} {arguments[0]}")


@contextlib.contextmanager
def before_each_write(look: Callable[[str], None]):
    """Call `look` before every write within a `with` block, except for its own writes."""
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
    """A trainer of four numbers that carries a value from step to step, as an optimizer does."""

    names = (TRAINED,)
    first = V1.head_index

    def __init__(self, model, stage, replication, labels):
        self.model, self.stage, self.carried = model, stage, 0.0
        self.metrics = metrics_of(stage)

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
        return self._given(loss=1 / (1 + self.weight), cross_entropy=0.5, correct=1.0, prelogits_norm=self.weight)

    def evaluate(self, features, labels):
        return self._given(cross_entropy=2 + np.cos(self.weight), correct=1.0)

    def _given(self, **metrics):
        return dict.fromkeys((metric.name for metric in self.metrics), 0.0) | metrics

    def seen(self):
        return np.full([2, 512], self.weight)

    def averaged(self):
        return contextlib.nullcontext()


class Embedder:
    """An embedder of made-up embeddings, which are worse the larger the trained number is."""

    def __init__(self, model):
        self.model = model

    def embeddings(self, paths, *, flip=False):
        weight = float(self.model.variables[TRAINED][0])
        rows = []
        for path in paths:
            person, image = (np.random.default_rng(zlib.crc32(text.encode())) for text in (path.parent.name, path.name))
            rows.append(person.normal(size=8) + (0.3 + weight) * image.normal(size=8))
        unit = (np.array(rows) / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        return np.concatenate([unit, unit[:, ::-1]], axis=1) if flip else unit


class Evaluation(evaluation.Evaluation):
    """Measurements of made-up embeddings."""

    def embedder(self, trainer=None):
        return Embedder(self._model)

    def held_back(self, embedder):
        return self.held_back_by_mean(embedder, self.trade_off(embedder))


class Features:
    """Batches without features."""

    def __init__(self, embedder, recipe, stage, train, validation, *_):
        self._validation = validation

    def training(self, epoch, order, size):
        parts = [order[start : start + size] for start in range(0, len(order), size)]
        return [Batch(np.zeros([len(rows), 1]), np.zeros(len(rows), np.int64), rows) for rows in parts]

    def validation(self):
        return self.training(0, np.arange(len(self._validation)), 8)


def standing_in(faces: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> Inputs:
    """Return the inputs of such a run, whose output is `folder/run`. Stand-ins replace everything that takes time.

    `changes` replace sections of its recipe.
    """
    monkeypatch.setattr(runner, "show_plan", lambda inputs: None)
    monkeypatch.setattr(tuner_module, "Trainer", Trainer)
    monkeypatch.setattr(context_module, "Evaluation", Evaluation)
    monkeypatch.setattr(stage_module, "FrozenFeatures", Features)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setattr(page, "_charts", lambda record: {"training": [], "pairs": [], "sets": []})
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: 0.0))  # wall times differ from run to run
    recipe = Recipe.from_values(
        {
            "checkpoint": str(folder / "checkpoint"),
            "output": str(folder / "run"),
            "data": {"train": faces / "learn", "validation_split": 0.2, "strangers": faces / "strangers"},
            "lfw": {"dir": faces / "strangers", "pairs": faces / "pairs.txt"},
            "batch_size": 8,
            "verification": {"every": 2},
            "history": {"tensorboard": True, "stat_h5": True},
            "stages": STAGES,
        }
        | changes
    )
    scanned, strangers = scan(faces / "learn"), scan(faces / "strangers").dataset
    train, validation = split_validation(scanned.dataset, 0.2, recipe.seed)
    sets = tuple(PairSet.open(name, section) for name, section in recipe.sets.items())
    variables = {
        "InceptionResnetV1/Bottleneck/weights": tf.Variable(np.ones([3, 8], np.float32)),
        "Logits/weights": tf.Variable(np.ones([8, 4], np.float32)),
        TRAINED: tf.Variable(np.zeros(4, np.float32)),
    }
    checkpoints.write(folder / "checkpoint", "x", 0, {name: value.numpy() for name, value in variables.items()})
    located = checkpoints.locate(folder / "checkpoint")
    plan = checkpoints.RestorePlan(tuple(variables), {}, ())
    origin = Origin(located, plan, str(located.prefix), checkpoints.read(located).tensors)
    model = Model(V1, variables, Preprocessing(75), scanned.dataset.class_names, origin)
    paths = {*scanned.dataset.paths, *strangers.paths, *(path for one in sets for path in one.pairs.paths)}
    return Inputs(
        recipe,
        model,
        scanned,
        train,
        validation,
        sets,
        scanned.dataset.class_names,
        report=Report(faces / "learn", 4, 24, 24, ()),
        selection=Selection(scanned, strangers),
        records=inspect_images(sorted(paths)),
    )


def outputs(folder: Path) -> dict[str, Any]:
    """Return every file and folder with its bytes. TensorBoard's events hold the time, so only their values count."""
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
    """Yield TensorBoard's events. A record is its length, a checksum, the event and another checksum."""
    while records:
        size = int.from_bytes(records[:8], "little")
        yield tf.compat.v1.Event.FromString(records[12 : 12 + size])
        records = records[16 + size :]


def unlike(found: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    return sorted(name for name in found.keys() | expected.keys() if found.get(name, 0) != expected.get(name, 0))


def altered(path: Path) -> None:
    """Change one character in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
