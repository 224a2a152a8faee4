from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finetune.dataset.scanning import scan
from finetune.dataset.splitting import split_validation
from finetune.errors import DataError, RunError
from finetune.images import drawn_people as synthetic
from finetune.images.drawn_people import write_faces
from finetune.images.reading import read_image


def contents(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*.png"))}


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("synthetic") / "faces"
    write_faces(root, people=12, images_per_person=12, size=64, seed=5)
    return root


def test_a_folder_is_named_and_read_as_lfws_is(faces):
    found = scan(faces, min_images_per_person=12, crop=64)
    assert found.dataset.class_names == tuple(f"person_{i:03d}" for i in range(1, 13))
    assert len(found.dataset) == 144
    assert found.quarantined == found.left_out == ()
    assert found.dataset.paths[0] == faces / "person_001/person_001_0001.png"
    with Image.open(found.dataset.paths[0]) as image:
        assert (image.mode, image.size) == ("RGB", (64, 64))


def test_a_person_is_drawn_alike_whoever_else_is(faces, tmp_path):
    write_faces(tmp_path / "some", people=[3, 11], images_per_person=2, size=64, seed=5)
    whole, some = contents(faces), contents(tmp_path / "some")
    assert len(some) == 4
    assert some.items() <= whole.items()


def test_another_seed_draws_other_people(faces, tmp_path):
    write_faces(tmp_path / "other", people=1, images_per_person=1, size=64, seed=6)
    (name, drawn), *_ = contents(tmp_path / "other").items()
    assert contents(faces)[name] != drawn


def test_every_image_differs(faces):
    assert len(set(contents(faces).values())) == 144


def ridge_accuracy(train: np.ndarray, train_labels: np.ndarray, test: np.ndarray, test_labels: np.ndarray) -> float:
    """Return the accuracy of a linear classifier: least squares with a penalty."""
    mean, std = train.mean(0), train.std(0)
    train, test = (train - mean) / std, (test - mean) / std
    targets = np.eye(train_labels.max() + 1)[train_labels]
    weights = np.linalg.solve(train.T @ train + 100 * np.eye(train.shape[1]), train.T @ targets)
    return float(np.mean((test @ weights).argmax(1) == test_labels))


def test_people_are_told_apart_by_their_features_not_by_their_mean_colour(faces):
    train, test = split_validation(scan(faces).dataset, 0.3, 0)
    images = [np.stack([read_image(path).astype(float) for path in part.paths]) for part in (train, test)]
    colours = [pixels.mean(axis=(1, 2)) for pixels in images]
    features = [pixels.reshape(-1, 16, 4, 16, 4, 3).mean(axis=(2, 4)).reshape(len(pixels), -1) for pixels in images]
    by_colour, by_features = (ridge_accuracy(a, train.labels, b, test.labels) for a, b in (colours, features))
    chance = 1 / 12
    assert by_colour < 2.5 * chance
    assert by_features > 4 * chance


def test_a_folder_in_use_is_left_as_it_was(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(DataError, match="not an empty folder"):
        write_faces(tmp_path, people=1, images_per_person=1, size=32, seed=0)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_empty_folder_is_filled(tmp_path):
    write_faces(tmp_path, people=1, images_per_person=1, size=32, seed=0)
    assert list(contents(tmp_path)) == ["person_001/person_001_0001.png"]


def test_a_full_disk_leaves_nothing_half_written(tmp_path, monkeypatch):
    def full(*_args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(synthetic, "_write_person", full)
    with pytest.raises(RunError, match="No space left on device"):
        write_faces(tmp_path / "faces", people=2, images_per_person=1, size=32, seed=0)
    assert list(tmp_path.iterdir()) == []
