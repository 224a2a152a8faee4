"""The real checkpoint gives the published LFW figures on real faces, and a head stage freezes the rest."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from finetune.recipe.stage import Stage
from finetune.verification import read_pairs, resolve
from finetune.verification.measuring import measure

pytest.importorskip("tensorflow")
from finetune.model import Model
from finetune.runs.tuner import FineTuner

pytestmark = [pytest.mark.tf, pytest.mark.real, pytest.mark.slow]
PAIRS = "pairs_strangers.txt"


def crop(shared, folder, names, size, margin):
    """Cut aligned crops of these people by the published boxes."""
    only = folder.with_suffix(".txt")
    only.write_text("\n".join(sorted(names)))
    command = [shared / "lfw/crop.py", folder, "--size", size, "--margin", margin, "--only", only]
    subprocess.run([sys.executable, *map(str, command)], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def lfw(shared, tmp_path_factory):
    names = {
        name
        for pair in read_pairs(shared / "lfw" / PAIRS).pairs
        for name in (pair.first.split("/")[0], pair.second.split("/")[0])
    }
    return crop(shared, tmp_path_factory.mktemp("lfw") / "faces", names, 160, 32)


def test_the_pairs_give_the_published_figures_in_every_setting(shared, lfw):
    model = Model.restore(shared / "facenet")
    pairs = resolve(read_pairs(shared / "lfw" / PAIRS), lfw)
    both = model.embed(pairs.paths, flip=True)
    checked = 0
    for expected in json.loads((shared / "expected/lfw.json").read_text()):
        if expected["pairs"] != PAIRS:
            continue
        setting = {key: expected[key] for key in ("distance", "subtract_mean", "flip")}
        result = measure(lambda _, flip: both if flip else both[:, :512], pairs, **setting)
        # Another JPEG decoder moves an embedding by 1e-3, and some pairs across a threshold.
        assert result.accuracy == pytest.approx(expected["accuracy"], abs=0.003)
        assert result.val == pytest.approx(expected["val"], abs=0.03)
        assert result.auc == pytest.approx(expected["auc"], abs=0.006)
        assert result.eer == pytest.approx(expected["eer"], abs=0.006)
        checked += 1
    assert checked == 8


def test_a_head_stage_leaves_real_tensors_embeddings_and_figures_as_they_were(shared, lfw, tmp_path):
    people = (shared / "lfw/learn.txt").read_text().split()[:10]
    data = {"train": crop(shared, tmp_path / "learn", people, 182, 44), "validation_split": 0.3}
    pairs = (shared / "lfw" / PAIRS).read_text().splitlines()
    few = tmp_path / "pairs.txt"
    few.write_text("\n".join(["2\t36", *pairs[1:145]]))
    augment = {"random_crop": True, "random_flip": True}
    tuner = FineTuner(shared / "facenet", data, tmp_path / "run", {"dir": lfw, "pairs": few}, augment=augment)
    images = tuner.inputs.image_pairs.paths
    digests, embeddings = tuner.model.digests(), tuner.model.embed(images)
    result = tuner.run(Stage("head", train_from="Logits", epochs=4, learning_rate=0.01))
    changed = {name for name, digest in tuner.model.digests().items() if digest != digests[name]}
    assert changed == {"Logits/weights", "Logits/biases"}
    np.testing.assert_array_equal(Model.restore(result.folder).embed(images), embeddings)
    assert result.measured == tuner.baseline
    assert result.measured.lines() == tuner.baseline.lines()
    assert result.validation_accuracy > 0.7  # ten people; chance is 0.1
