"""A folder of validation images is measured as it is, for the people who are trained on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from finetune.dataset import Dataset
from finetune.errors import DataError, UserError
from finetune.images import inspect_images
from finetune.recipe import Recipe, Stage

pytest.importorskip("tensorflow")
from finetune.dataset import scan
from finetune.runs.begun import refuse_other_inputs
from finetune.runs.planning import plan
from finetune.runs.validation import Validation, open_validation

pytestmark = pytest.mark.tf


@pytest.fixture
def folders(faces: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Return a training folder with four images of each person, and a validation folder with their other two."""
    train, held = tmp_path / "train", tmp_path / "held"
    for person in sorted((faces / "learn").iterdir()):
        for number, image in enumerate(sorted(person.iterdir())):
            target = (train if number < 4 else held) / person.name
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(image, target)
    return train, held


def opened(folders, **data) -> Validation:
    train, held = folders
    values = {"checkpoint": "c", "output": "o", "data": {"train": train, "validation": held} | data}
    scanned = scan(train, min_images_per_person=data.get("min_images_per_person", 1))
    return open_validation(Recipe.from_values(values), scanned, 75, inspect_images)


def people(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_each_image_has_its_persons_label_and_no_other_person_is_counted(folders):
    train, held = folders
    first, *_, last = people(held)
    shutil.rmtree(held / first)
    trained = scan(train).dataset
    found = opened(folders).of(trained)
    assert found.left_out == ()
    assert found.dataset.class_names == trained.class_names
    assert len(found.dataset) == 6
    for path, label in zip(found.dataset.paths, found.dataset.labels, strict=True):
        assert path.parent.name == trained.class_names[label]
    fewer = opened(folders).of(trained.of_people(set(trained.class_names) - {last}))
    assert fewer.left_out == (last,)
    assert {path.parent.name for path in fewer.dataset.paths} == set(people(held)) - {last}


def test_people_who_are_not_in_the_training_folder_are_named_in_one_line(folders):
    train, held = folders
    first, second, *_ = people(train)
    for name in (first, second):
        shutil.rmtree(train / name)
    with pytest.raises(DataError) as caught:
        opened(folders)
    assert str(caught.value) == (
        f"{held}: 2 people not in {train}: '{first}', '{second}'; "
        "remove their folders, or add images of them to data.train"
    )


def test_people_with_too_few_training_images_are_left_out_of_both(folders):
    train, _ = folders
    first, *rest = people(train)
    for image in sorted((train / first).iterdir())[1:]:
        image.unlink()
    trained = scan(train, min_images_per_person=2).dataset
    found = opened(folders, min_images_per_person=2).of(trained)
    assert found.left_out == (first,)
    assert {path.parent.name for path in found.dataset.paths} == set(rest)
    with pytest.raises(DataError, match="nobody in it is trained on; give images of some who are"):
        found.of(Dataset(train, ("somebody", "else"), (), np.zeros(0, np.int64)))


@pytest.mark.slow
def test_a_run_validates_on_the_folder_and_trains_on_all_of_the_other(make, folders):
    train, held = folders
    first, *_ = people(train)
    copied = sorted((train / first).iterdir())[0]
    shutil.copy(copied, held / first / "again.png")
    (held / first / "notes.txt").write_text("no image")
    tuner = make(data={"train": train, "validation": held}, lfw=None)
    inputs = tuner.inputs
    assert len(inputs.train) == 16
    assert sorted(inputs.validation.paths) == sorted(held.rglob("*.png"))
    lines = plan(inputs)
    assert any(f"validation: 9 images of {held}" in line for line in lines)
    assert any("validation: 1 file left out, such as " in line and "notes.txt" in line for line in lines)
    assert any("warning: 1 of these images are training images too, and flatter" in line for line in lines)
    result = tuner.run(Stage("head", "Logits", 2, learning_rate=0.01, early_stopping=1))
    model, prelogits = tuner.model, tuner.model.embed(inputs.validation.paths)
    assert prelogits.shape[0] == len(result.trained.held_back.correct) == 9
    assert model.class_names == inputs.validation.class_names
    stored = json.loads((tuner.folder.path / "inputs.json").read_text())
    assert stored["validation"]["images"] == 9
    refuse_other_inputs(inputs, tuner.folder.path, stored)
    (held / first / "again.png").write_bytes(copied.read_bytes() + b"\0")
    with pytest.raises(UserError) as caught:
        make(data={"train": train, "validation": held}, lfw=None, resume=True)
    assert str(caught.value) == (
        f"{held}: {first}/again.png: other contents than when the run in {tuner.folder.path} began; "
        "put back what it began with, or start a new run"
    )


@pytest.mark.slow
def test_an_output_within_the_folder_is_refused(make, folders):
    train, held = folders
    with pytest.raises(UserError, match="held/run"):
        make(data={"train": train, "validation": held}, output=held / "run")
