"""A stage with sub-centers lists the training images that lie far from the dominant center of their class."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest

from finetune.dataset.scanning import Dataset
from finetune.recipe.stage import Stage

pytest.importorskip("tensorflow")
from finetune.runs.suspects import SUSPECTS, suspects

pytestmark = pytest.mark.tf


def test_images_beyond_75_degrees_are_listed_with_the_nearest_person_farthest_first():
    degrees = [0, 74.9, 75.1, 120, 90]
    embeddings = np.array([[math.cos(math.radians(a)), math.sin(math.radians(a))] for a in degrees], np.float32)
    head = np.array([[2.0, 0.0], [0.0, 0.5]], np.float32)  # columns at 0 and 90 degrees, of any length
    paths = tuple(
        Path(f"/faces/{name}") for name in ("=ann/1.png", "=ann/2.png", "=ann/3.png", "=ann/4.png", "bob/1.png")
    )
    found = suspects(Dataset(Path("/faces"), ("=ann", "bob"), paths, np.array([0, 0, 0, 0, 1])), embeddings, head)
    assert found.images == ("=ann/4.png", "=ann/3.png")
    np.testing.assert_allclose(found.angles, [120, 75.1], atol=1e-4)
    np.testing.assert_allclose(found.nearest_angles, [30, 14.9], atol=1e-4)
    # A spreadsheet would take a name that begins with = for a formula.
    assert (
        found.to_csv() == "image,angle,nearest,nearest_angle\n'=ann/4.png,120.0,bob,30.0\n'=ann/3.png,75.1,bob,14.9\n"
    )


def test_a_stage_with_sub_centers_lists_them_and_others_list_none(make):
    tuner = make(lfw=None)
    plain = tuner.run(Stage("plain", train_from="Logits", epochs=1, loss="arcface"))
    assert not (plain.folder / SUSPECTS).exists()
    train = tuner.inputs.train
    result = tuner.run(Stage("head", train_from="Logits", epochs=2, loss={"name": "sub_arcface"}))
    rows = list(csv.DictReader((result.folder / SUSPECTS).read_text().splitlines()))
    head = tuner.model.variables["Logits/weights"].numpy().astype(np.float64)
    embeddings = tuner.model.embed(train.paths).astype(np.float64)
    own = np.degrees(np.arccos((embeddings * (head / np.linalg.norm(head, axis=0)).T[train.labels]).sum(1)))
    expected = {f"{p.parent.name}/{p.name}" for p, angle in zip(train.paths, own, strict=True) if angle > 75}
    assert {row["image"] for row in rows} == expected
    assert SUSPECTS in (result.folder / "files.sha256").read_text()
