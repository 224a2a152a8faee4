"""Commands that only embed leave TensorFlow out once the graph is kept, and answer as with TensorFlow."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = [pytest.mark.tf, pytest.mark.slow]

from PIL import Image  # noqa: E402

from finetune.cli import main  # noqa: E402
from tests.align.conftest import scene  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
WITHOUT_TENSORFLOW = """
import json, sys
sys.modules["tensorflow"] = None  # an import of it fails
from finetune.cli import main
print(json.dumps([main(line) for line in json.loads(sys.argv[1])]))
"""


def lines(checkpoint: str, faces: Path, out: Path) -> list[list[str]]:
    """Return a line for each command, in an order in which each finds what it needs."""
    gallery, learn, strangers = str(out / "g.h5"), str(faces / "learn"), str(faces / "strangers")
    (face, other, *_) = sorted(str(path) for path in (faces / "strangers").rglob("*.png"))
    pairs = str(faces / "pairs.txt")
    return [
        ["inspect", checkpoint],
        ["enroll", gallery, learn, "--checkpoint", checkpoint],
        ["gallery", gallery],
        ["identify", gallery, face, "--threshold", "0.2", "--csv", str(out / "prototype.csv")],
        *(
            [
                "identify",
                gallery,
                strangers,
                "--threshold",
                "0.2",
                "--classifier",
                name,
                "--csv",
                str(out / f"{name}.csv"),
            ]
            for name in ("k-nearest", "svm", "logistic", "head")
        ),
        ["compare", face, other, "--checkpoint", checkpoint],
        ["embed", checkpoint, strangers, str(out / "e.npz"), "--flip"],
        ["classify", checkpoint, learn, "--min-images", "4", "--train-images", "3"],
        ["validate", checkpoint, "--lfw", strangers, "--pairs", pairs, "--json", str(out / "v.json")],
        ["cluster", strangers, str(out / "clusters"), "--checkpoint", checkpoint],
    ]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("out")


def test_each_command_leaves_tensorflow_out_and_answers_as_with_it(small_checkpoint, faces, out, capsys):
    checkpoint = str(small_checkpoint)
    first = sorted((faces / "strangers").rglob("*.png"))[0]
    assert main(["embed", checkpoint, str(first), str(out / "first.npz")]) == 0  # makes the graph
    asked = lines(checkpoint, faces, out)
    command = [sys.executable, "-c", WITHOUT_TENSORFLOW, json.dumps(asked)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [0] * len(asked), done.stderr
    by_tensorflow = out / "tensorflow"
    by_tensorflow.mkdir()
    for line in lines(checkpoint, faces, by_tensorflow):
        assert main([*line, *(["--runtime", "tensorflow"] if line[0] not in ("inspect", "gallery") else [])]) == 0
    for table in sorted(out.glob("*.csv")):
        rows, expected = (
            [line.split(",") for line in (folder / table.name).read_text().splitlines()]
            for folder in (out, by_tensorflow)
        )
        for row, other in zip(rows, expected, strict=True):
            for cell, given in zip(row, other, strict=True):
                assert cell == given or abs(float(cell) - float(given)) <= 1e-5
    one, two = (np.load(folder / "e.npz") for folder in (out, by_tensorflow))
    assert (str(one["runtime"]), str(two["runtime"])) == ("onnxruntime", "tensorflow")
    assert np.abs(one["embeddings"] - two["embeddings"]).max() < 1e-6
    one, two = (json.loads((folder / "v.json").read_text()) for folder in (out, by_tensorflow))
    assert one["runtime"] == "onnxruntime"
    assert {key: one[key] for key in ("accuracy", "val", "far")} == {
        key: two[key] for key in ("accuracy", "val", "far")
    }


def test_faces_are_found_without_tensorflow_too(small_checkpoint, tmp_path):
    checkpoint, group = str(small_checkpoint), tmp_path / "group.png"
    photos = [tmp_path / "photos" / name / "0.png" for name in ("ann", "bob")]
    for photo, size in zip(photos, (110, 120), strict=True):
        photo.parent.mkdir(parents=True)
        Image.fromarray(scene([(40, 30, size)], 190, 220)).save(photo)
    Image.fromarray(scene([(10, 20, 90), (120, 5, 70)], 190, 300)).save(group)
    assert main(["embed", checkpoint, str(photos[0]), str(tmp_path / "first.npz")]) == 0  # makes the graph
    gallery, csv = str(tmp_path / "g.h5"), tmp_path / "names.csv"
    asked = [
        ["align", str(photos[0].parents[1]), str(tmp_path / "crops")],
        ["enroll", gallery, str(photos[0].parents[1]), "--align", "--checkpoint", checkpoint],
        ["identify", gallery, str(group), "--align", "--threshold", "0.2", "--csv", str(csv)],
        ["compare", *map(str, photos), "--align", "--checkpoint", checkpoint],
        ["cluster", str(photos[0].parents[1]), str(tmp_path / "clusters"), "--align", "--checkpoint", checkpoint],
    ]
    command = [sys.executable, "-c", WITHOUT_TENSORFLOW, json.dumps(asked)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert json.loads(done.stdout.splitlines()[-1]) == [0] * len(asked), done.stderr
    assert len(csv.read_text().splitlines()) == 3  # a title and two faces
    assert len(list((tmp_path / "crops").rglob("*.png"))) == 2


def test_help_needs_neither_numpy_nor_the_commands():
    script = "import sys; from finetune.cli import main\ntry: main(['--help'])\nfinally: print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "identify faces in photos" in done.stdout
    loaded = set(done.stdout.splitlines()[-1].split())
    assert loaded.isdisjoint({"numpy", "rich", "PIL", "finetune.cli.identify"})


def test_identification_leaves_the_large_libraries_out(small_checkpoint, faces, out):
    checkpoint, (face, *_) = str(small_checkpoint), sorted(str(path) for path in (faces / "learn").rglob("*.png"))
    gallery = str(out / "few.h5")
    assert main(["enroll", gallery, str(faces / "learn"), "--checkpoint", checkpoint]) == 0
    script = (
        "import sys; from finetune import files; from finetune.cli import main\n"
        "files.UNSETTLED = -(10**12)  # the checkpoint was just written\n"
        f"main(['identify', {gallery!r}, {face!r}, '--threshold', '0.1'])\n"
        "print(*sys.modules)"
    )
    for _ in range(2):  # the first one keeps what it knows of the checkpoint
        done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "onnxruntime" in loaded, done.stderr
    large = {
        "tensorflow",
        "keras",
        "onnx",
        "scipy",
        "sklearn",
        "pydantic",
        "rich",
        "matplotlib",
        "cv2",
        "jinja2",
        "yaml",
    }
    assert loaded.isdisjoint(large)
    needless = {
        "finetune.checkpoint.accounting",
        "finetune.checkpoint.formats.registry",
        "finetune.backbones.layer_kinds",
        "finetune.verification.result",
        "multiprocessing.connection",
        "PIL.GifImagePlugin",
    }
    assert loaded.isdisjoint(needless)
