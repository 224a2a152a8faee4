"""`describe` tells what a checkpoint holds, unit by unit, from its files alone."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from finetune.backbones import by_name, variable_shapes
from finetune.checkpoint.inspect import describe
from finetune.checkpoint.saver import write
from finetune.errors import CheckpointError
from finetune.images import preprocessing

pytestmark = pytest.mark.tf
V1 = by_name("inception_resnet_v1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a whole network with embeddings of 8 values and a head of 5 classes, as training leaves it."""
    tensors = {name: np.zeros(shape, np.float32) for name, shape in variable_shapes(V1, 8, 5).items()}
    tensors["centers"] = np.zeros((5, 8), np.float32)
    folder = tmp_path_factory.mktemp("inspect")
    contract = preprocessing.Preprocessing(144, "per_image").to_text()
    write(folder, "tiny", 3, tensors, {preprocessing.PREPROCESSING_FILE: contract})
    return folder


def test_sizes_preprocessing_and_digests_are_read(folder: Path) -> None:
    found = describe(folder)
    assert (found.contents.embedding_size, found.contents.num_classes) == (8, 5)
    assert (found.preprocessing.image_size, found.preprocessing.standardization) == (144, "per_image")
    assert found.preprocessing.source == preprocessing.PREPROCESSING_FILE
    index = folder / "model-tiny.ckpt-3.index"
    assert found.sha256[index.name] == hashlib.sha256(index.read_bytes()).hexdigest()


def test_every_variable_is_in_one_unit_or_skipped(folder: Path) -> None:
    found = describe(folder)
    listed = [name for unit in found.units for name in unit.variables]
    assert sorted([*listed, *found.skipped]) == sorted([*variable_shapes(V1, 8, 5), "centers"])
    # 23,497,424 values at 512; each dimension of an embedding has 1792 weights, and beta, mean and variance.
    assert sum(unit.values for unit in found.units) == 23_497_424 - 504 * (1792 + 3)
    first = found.units[0]
    assert (first.name, first.values) == ("Conv2d_1a_3x3", 3 * 3 * 3 * 32 + 3 * 32)


def test_the_lines_are_for_people(folder: Path) -> None:
    lines = describe(folder).lines(variables=True)
    assert lines[:6] == [
        f"checkpoint      {folder}/model-tiny.ckpt-3",
        "usable          yes, as CHECKPOINT of a command or checkpoint= of a recipe",
        "network         Inception-ResNet-v1",
        "embedding size  8",
        "classes         5",
        "preprocessing   144 pixels, per_image (preprocessing.json)",
    ]
    at = lines.index("Repeat_1/block17_10: 18 variables, 690,560 values")
    assert "  Branch_1/Conv2d_0b_1x7/weights [1, 7, 128, 128]" in lines[at : at + 19]
    assert lines[-2:] == [
        "skipped: centers: class centers of its center loss",
        "skipped: Logits/biases, Logits/weights: the old classifier of 5 classes",
    ]


def test_one_screen_has_the_blocks_of_the_network(folder: Path) -> None:
    lines = describe(folder).lines()
    assert len(lines) <= 26
    assert max(map(len, lines[9:])) <= 80
    at = lines.index("block          units  variables       values    MiB")
    assert lines[at + 1] == "Conv2d_1a_3x3      1          4          960    0.0"
    assert lines[at + 9] == "Repeat_1          10        180    6,905,600   26.3"
    assert lines[at + 14] == "in all            30        490   22,592,744   86.2"


def test_the_json_is_for_programs(folder: Path) -> None:
    found = json.loads(json.dumps(describe(folder).to_json()))
    assert (found["embedding_size"], found["num_classes"], found["variables"]) == (8, 5, 490)
    assert found["backbone"] == "inception_resnet_v1"
    assert found["units"][-1]["variables"]["InceptionResnetV1/Bottleneck/weights"] == [1792, 8]
    assert found["skipped"]["centers"] == "class centers of its center loss"


def test_a_checkpoint_without_a_variable_is_refused_by_name(tmp_path: Path) -> None:
    name = "InceptionResnetV1/Bottleneck/weights"
    write(tmp_path, "part", 1, {name: np.zeros((1792, 8), np.float32)})
    with pytest.raises(CheckpointError) as caught:
        describe(tmp_path)
    assert len(caught.value.problems) == 489
    assert all(
        line.startswith(f"{tmp_path}/model-part.ckpt-1 InceptionResnetV1/") for line in map(str, caught.value.problems)
    )


@pytest.mark.real
def test_the_real_checkpoint(shared: Path) -> None:
    found = describe(shared / "facenet")
    assert (found.contents.embedding_size, found.contents.num_classes) == (512, 739)
    assert sum(len(unit.variables) for unit in found.units) == 490
    assert found.skipped == dict.fromkeys(["Logits/biases", "Logits/weights"], "the old classifier of 739 classes")


def test_a_known_file_says_where_it_comes_from_and_how_its_images_were_standardized(folder, monkeypatch, tmp_path):
    from finetune.backbones import PUBLISHED

    for path in folder.iterdir():
        if path.name != preprocessing.PREPROCESSING_FILE:
            (tmp_path / path.name).symlink_to(path)
    assert describe(tmp_path).preprocessing.assumed
    index = describe(tmp_path).sha256["model-tiny.ckpt-3.index"]
    monkeypatch.setitem(PUBLISHED["20170512-110547"].files, index, "a copy")
    found = describe(tmp_path)
    assert (found.preprocessing.standardization, found.preprocessing.assumed) == ("per_image", False)
    lines = found.lines()
    assert "known as        a copy of 20170512-110547" in lines
    assert "LFW             0.992 as published (see finetune validate)" in lines
    assert any(line.startswith("licence         MIT") for line in lines)
    assert found.to_json()["published"] == "20170512-110547"


def test_the_command_imports_neither_tensorflow_nor_scipy(drawn_checkpoint: Path) -> None:
    code = (
        "import sys; from finetune.cli import main; main(sys.argv[1:]); print({'tensorflow', 'scipy'} & {*sys.modules})"
    )
    command = [sys.executable, "-c", code, "inspect", str(drawn_checkpoint)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "set()"


def test_values_are_checked_one_after_another(drawn_checkpoint: Path) -> None:
    tracemalloc.start()
    describe(drawn_checkpoint)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 30 << 20  # bytes; the values have 90 MiB
