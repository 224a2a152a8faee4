"""The path of a contest from its arrays to a submission, on the real arrays and the real checkpoint."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = [pytest.mark.tf, pytest.mark.real]

AGAINST_TEST = "classify facenet train_160 --test test_160 --classifier svm"
PEOPLE, ROWS, TESTED = (1, 2, 3), 20, 9


@pytest.fixture
def contest(shared: Path, work: Path) -> Path:
    """Write the first training rows of three people, in the contest's order, and some test rows."""
    folder = shared / "contest"
    if not folder.is_dir():
        pytest.skip(f"no folder {folder}")
    labels = np.load(folder / "y_train.npy")
    rows = np.sort(np.concatenate([np.flatnonzero(labels == person)[:ROWS] for person in PEOPLE]))
    np.save(work / "X_train.npy", np.load(folder / "X_train.npy")[rows])
    np.save(work / "y_train.npy", labels[rows])
    np.save(work / "X_test.npy", np.load(folder / "X_test.npy")[:TESTED])
    (work / "facenet").symlink_to(shared / "facenet")
    return work


def test_sixty_rows_go_from_arrays_to_a_submission(contest, finetune):
    form = "--height 50 --width 37 --scale 5"
    for command in (
        f"import arrays X_train.npy y_train.npy train {form}",
        f"import unlabelled X_test.npy test {form}",
        "align train train_160 --fallback whole",
        "align test test_160 --fallback whole",
    ):
        assert finetune(*command.split()).status == 0
    faces = sorted((contest / "train_160").rglob("*.png"))
    assert {np.asarray(Image.open(path)).shape[:2] for path in faces} == {(160, 160)}
    assert len(faces) == len(PEOPLE) * ROWS
    ended = finetune(*["classify", "facenet", "train_160", "--folds", "5", "--classifier", "svm"])
    right = int(ended.out[-1].split("(")[1].split()[0])
    assert ended.out[0] == "3 people, 60 images in 5 folds"
    assert right >= 50  # by chance: 20
    ended = finetune(
        *["classify", "facenet", "train_160", "--test", "test_160", "--classifier", "svm", "--submission", "s.csv"]
    )
    assert ended.out[-1] == f"{TESTED} predictions in s.csv"
    lines = [line.split(",") for line in (contest / "s.csv").read_text().splitlines()]
    assert [number for number, _ in lines] == ["ImageId", *map(str, range(TESTED))]
    assert {label for _, label in lines[1:]} <= set(map(str, PEOPLE))


def test_the_pictures_are_upright_faces(contest, finetune):
    """Find the faces of most enlarged rows; of turned ones, few."""
    finetune(*["import", "unlabelled", "X_train.npy", "train", "--height", "50", "--width", "37", "--scale", "5"])
    (contest / "turned").mkdir()
    for path in (contest / "train").glob("*.png"):
        Image.fromarray(np.asarray(Image.open(path))[::-1, ::-1]).save(contest / "turned" / path.name)
    found = []
    for folder in ("train", "turned"):
        ended = finetune("align", folder, f"{folder}_160")
        found.append(int(ended.out[-1].split(": ")[1].split()[0]))
    assert found[0] >= 50
    assert found[1] <= found[0] / 2
