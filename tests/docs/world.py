"""Files that the documentation's commands need: a checkpoint, LFW, photos, and a finished run.

All of them are drawn, under the names that the pages use, so that each command can be run as it is shown.
"""

from __future__ import annotations

import csv
import importlib.util
import json
import pickle
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from finetune.images import write_faces
from finetune.images.drawn_face import Identity
from finetune.images.drawn_photo import draw_face
from finetune.verification import write_pairs

ROOT = Path(__file__).resolve().parent.parent.parent
CHECKPOINT = "models/20180402-114759"
SHAPE = (50, 37)
"""Height and width of the images in arrays."""
Finetune = Callable[..., None]
"""Function that runs a command of finetune; the words are its arguments."""


def photos(folder: Path, people: Sequence[int], images: int, size: int = 200) -> None:
    """Draw photos with names as in LFW. The pages need people whose faces are found."""
    for number in people:
        person = folder / f"Person_{number:03d}"
        person.mkdir(parents=True)
        identity = Identity.draw(np.random.default_rng([9, number]))
        for image in range(1, images + 1):
            drawn = draw_face(identity, size, np.random.default_rng([9, number, image]), 0.2)
            drawn.save(person / f"{person.name}_{image:04d}.jpg", quality=92)


def make_home(home: Path, checkpoint: Path, finetune: Finetune) -> None:
    """Fill a home folder: `models`, `lfw`, `photos`, `strangers`, and the aligned faces of each."""
    (home / CHECKPOINT).mkdir(parents=True)
    for path in checkpoint.iterdir():
        (home / CHECKPOINT / path.name).symlink_to(path)
    (home / CHECKPOINT / "preprocessing.json").unlink()
    contract = {"image_size": 160, "standardization": "fixed"}
    (home / CHECKPOINT / "preprocessing.json").write_text(json.dumps(contract))
    _state_dict(home / CHECKPOINT, home / "downloads/20180402-114759-vggface2.pt")
    photos(home / "lfw/images", range(1, 3), 20)
    photos(home / "lfw/images", (3, 5, 6, 7, 8, 10), 3)
    photos(home / "photos", (21, 22, 24, 25), 6)
    photos(home / "strangers", range(31, 35), 1)
    finetune("align", home / "photos", home / "faces_182", "--size", "182", "--margin", "44")
    finetune("align", home / "photos", home / "faces_160")
    finetune("align", home / "lfw/images", home / "lfw_160")
    write_pairs(home / "lfw/pairs.txt", home / "lfw_160", folds=2, pairs_per_fold=6, seed=1)
    shutil.copytree(home / "faces_182", home / "mine")


def _state_dict(checkpoint: Path, path: Path) -> None:
    """Write a checkpoint as the file that facenet-pytorch's users hold."""
    from finetune.export.formats import Content, find
    from finetune.model import Model

    path.parent.mkdir()
    folder = path.with_suffix("")
    folder.mkdir()
    find("pytorch").write(Content.of(Model.restore(checkpoint), head=False), folder)
    (folder / path.name).rename(path)
    shutil.rmtree(folder)


def make_clone(folder: Path, home: Path, finetune: Finetune) -> None:
    """Fill a working folder: the recipes, a run of three stages, and the files that the pages name."""
    shutil.copytree(ROOT / "recipes", folder / "recipes")
    (folder / "data").symlink_to(ROOT / "data")
    shutil.copy(home / "lfw/pairs.txt", folder / "pairs_strangers.txt")
    gates = [f"stages.{stage}.accept=null" for stage in (1, 2)]
    finetune("run", folder / "recipes/small.yaml", f"output={folder}/runs/mine", *gates, *shortened(range(3)))
    shutil.copytree(folder / "runs/mine", folder / "runs/other", symlinks=True)
    text = (folder / "recipes/small.yaml").read_text().replace("runs/small", "runs/of-mine")
    (folder / "recipes/mine.yaml").write_text(text)
    _friends().draw(folder)
    shutil.copytree(folder / "strangers", folder / "others")
    photos(folder / "more", (43, 44), 2)
    photos(folder / "photos-of-today", range(51, 53), 1)
    shutil.copytree(folder / "photos", folder / "labelled")
    shutil.copy(folder / "more/Person_043/Person_043_0001.jpg", folder / "unknown.jpg")
    photos(folder / "ann", [57], 1, 260)
    (folder / "ann/Person_057/Person_057_0001.jpg").rename(folder / "ann.jpg")
    _arrays(folder)
    people = (1, 2, 3, 5, 6, 7, 8, 10, 11, 13, 14, 17, 18, 19, 20, *range(24, 39))
    photos(folder / "all", people, 5)
    with open(folder / "photos.csv", "w", newline="") as table:
        csv.writer(table).writerows((path.relative_to(folder), path.parent.name) for path in _images(folder / "all"))


def make_demo(folder: Path, faces: Path, checkpoint: Path) -> None:
    """Fill `runs/demo` as `make demo` does, but with few photos and without its stages."""
    demo = folder / "runs/demo"
    write_faces(demo / "data/faces", people=36, images_per_person=5, size=80, seed=1)
    shutil.copytree(faces / "strangers", demo / "data/strangers")
    shutil.copy(faces / "pairs.txt", demo / "data/pairs.txt")
    (demo / "checkpoint").symlink_to(checkpoint)
    (demo / "run").mkdir()
    (demo / "run/2-last-block").symlink_to(checkpoint)


def shortened(stages: Iterable[int]) -> list[str]:
    """Return settings that make these stages of a recipe short."""
    return [*(f"stages.{stage}.epochs=2" for stage in stages), "batch_size=12"]


def _friends():  # type: ignore[no-untyped-def]
    """Return the script that draws the photos of the gallery page, as a module."""
    spec = importlib.util.spec_from_file_location("friends", ROOT / "tests/verify/friends.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _images(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.jpg"))


def _arrays(folder: Path) -> None:
    """Write images of two people as arrays, and embeddings as people pickled them for their own classifiers."""
    generator = np.random.default_rng(1)
    pixels = generator.integers(0, 256, (24, SHAPE[0] * SHAPE[1]), np.uint8)
    np.save(folder / "X_train.npy", pixels[:16])
    np.save(folder / "y_train.npy", np.arange(16) % 2)
    np.save(folder / "X_test.npy", pixels[16:])
    embeddings = generator.normal(size=(4, 512))
    content = pickle.dumps(
        (embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True), [0, 0, 1, 1], ["Eve", "Flo"])
    )
    (folder / "all_features.pkl").write_bytes(content)
