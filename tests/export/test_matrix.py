"""Weights go into every format and come back: the same tensors, and the same embeddings after a head's epoch."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow")
from finetune.export.formats import FORMATS, NAMES, Content, Format, find
from finetune.model import Model
from finetune.recipe.stage import Stage
from finetune.runs.tuner import FineTuner

pytestmark = [pytest.mark.tf, pytest.mark.slow]

WRITTEN_ONLY = ("tflite", "openvino")
"""Formats that no checkpoint is read from."""
FOLDED = ("onnx", "saved_model")
"""Formats whose weights hold batch norm's statistics, so that tensors differ and embeddings hardly do."""
READ = {name: format for name, format in FORMATS.items() if name not in WRITTEN_ONLY}
READ |= {f"h5-{names}": find("h5", names=names) for names in NAMES}
WITHOUT_HEAD = {f"h5-{names}" for names in NAMES}


@pytest.fixture(scope="module")
def drawn(drawn_checkpoint: Path) -> Model:
    return Model.restore(drawn_checkpoint)


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, [8, 75, 75, 3], np.uint8)


def written(label: str, model: Model, folder: Path) -> Path:
    folder.mkdir(parents=True)
    format: Format = READ[label]
    format.write(Content.of(model, head=label not in WITHOUT_HEAD), folder)
    return folder


@pytest.fixture(scope="module")
def exported(drawn: Model, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function that writes the drawn checkpoint in a format, once."""
    root = tmp_path_factory.mktemp("matrix")
    return functools.cache(lambda label: written(label, drawn, root / label))


def assert_equal(label: str, model: Model, other: Model, pixels: np.ndarray) -> None:
    """Assert that two models have the same tensors, or where batch norm is folded, the same function."""
    values = other.tensors()
    assert set(model.variables) == set(values) - (
        set(other.backbone.head_variables) if label in WITHOUT_HEAD else set()
    )
    if label not in FOLDED:
        assert [name for name, value in model.tensors().items() if value.tobytes() != values[name].tobytes()] == []
    difference = np.abs(model.embed(pixels) - other.embed(pixels)).max()
    assert difference <= (1e-6 if label in FOLDED else 0)


@pytest.mark.parametrize("label", READ)
def test_what_is_written_is_read_again(label, drawn, exported, pixels):
    model = Model.restore(exported(label))
    assert_equal(label, model, drawn, pixels)
    assert (model.preprocessing.image_size, model.preprocessing.assumed) == (75, False)
    assert bool(model.class_names) == (bool(drawn.class_names) and label not in WITHOUT_HEAD)


@pytest.mark.parametrize(
    "label", ["pytorch", "onnx", *(pytest.param(label, marks=pytest.mark.thorough) for label in READ)]
)
def test_a_head_is_trained_from_any_format_and_written_to_every_one(label, exported, faces, pixels, tmp_path):
    before = Model.restore(exported(label))
    tuner = FineTuner(exported(label), {"train": faces / "learn"}, tmp_path / "run", verbose=False)
    tuner.run(Stage("head", train_from="Logits", epochs=1, learning_rate=0.01))
    trained = Model.restore(tuner.results[-1].folder)
    assert (trained.embed(pixels) == before.embed(pixels)).all()
    assert trained.num_classes == 4
    for other in READ:
        again = Model.restore(written(other, trained, tmp_path / "again" / other))
        assert_equal(other, again, trained, pixels)


@pytest.mark.real
@pytest.mark.parametrize(
    ("label", "variable"),
    [
        ("pytorch", "FINETUNE_TORCH_PYTHON"),
        ("h5-deepface", "FINETUNE_KERAS_PYTHON"),
        ("h5-keras-facenet", "FINETUNE_KERAS_PYTHON"),
    ],
)
def test_another_programs_own_code_gives_the_embeddings_of_tensorflow_1_7(label, variable, shared, tmp_path):
    import os

    from finetune.export import process

    if not os.environ.get(variable):
        pytest.skip(f"{variable} names no Python with the program")
    probe = np.load(shared / "expected/probe.npz", allow_pickle=False)
    model = Model.restore(shared / "facenet", standardization="fixed", image_size=160)
    folder = written(label, model, tmp_path / "mine")
    found = process.answer(READ[label], folder, probe["pixels"], tmp_path, "probing").outputs
    assert np.abs(found["embeddings"] - probe["fixed"]).max() <= 1e-5
    if "logits" in found:
        assert np.abs(found["logits"] - probe["logits"]).max() <= 1e-4 * np.abs(probe["logits"]).max()
