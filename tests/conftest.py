from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest

from finetune.backbones import BACKBONES, DEFAULT, Backbone

ROOT = Path(__file__).resolve().parent.parent

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # read once, when TensorFlow is first imported

DRAWN_CHECKPOINT = "FINETUNE_DRAWN_CHECKPOINT"
"""Variable that names a folder filled by `draw_checkpoint`. It saves many short sessions most of a minute each."""

# The same examples in every run, however busy the machine.
hypothesis.settings.register_profile("finetune", deadline=None, derandomize=True, max_examples=50)
hypothesis.settings.load_profile("finetune")


OF_TENSORFLOW = re.compile(r"^pytestmark = .*\bpytest\.mark\.tf\b", re.MULTILINE)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Skip the modules that `-m "not tf …"` leaves out, because collecting them would import TensorFlow."""
    if not re.match(r"not tf\b", config.option.markexpr) or collection_path.suffix != ".py":
        return None
    return True if OF_TENSORFLOW.search(collection_path.read_text(encoding="utf-8")) else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Move slow tests to the end. A file's quick tests form one group for pytest-xdist, and its slow tests another."""
    items.sort(key=_is_slow)
    for item in items:
        item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0] + " slow" * _is_slow(item)))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a slow test that would begin after FINETUNE_SLOW_UNTIL (seconds since 1970), if that is set."""
    until = os.environ.get("FINETUNE_SLOW_UNTIL")
    if until and _is_slow(item) and time.time() > float(until):
        pytest.skip("slow, and the time for slow tests is over: make test has no such limit")


def _is_slow(item: pytest.Item) -> bool:
    return item.get_closest_marker("slow") is not None


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Yield the folder of a cache for the tests alone, which the commands that they start use too."""
    folder = tmp_path_factory.mktemp("cache")
    before = os.environ.get("FINETUNE_CACHE")
    os.environ["FINETUNE_CACHE"] = str(folder)
    yield folder
    os.environ.pop("FINETUNE_CACHE")
    if before is not None:
        os.environ["FINETUNE_CACHE"] = before


@pytest.fixture(scope="session", autouse=True)
def _threads_read_the_images() -> None:
    """Start no processes for reading images: tests replace functions of their own process."""
    from finetune.dataset import reading

    reading.MANY = 10**9


@pytest.fixture(scope="session", autouse=True)
def tensorflow_computes() -> Iterator[None]:
    """Let TensorFlow embed where a test names no runtime: it is loaded anyway, and no graph has to be made.

    `tests/light` tests what users get, and so do the commands that tests start in other processes.
    """
    from finetune.light import restoring

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(restoring, "usual_runtime", lambda _: "tensorflow")
        yield


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder with the real checkpoint, the LFW images and the expected figures."""
    folder = Path(os.environ.get("FINETUNE_SHARED", ROOT.parent / "shared")).expanduser()
    if not folder.is_dir():
        pytest.skip(f"no folder {folder}: set FINETUNE_SHARED to the one with facenet/, lfw/ and expected/")
    missing = [name for name in ("facenet", "lfw", "expected") if not (folder / name).is_dir()]
    if missing:
        pytest.skip(f"{folder} has no {', '.join(f'{name}/' for name in missing)}")
    return folder


@pytest.fixture(scope="session")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Draw faces of 80 pixels: `learn/` (4 people), `strangers/` (6 people), and `pairs.txt` among the strangers."""
    return draw_faces(tmp_path_factory.mktemp("faces"))


def draw_faces(root: Path) -> Path:
    """Draw the faces of the fixture `faces` into a folder, and return it."""
    from finetune.images.drawn_people import write_faces
    from finetune.verification.pair_drawing import write_pairs

    write_faces(root / "learn", people=4, images_per_person=6, size=80, seed=1)
    write_faces(root / "strangers", people=range(11, 17), images_per_person=4, size=80, seed=1)
    write_pairs(root / "pairs.txt", root / "strangers", folds=2, pairs_per_fold=10, seed=1)
    return root


@pytest.fixture(scope="session")
def drawn_checkpoint(faces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a whole TF1 checkpoint of drawn weights, whose images have 75 pixels."""
    if DRAWN_CHECKPOINT in os.environ:
        return Path(os.environ[DRAWN_CHECKPOINT])
    return draw_checkpoint(tmp_path_factory.mktemp("checkpoint"), faces)


def draw_checkpoint(folder: Path, faces: Path) -> Path:
    """Write the checkpoint of the fixture `drawn_checkpoint` into a folder, and return it."""
    from finetune.demo import drawn

    drawn(sorted((faces / "strangers").rglob("*.png")), 75, 120).save(folder, "demo")
    return folder


@pytest.fixture(scope="session")
def newer_checkpoint(drawn_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the drawn checkpoint after a stage: its embeddings lie elsewhere, and nearly as well."""
    from finetune.model import Model

    model = Model.restore(drawn_checkpoint)
    (name,) = (name for name in model.variables if name.endswith("Bottleneck/weights"))
    weights = model.tensors([name])[name]
    noise = np.random.default_rng(4).normal(0, 0.2 * weights.std(), weights.shape)
    model.assign({name: (weights + noise).astype(np.float32)})
    folder = tmp_path_factory.mktemp("newer")
    model.save(folder, "newer")
    return folder


@pytest.fixture(scope="session")
def random_variables() -> Callable[[Backbone], dict[str, Any]]:
    """Return a function that makes a whole network's variables: embedding of 8, 3 classes, small random weights."""
    import tensorflow as tf

    from finetune.backbones import variable_shapes

    def make(backbone: Backbone) -> dict[str, Any]:
        generator = np.random.default_rng(0)
        positive = ("/gamma", "/moving_variance")
        return {
            name: tf.Variable(
                generator.uniform(0.5, 1.5, shape) if name.endswith(positive) else generator.normal(0, 0.05, shape),
                dtype=tf.float32,
            )
            for name, shape in variable_shapes(backbone, 8, 3).items()
        }

    return make


@pytest.fixture(scope="module")
def variables(random_variables) -> dict[str, Any]:
    """Return the random variables of the default backbone."""
    return random_variables(BACKBONES[DEFAULT])


@pytest.fixture
def without_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make stages write no report, because each takes most of a second and has its own tests."""
    from finetune.runs import tuner

    monkeypatch.setattr(tuner, "write_into", lambda path: None)


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Record the number of images that go through the network's first units, call by call."""
    from finetune.model import Model

    counted: list[int] = []
    prefix = Model.prefix

    def counting(self, stop):
        forward = prefix(self, stop)

        def call(pixels):
            counted.append(len(pixels))
            return forward(pixels)

        return call

    monkeypatch.setattr(Model, "prefix", counting)
    return counted


@pytest.fixture(scope="session")
def tensorflow1() -> str:
    """Return an interpreter that imports TensorFlow 1.15."""
    python = os.environ.get("FINETUNE_TF1_PYTHON") or shutil.which("python3.7")
    if python is None:
        pytest.skip("no interpreter with TensorFlow 1.15: set FINETUNE_TF1_PYTHON to one (it needs Python 3.7)")
    found = subprocess.run(
        [python, "-c", "import tensorflow as tf; print(tf.__version__)"], capture_output=True, text=True, check=False
    )
    if not found.stdout.startswith("1.15"):
        pytest.skip(f"{python} has no TensorFlow 1.15: set FINETUNE_TF1_PYTHON to an interpreter that has")
    return python
