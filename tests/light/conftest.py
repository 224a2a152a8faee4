from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from finetune.images import Preprocessing
from finetune.light import restoring

USUAL = restoring.usual_runtime
SMALL = Preprocessing(image_size=64, standardization="fixed")


@pytest.fixture(autouse=True)
def cache_of_one_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of the kept graphs, a new one for each test, whose default runtime is that of users."""
    monkeypatch.setattr(restoring, "usual_runtime", USUAL)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("FINETUNE_CACHE", str(tmp_path / "cache/features"))
    return tmp_path / "cache/graphs"


@pytest.fixture(scope="session")
def small_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a checkpoint of the small network, with three people in its head."""
    from finetune.model import Model

    model = Model.fresh("small_cnn", 16, ["Ann", "Bob", "Cid"], preprocessing=SMALL, seed=3)
    biases = model.backbone.head_variables[1]
    model.assign({biases: np.array([0.1, -0.2, 0.3], np.float32)})
    folder = tmp_path_factory.mktemp("small")
    model.save(folder, "small", 7)
    return folder


@pytest.fixture(scope="session")
def small_model(small_checkpoint: Path):
    """Return the same checkpoint in TensorFlow."""
    from finetune.model import Model

    return Model.restore(small_checkpoint)


@pytest.fixture
def pixels() -> np.ndarray:
    """Return five images."""
    return np.random.default_rng(5).integers(0, 256, [5, 64, 64, 3], dtype=np.uint8)
