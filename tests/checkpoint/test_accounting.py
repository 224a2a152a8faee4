"""`finetune inspect` accepts exactly what `Model.restore` accepts: both read one account of the checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from finetune.backbones import Backbone, by_name
from finetune.checkpoint.accounting import account
from finetune.checkpoint.inspect import describe
from finetune.checkpoint.saver import write
from finetune.errors import CheckpointError
from finetune.model import Model

pytestmark = pytest.mark.tf
V1 = by_name("inception_resnet_v1")

FIRST = "InceptionResnetV1/Conv2d_1a_3x3"
EMBEDDING = "InceptionResnetV1/Bottleneck/weights"
WEIGHTS, BIASES = "Logits/weights", "Logits/biases"
CLASSES = 5


def shapes(backbone: Backbone, embedding_size: int, num_classes: int, image=None) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a network of two units and a head, whose checkpoints take milliseconds."""
    return {
        f"{FIRST}/weights": (3, 3, 3, 2),
        f"{FIRST}/BatchNorm/moving_mean": (2,),
        EMBEDDING: (4, embedding_size),
        WEIGHTS: (embedding_size, num_classes),
        BIASES: (num_classes,),
    }


@pytest.fixture(autouse=True)
def small_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("finetune.checkpoint.accounting.variable_shapes", shapes)


def stored(**changes: np.ndarray | None) -> dict[str, np.ndarray]:
    """Return a sound checkpoint's values with some replaced. A value of None is left out."""
    tensors = {name: np.full(shape, 0.5, np.float32) for name, shape in shapes(V1, 8, CLASSES).items()}
    return {name: value for name, value in (tensors | changes).items() if value is not None}


def saved(folder: Path, **changes: np.ndarray | None) -> Path:
    return write(folder, "tiny", 3, stored(**changes))


def with_file(name: str, content: bytes) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        saved(folder)
        (folder / name).write_bytes(content)

    return make


def cut(suffix: str, keep: float) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        path = Path(f"{saved(folder)}{suffix}")
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * keep)])

    return make


def frozen(folder: Path, keep: float = 1.0, **changes: np.ndarray | None) -> None:
    graph = tf.Graph()
    with graph.as_default():
        for name, value in stored(**changes).items():
            tf.constant(value, name=name)
    content = graph.as_graph_def().SerializeToString()
    (folder / "tiny.pb").write_bytes(content[: int(len(content) * keep)])


half = np.float16
DATA = ".data-00000-of-00001"
ODD_BUT_SOUND: dict[str, Callable[[Path], object]] = {
    "nothing odd": saved,
    "no head": lambda folder: saved(folder, **{WEIGHTS: None, BIASES: None}),
    "a head without biases": lambda folder: saved(folder, **{BIASES: None}),
    "a head without weights": lambda folder: saved(folder, **{WEIGHTS: None}),
    "a head of no classes": lambda folder: saved(
        folder, **{WEIGHTS: np.zeros((8, 0), np.float32), BIASES: np.zeros(0, np.float32)}
    ),
    "NaN in half a head": lambda folder: saved(folder, **{WEIGHTS: np.full((8, 5), np.nan, "f4"), BIASES: None}),
    "float16": lambda folder: saved(folder, **{EMBEDDING: np.zeros((4, 8), half)}),
    "float16 in the head": lambda folder: saved(folder, **{BIASES: np.zeros(5, half)}),
    "a frozen graph of float16": lambda folder: frozen(folder, **{EMBEDDING: np.zeros((4, 8), half)}),
    "float16 in what is skipped": lambda folder: saved(folder, **{f"{EMBEDDING}/Adam": np.zeros((4, 8), half)}),
    "class names of other people": with_file("class_names.txt", b"a\nb\n"),
    "a frozen graph": frozen,
    "a frozen graph with a head without biases": lambda folder: frozen(folder, **{BIASES: None}),
}
DAMAGED: dict[str, tuple[Callable[[Path], object], str]] = {
    "whole numbers": (lambda folder: saved(folder, **{EMBEDDING: np.zeros((4, 8), "i4")}), "stored as int32"),
    "whole numbers in the head": (lambda folder: saved(folder, **{BIASES: np.zeros(5, "i4")}), "stored as int32"),
    "NaN": (lambda folder: saved(folder, **{EMBEDDING: np.full((4, 8), np.nan, "f4")}), "NaN or infinite"),
    "infinity in the head": (lambda folder: saved(folder, **{BIASES: np.full(5, np.inf, "f4")}), "NaN or infinite"),
    "data cut": (cut(DATA, 0.05), "damaged"),
    "data cut by one byte": (cut(DATA, 0.999), "damaged"),
    "data empty": (cut(DATA, 0.0), "damaged"),
    "index cut": (cut(".index", 0.5), "damaged"),
    "no data": (lambda folder: Path(f"{saved(folder)}{DATA}").unlink(), "is missing"),
    "a variable missing": (lambda folder: saved(folder, **{EMBEDDING: None}), "missing"),
    "a statistic missing": (lambda folder: saved(folder, **{f"{FIRST}/BatchNorm/moving_mean": None}), "missing"),
    "another shape": (
        lambda folder: saved(folder, **{f"{FIRST}/weights": np.zeros((3, 3, 3, 4), "f4")}),
        "[3, 3, 3, 4]",
    ),
    "biases of other classes": (lambda folder: saved(folder, **{BIASES: np.zeros(4, "f4")}), "the network needs [5]"),
    "a head for other embeddings": (lambda folder: saved(folder, **{WEIGHTS: np.zeros((7, 5), "f4")}), "needs [8, 5]"),
    "an unknown variable": (
        lambda folder: saved(folder, **{"InceptionResnetV1/attention/weights": np.zeros(2, "f4")}),
        "no such variable",
    ),
    "images too small": (
        with_file("preprocessing.json", b'{"image_size": 20, "standardization": "fixed"}'),
        "needs 75 pixels or more",
    ),
    "preprocessing.json damaged": (with_file("preprocessing.json", b"{"), "preprocessing.json"),
    "class names of no encoding": (with_file("class_names.txt", b"\xff\xfe\n" * 5), "can't be read as text"),
    "a frozen graph cut": (lambda folder: frozen(folder, keep=0.5), "damaged"),
}


def answer(ask: Callable[[Path], object], folder: Path) -> tuple[str, ...]:
    """Return the problems of a checkpoint; empty if it is accepted."""
    try:
        ask(folder)
    except CheckpointError as error:
        return tuple(map(str, error.problems))
    return ()


@pytest.mark.parametrize("make", ODD_BUT_SOUND.values(), ids=ODD_BUT_SOUND)
def test_what_restores_is_described(tmp_path: Path, make: Callable[[Path], object]) -> None:
    make(tmp_path)
    assert answer(Model.restore, tmp_path) == ()
    assert answer(describe, tmp_path) == ()


@pytest.mark.parametrize(("make", "problem"), DAMAGED.values(), ids=DAMAGED)
def test_what_does_not_restore_is_not_described(tmp_path: Path, make: Callable[[Path], object], problem: str) -> None:
    make(tmp_path)
    restored = answer(Model.restore, tmp_path)
    assert len(restored) == 1
    assert problem in restored[0]
    assert answer(describe, tmp_path) == restored


def test_wherever_the_files_are_cut_both_say_the_same(tmp_path: Path) -> None:
    """Refuse every cut file. Data are read to their last byte, and an index needs the footer at its end."""
    prefix = saved(tmp_path)
    for suffix in (DATA, ".index"):
        path = Path(f"{prefix}{suffix}")
        whole = path.read_bytes()
        for length in range(0, len(whole), 7):
            path.write_bytes(whole[:length])
            restored = answer(Model.restore, tmp_path)
            assert restored
            assert answer(describe, tmp_path) == restored
        path.write_bytes(whole)
    assert answer(describe, tmp_path) == ()


@pytest.mark.parametrize(("left", "missing"), [(WEIGHTS, BIASES), (BIASES, WEIGHTS)])
def test_half_a_head_is_skipped_and_said_to_be_half(tmp_path: Path, left: str, missing: str) -> None:
    saved(tmp_path, **{missing: None})
    reason = f"the old classifier of {CLASSES} classes without {missing}, which gives no logits"
    assert describe(tmp_path).skipped == {left: reason}
    model = Model.restore(tmp_path)
    assert model.plan.skipped == {left: reason}
    assert model.num_classes is None
    assert model.class_names == ()


def test_a_new_head_takes_the_place_of_half_a_one(tmp_path: Path) -> None:
    saved(tmp_path, **{BIASES: None})
    found = account(tmp_path, class_names=["a", "b", "c"])
    assert found.plan.fresh == (WEIGHTS, BIASES)
    assert found.needed[WEIGHTS] == (8, 3)
    assert WEIGHTS not in found.values
