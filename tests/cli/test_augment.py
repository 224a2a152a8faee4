"""`finetune augment` shows the very images that training draws, and compares their look with a camera's photos."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finetune.images import appearance_of, network_inputs
from finetune.recipe import Recipe

pytestmark = pytest.mark.tf
SIZE, GAP, TOP = 75, 8, 30
CAMERA = "augment={random_flip: true, camera: {grey: 0.5, resolution: [16, 40], noise: [2, 10], jpeg: [20, 60]}}"


def cell(sheet: np.ndarray, row: int, column: int) -> np.ndarray:
    top, left = TOP + row * (SIZE + GAP), GAP + column * (SIZE + GAP)
    return sheet[top : top + SIZE, left : left + SIZE]


def test_the_sheet_has_the_images_that_the_first_epochs_train_on(finetune, work: Path):
    from finetune.dataset import Drawing, training_batches
    from finetune.runs import Inputs

    ended = finetune("augment", "recipe.yaml", "sheet.png", CAMERA, "--people", "3", "--epochs", "2")
    assert (ended.status, ended.out) == (0, ["sheet.png: 3 images, as they are and in 2 epochs"])
    sheet = np.asarray(Image.open(work / "sheet.png"))
    assert sheet.shape == (TOP + 3 * (SIZE + GAP), GAP + 3 * (SIZE + GAP), 3)
    recipe = Recipe.load("recipe.yaml", {"augment": CAMERA.removeprefix("augment=")})
    inputs = Inputs.open(recipe)
    firsts = np.unique(inputs.train.labels, return_index=True)[1][[0, 2, 3]]  # of four people
    clean = network_inputs([inputs.train.paths[row] for row in firsts], inputs.preprocessing)
    drawn = [
        np.concatenate(
            [
                pixels.numpy()
                for pixels, _ in training_batches(
                    inputs.train,
                    Drawing(recipe.seed, 1, epoch),
                    preprocessing=inputs.preprocessing,
                    augment=recipe.augment,
                    batch_size=8,
                    order=firsts,
                )
            ]
        )
        for epoch in (1, 2)
    ]
    for column, images in enumerate([clean, *drawn]):
        for row, pixels in enumerate(images):
            np.testing.assert_array_equal(cell(sheet, row, column), pixels)
    assert not np.array_equal(drawn[0], drawn[1])
    assert not (work / "out").exists()


def test_views_that_would_repeat_are_not_shown(finetune):
    ended = finetune("augment", "recipe.yaml", "sheet.png", "augment={random_flip: true, views: 2}", "--epochs", "4")
    assert ended.out == ["sheet.png: 4 images, as they are and in 2 epochs"]


def test_the_table_compares_the_medians_of_the_camera_s_photos(finetune, work: Path):
    (work / "camera").mkdir()
    photos = sorted((work / "faces/strangers").rglob("*.png"))[:5]
    for photo in photos:
        Image.fromarray(np.asarray(Image.open(photo)) // 2).save(work / "camera" / photo.name)
    Image.new("RGB", (40, 40)).save(work / "camera" / "small.png")
    ended = finetune("augment", "recipe.yaml", "sheet.png", CAMERA, "--camera", "camera")
    assert ended.status == 0
    (left_out,) = ended.err
    assert re.fullmatch(r"left out: +1 .*: camera/small\.png", left_out)
    lines = "\n".join(ended.out[1:])
    assert "clean (16)" in lines
    assert "augmented (16)" in lines
    assert "camera (5)" in lines
    halved = [appearance_of(np.asarray(Image.open(photo))[2:77, 2:77] // 2) for photo in photos]
    expected = dict(zip(halved[0]._fields, np.median(halved, axis=0), strict=True))
    for name, value in expected.items():
        (line,) = (line for line in ended.out if line.strip().startswith(name.replace("_", " ")))
        clean, degraded, real = re.findall(r"[\d.]+(?:e[-+]\d+)?", line)[:3]
        assert real == f"{value:.4g}"
        assert clean != degraded


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (
            "recipe.yaml sheet.png",
            ["recipe.yaml augment: no random augmentation is on; set random_flip, another key that begins with..."],
        ),
        ("recipe.yaml sheet.jpg augment.random_flip=true", ["sheet.jpg: give a file name that ends in .png"]),
        (
            "recipe.yaml faces/learn/a.png augment.random_flip=true",
            ["faces/learn/a.png: lies in faces/learn..."],
        ),
        ("recipe.yaml no/a.png augment.random_flip=true", ["no: no such folder; make it first"]),
        (
            "recipe.yaml a.png augment.random_flip=true --camera none",
            ["none: no such file or folder; give an image or a folder of images"],
        ),
        (
            "recipe.yaml a.png augment.random_flip=true --camera bad/empty",
            ["bad/empty: no files in it; give an image or a folder of images"],
        ),
        (
            "recipe.yaml a.png augment.random_flip=true --camera bad/small",
            ["bad/small: no usable photo in it; the first is bad/small/ann/1.png: ...; align them: finetune align"],
        ),
        ("recipe.yaml a.png augment.random_flip=true checkpoint=none", ["none: ..."]),
        ("recipe.yaml a.png augment.random_flip=true data.train=none", ["none: ..."]),
        (
            "recipe.yaml a.png augment.camera.blur=[2,1]",
            ["command line augment.camera.blur: found 2 before 1;..."],
        ),
        (
            "recipe.yaml a.png augment.random_flip=true --people 0",
            ["argument --people: found '0'; give a whole number from 1 to 50; see finetune augment --help"],
        ),
    ],
)
def test_what_can_not_be_shown_is_refused_in_one_line(arguments, lines, refused):
    refused(f"augment {arguments}", *lines)


def test_photos_are_not_changed(finetune, work: Path, tree):
    shutil.copytree(work / "faces/learn", work / "mine")
    before = tree(work / "mine")
    assert finetune("augment", "recipe.yaml", "sheet.png", CAMERA, "data.train=mine", "--camera", "mine").status == 0
    assert tree(work / "mine") == before
