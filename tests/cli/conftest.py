"""Fixtures of the command tests: a working folder, and commands that run in it as in a shell."""

from __future__ import annotations

import os
import random
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from finetune.cli import COMMANDS, main

RECIPE = """\
checkpoint: model
output: out
data: {train: faces/learn, validation_split: 0.2}
lfw: {dir: faces/strangers, pairs: faces/pairs.txt}
batch_size: 12
stages:
  - name: head
    train_from: Logits
    epochs: 1
  - name: last block
    train_from: Block8
    epochs: 1
"""


class Ended(NamedTuple):
    """A command that has ended, with its exit status and its output in lines."""

    status: int
    out: list[str]
    err: list[str]


@pytest.fixture
def work(faces: Path, drawn_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a working folder with `recipe.yaml`, and with links to `faces` and to the checkpoint `model`."""
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "faces").symlink_to(faces)
    (folder / "model").symlink_to(drawn_checkpoint)
    (folder / "recipe.yaml").write_text(RECIPE)
    monkeypatch.chdir(folder)
    monkeypatch.delenv("FINETUNE_DEBUG", raising=False)
    return folder


@pytest.fixture
def finetune(work: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Return a function that runs `finetune` with arguments in the working folder, in this process."""

    def run(*arguments: str) -> Ended:
        capfd.readouterr()
        try:
            status = main(arguments)
        except SystemExit as ended:  # argparse's way
            status = ended.code if isinstance(ended.code, int) else 1
        out, err = capfd.readouterr()
        return Ended(status, out.splitlines(), err.splitlines())

    return run


@pytest.fixture
def enrolled(work: Path, finetune) -> Path:
    """Enrol the four drawn people in the gallery `people.h5`, and return the working folder."""
    ended = finetune("enroll", "people.h5", "faces/learn", "--checkpoint", "model")
    assert (ended.status, ended.out) == (
        0,
        ["24 photos enrolled (4 people new), 0 there already", "people.h5: 4 people, 24 photos"],
    )
    return work


@pytest.fixture
def tree() -> Callable[[Path], dict[str, object]]:
    """Return a function that lists a folder, links followed: each file's bytes, or size and time of a large file."""

    def read(folder: Path) -> dict[str, object]:
        found: dict[str, object] = {}
        for where, folders, files in os.walk(folder, followlinks=True):
            found |= dict.fromkeys((os.path.join(where, name) for name in folders), "folder")
            for path in (Path(where, name) for name in files):
                status = path.stat()
                small = status.st_size < 1 << 20
                found[str(path)] = path.read_bytes() if small else (status.st_size, status.st_mtime_ns)
        return found

    return read


@pytest.fixture
def refused(work: Path, bad_files: Path, finetune, tree) -> Callable[..., None]:
    """Return a function that asserts that a command ends with status 2 and these lines alone, and writes nothing.

    The lines are given without their `finetune COMMAND: `, and `...` in them stands for any text. Bad inputs lie in the
    folder `bad`.
    """
    (work / "bad").symlink_to(bad_files)

    def check(command: str, *lines: str) -> None:
        arguments = shlex.split(command)
        before = tree(work)
        ended = finetune(*arguments)
        where = f"finetune {arguments[0]}: " if arguments and arguments[0] in COMMANDS else "finetune: "
        expected = "\n".join(where + line for line in lines)
        pattern = ".*".join(re.escape(part) for part in expected.split("..."))
        assert re.fullmatch(pattern, "\n".join(ended.err)), "\n".join(ended.err)
        assert (ended.status, ended.out) == (2, [])
        assert tree(work) == before

    return check


@pytest.fixture(scope="session")
def bad_files(faces: Path, drawn_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write every kind of bad input, once per session."""
    root = tmp_path_factory.mktemp("bad")
    bad_faces(root, faces)
    bad_pairs(root, faces)
    bad_checkpoints(root, drawn_checkpoint)
    for name, text in {
        "used/notes.txt": "mine",
        "begun/inputs.json": "{}",
        "begun/recipe.yaml": RECIPE + "seed: 3\n",
    }.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
    return root


def face(path: Path, size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(1).integers(0, 256, [size, size, 3], np.uint8)
    Image.fromarray(pixels).save(path)


def cut(path: Path) -> None:
    """Cut a file to its first half."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def bad_faces(root: Path, faces: Path) -> None:
    (root / "empty").mkdir()
    for name in ("one_class/ann/1", "one_class/ann/2", "few/ann/1", "few/ann/2", "few/bob/1"):
        face(root / f"{name}.png", 80)
    for person in ("ann", "bob"):
        face(root / f"small/{person}/1.png", 40)
        face(root / f"truncated/{person}/1.jpg", 80)
        cut(root / f"truncated/{person}/1.jpg")
        (root / "texts" / person).mkdir(parents=True)
        (root / "texts" / person / "notes.txt").write_text("no image")
    for name in ("lfw_missing", "lfw_damaged"):
        shutil.copytree(faces / "strangers", root / name)
    for number in (1, 2):
        (root / f"lfw_missing/person_011/person_011_000{number}.png").unlink()
        cut(root / f"lfw_damaged/person_013/person_013_000{number}.png")


def bad_pairs(root: Path, faces: Path) -> None:
    (root / "empty.txt").touch()
    (root / "code.bin").write_bytes(b"\x80\x02cposix\nsystem\n(U\x04true\x85R.")
    (root / "table.csv").write_text("person_011/1.png,person_012/1.png,0\nperson_011/1.png,person_012/1.png,no\n")
    (root / "two_lines.txt").write_text("a_0001.jpg 1\na_0002.jpg 0\n")
    (root / "malformed.txt").write_text("1\t2\nann\t1\nann\t1\t2\nann\tone\tbob\t2\n")
    lines = (faces / "pairs.txt").read_text().splitlines()
    (root / "one_kind.txt").write_text("".join(f"{line}\n" for line in lines if line.count("\t") == 2))
    different = [line for line in lines if line.count("\t") == 3]
    (root / "few.txt").write_text("".join(f"{line}\n" for line in lines[1:] if line not in different[4:]))


def bad_checkpoints(root: Path, drawn_checkpoint: Path) -> None:
    from finetune.checkpoint.location import locate
    from finetune.checkpoint.saver import write
    from finetune.checkpoint.stored import read

    located = locate(drawn_checkpoint)
    index, data = located.files

    def folder(name: str) -> Path:
        (root / name).mkdir(parents=True)
        return root / name

    def linked(name: str) -> Path:
        for path in drawn_checkpoint.iterdir():
            (root / name / path.name).symlink_to(path)
        return root / name

    shutil.copy(index, folder("no_data"))
    (folder("no_index") / data.name).symlink_to(data)
    shutil.copy(index, folder("cut_data"))
    (root / "cut_data" / data.name).write_bytes(b"\0" * 1000)
    noise = random.Random(1).randbytes(999)
    (root / "garbage.pb").write_bytes(noise)
    (folder("garbage") / "model-x.ckpt-1.index").write_bytes(noise)
    (root / "garbage" / "model-x.ckpt-1.data-00000-of-00001").write_bytes(noise)

    scalar = np.zeros([], np.float32)
    write(root / "mtcnn", "s", 1, {"pnet/conv1/weights": scalar})
    write(root / "objects", "o", 1, {"_CHECKPOINTABLE_OBJECT_GRAPH": scalar})
    stored = read(located)
    changed = stored.tensors(stored.shapes)
    changed["mine"] = changed.pop("InceptionResnetV1/Block8/Conv2d_1x1/biases")
    changed["InceptionResnetV1/Conv2d_1a_3x3/weights"] = np.zeros([3, 3, 4, 32], np.float32)
    write(root / "changed", "c", 1, changed)
    write(root / "two", "a", 1, {"a": scalar})
    write(root / "two", "b", 2, {"a": scalar})
    (root / "two" / "checkpoint").unlink()
    write(root / "folders" / "one", "a", 1, {"a": scalar})
    write(root / "x", "a", 1, {"a": scalar}).parent.rename(root / "[x]")
    write(root / "stale", "a", 1, {"a": scalar})
    (root / "stale" / "checkpoint").write_text('model_checkpoint_path: "/home/her/models/model-b.ckpt-9"\n')
    for name, file, content in (
        ("preprocessing", "preprocessing.json", b"{"),
        ("too_small", "preprocessing.json", b'{"image_size": 20, "standardization": "fixed"}'),
        ("class_names", "class_names.txt", b"\xff\xfe"),
    ):
        folder(name)
        linked(name)
        (root / name / file).unlink(missing_ok=True)
        (root / name / file).write_bytes(content)
