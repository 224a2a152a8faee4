"""Bad inputs to every command: exit status 2, the lines that say what to do, and nothing written."""

from __future__ import annotations

import random
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.tf


class Bad(NamedTuple):
    """A command and the lines that answer it.

    Attributes:
        about: what is bad.
        command: as typed; `finetune` is not repeated.
        lines: on stderr, each less its `finetune COMMAND: `; `...` stands for any text.
        edit: text of `recipe.yaml` and what to put in its place; or the whole of it.
    """

    about: str
    command: str
    lines: tuple[str, ...]
    edit: tuple[str, str] | str | bytes = ""


def recipe(about: str, edit: tuple[str, str] | str | bytes, *lines: str) -> Bad:
    """A bad recipe, for `check`."""
    return Bad(about, "check recipe.yaml", tuple(f"recipe.yaml{line}" for line in lines), edit)


def override(about: str, overrides: str, *lines: str) -> Bad:
    """Overrides that can't be applied, for `check`."""
    return Bad(about, f"check recipe.yaml {overrides}", tuple(f"command line {line}" for line in lines))


def bad(about: str, command: str, *lines: str) -> Bad:
    """A bad option, or a bad file in the folder `bad`."""
    return Bad(about, command, lines)


LFW = "--lfw faces/strangers --pairs faces/pairs.txt"
EXPECTED = "give a folder, a prefix, any file of a TF1 checkpoint, or a frozen .pb"

RECIPES = [
    recipe("a duplicate key", ("output: out", "output: out\noutput: b"), ""),
    recipe("a misspelt key", ("output: out", "outptu: out"), ""),
    recipe("a rate that YAML reads as text", ("epochs: 1\n  - name", "epochs: 1\n    learning_rate: 3e-4\n  - name"), ""),
    recipe("a boundary that moves back", ("Logits", "Repeat_2"), ""),
    recipe("a block that does not exist", ("Block8", "Mixed7a"), ""),
    recipe("a stage without its epochs", ("train_from: Logits\n    epochs: 1", "train_from: Logits"), ""),
    recipe("no stages", "checkpoint: model\noutput: out\ndata: {train: faces/learn}\n", ""),
    recipe("two stages of one name", ("last block", "Head"), ""),
    recipe("no epochs", ("Block8\n    epochs: 1", "Block8\n    epochs: 0"), ""),
    recipe("a truth value for a number", ("batch_size: 12", "batch_size: yes"), ""),
    recipe("not a number", ("validation_split: 0.2", "validation_split: .nan"), ""),
    recipe("an image size below the network's", ("batch_size", "preprocessing: {image_size: 74}\nbatch_size"), ""),
    recipe("a gate without pairs to judge by", ("lfw: {dir: faces/strangers, pairs: faces/pairs.txt}\nbatch_size: 12\nstages:\n  - name: head", "stages:\n  - name: head\n    accept: {metric: lfw_auc, max_drop: 0.01}"), ""),
    recipe("early stopping without held-back images", (", validation_split: 0.2}\nlfw: {dir: faces/strangers, pairs: faces/pairs.txt}\nbatch_size: 12\nstages:\n  - name: head", "}\nstages:\n  - name: head\n    early_stopping: 3"), ""),
    recipe("a schedule's file that is not there", ("name: head", "name: head\n    learning_rate: {file: rates.txt}"), ""),
    recipe("a schedule's file that is something else", ("name: head", "name: head\n    learning_rate: {file: bad/malformed.txt}"), ""),
    recipe("an optimizer's constant of another", ("name: head", "name: head\n    optimizer: {name: adam, rho: 0.9}"), ""),
    recipe("the home of nobody", ("output: out", "output: ~nobody-at-all/out"), ""),
    recipe("an empty file", b"\n", ""),
    recipe("a binary file", b"\x89PNG\r\n\x1a\n\xff", ""),
    recipe("a list", "- checkpoint: model\n", ""),
    recipe("a tab", "checkpoint: model\n\toutput: out\n", ""),
    recipe("a Python object", "checkpoint: !!python/object/apply:os.getcwd []\n", ""),
    recipe("several at once", "chekpoint: model\noutput: out\ndata: {train: 3, validation_split: 1.5}\nstages:\n  - {name: a, train_from: Blok8, epochs: two}\n", ""),
    bad("a recipe that is a folder", "check bad", ""),
    bad("a recipe that is not there", "check recipes/vgface2.yaml", ""),
    override("text for a number", "batch_size=many", ""),
    override("a rate that YAML reads as text", "stages.0.learning_rate=1e-3", ""),
    override("a key that does not exist", "data.trian=faces", ""),
    override("a stage that does not exist", "stages.2.epochs=3", ""),
    override("no value", "batch_size", ""),
    override("one key twice", "seed=1 seed=2", ""),
    override("one after the option", "--resume seed=x", "").__class__("an override after an option", "run recipe.yaml --resume seed=x", ("",)),
]

CHECKPOINTS = [
    bad("no such checkpoint", "plan recipe.yaml checkpoint=models/20180402-114759", ""),
    bad("an index without its data", "plan recipe.yaml checkpoint=bad/no_data", ""),
    bad("data without their index", "inspect bad/no_index", ""),
    bad("data cut short", "plan recipe.yaml checkpoint=bad/cut_data", ""),
    bad("an index that is garbage", "inspect bad/garbage/model-x.ckpt-1.index", ""),
    bad("a frozen graph that is garbage", "validate bad/garbage.pb " + LFW, ""),
    bad("a frozen graph that is not there", "embed model/20180402.pb faces/learn out.npz", ""),
    bad("another network's checkpoint", "plan recipe.yaml checkpoint=bad/squeezenet", ""),
    bad("a checkpoint of objects", "inspect bad/objects", ""),
    bad("variables that are missing or of another shape", "inspect bad/other_shapes", ""),
    bad("a folder without a checkpoint", "inspect faces", ""),
    bad("a folder of two trainings", "validate bad/two " + LFW, ""),
    bad("a folder of checkpoints' folders", "inspect bad/folders", ""),
    bad("a checkpoint file that names another", "inspect bad/stale", ""),
    bad("an image for a checkpoint", "inspect bad/small/ann/1.png", ""),
    bad("a preprocessing.json that is no JSON", "inspect bad/preprocessing", ""),
    bad("an image size that no network takes", "embed bad/too_small faces/learn out.npz", ""),
    bad("class names that are no text", "validate bad/class_names " + LFW, ""),
    bad("a path that TensorFlow can't open", "inspect 'bad/[x]'", ""),
]

FACES = [
    bad("no such folder", "plan recipe.yaml data.train=faces/lern", ""),
    bad("a file for a folder", "plan recipe.yaml data.train=faces/pairs.txt", ""),
    bad("an empty folder", "plan recipe.yaml data.train=bad/empty", ""),
    bad("images without folders", "plan recipe.yaml data.train=faces/learn/person_001", ""),
    bad("one class", "run recipe.yaml data.train=bad/one_class", ""),
    bad("a class with one image", "plan recipe.yaml data.train=bad/few data.min_images_per_person=2", ""),
    bad("a folder of non-images", "plan recipe.yaml data.train=bad/texts", ""),
    bad("truncated JPEGs", "plan recipe.yaml data.train=bad/truncated", ""),
    bad("images smaller than the crop", "run recipe.yaml data.train=bad/small", ""),
    bad("no such images to embed", "embed model faces/lern out.npz", ""),
    bad("no images to embed", "embed model bad/empty out.npz", ""),
    bad("nothing to embed that can be", "embed model bad/truncated out.npz", ""),
    bad("one image to embed that can't be", "embed model bad/small/ann/1.png out.npz", ""),
    bad("faces of another size than asked for", "embed model faces/learn out.npz --image-size 160", ""),
]

PAIRS = [
    bad("no such pairs file", f"validate model --lfw faces/strangers --pairs pairs.txt", ""),
    bad("a folder for a pairs file", "validate model --lfw faces/strangers --pairs faces", ""),
    bad("an empty pairs file", "validate model --lfw faces/strangers --pairs bad/empty.txt", ""),
    bad("an image for a pairs file", "validate model --lfw faces/strangers --pairs bad/small/ann/1.png", ""),
    bad("malformed pairs", "validate model --lfw faces/strangers --pairs bad/malformed.txt", ""),
    bad("pairs of one kind", "plan recipe.yaml lfw.pairs=bad/one_kind.txt", ""),
    bad("fewer pairs than folds", "run recipe.yaml lfw.pairs=bad/few.txt", ""),
    bad("no such folder of LFW", "validate model --lfw lfw --pairs faces/pairs.txt", ""),
    bad("another folder than LFW's", "plan recipe.yaml lfw.dir=faces/learn", ""),
    bad("missing LFW images", "validate model --lfw bad/lfw_missing --pairs faces/pairs.txt", ""),
    bad("LFW images that can't be read", "validate model --lfw bad/lfw_damaged --pairs faces/pairs.txt", ""),
    bad("LFW images that can't be read, before a run", "run recipe.yaml lfw.dir=bad/lfw_damaged", ""),
    bad("LFW images smaller than the crop", "validate model --image-size 160 " + LFW, ""),
]

OUTPUTS = [
    bad("an output folder in use", "run recipe.yaml output=bad/used", ""),
    bad("an output folder in use, planned", "plan recipe.yaml output=bad/used", ""),
    bad("an output that is a file", "plan recipe.yaml output=recipe.yaml", ""),
    bad("an output in a file", "run recipe.yaml output=recipe.yaml/out", ""),
    bad("an output that TensorFlow can't open", "run recipe.yaml 'output=runs/[1]'", ""),
    bad("another recipe's run to resume", "run recipe.yaml --resume output=bad/begun", ""),
    bad("embeddings not in .npz", "embed model faces/learn out.csv", ""),
    bad("embeddings in a missing folder", "embed model faces/learn results/out.npz", ""),
    bad("embeddings for a folder", "embed model faces/learn faces", ""),
    bad("JSON in a missing folder", f"validate model {LFW} --json results/lfw.json", ""),
    bad("JSON for a folder", "inspect model --json faces", ""),
    bad("a demo in a folder in use", "demo --output bad/used", ""),
    bad("a demo in a file", "demo --output recipe.yaml", ""),
    bad("a demo that TensorFlow can't open", "demo --output 'runs/[1]'", ""),
]

OPTIONS = [
    bad("no command", "", ""),
    bad("an unknown command", "vaildate", ""),
    bad("an unknown option", "validate model --mirror " + LFW, ""),
    bad("an unknown option of a recipe's command", "run recipe.yaml --resum seed=1", ""),
    bad("a missing argument", "embed model faces/learn", ""),
    bad("a missing option", "validate model --lfw faces/strangers", ""),
    bad("one argument too many", "inspect model faces", ""),
    bad("an unknown distance", f"validate model {LFW} --distance l2", ""),
    bad("an unknown standardization", "embed model faces/learn out.npz --standardization per-image", ""),
    bad("no image size at all", "embed model faces/learn out.npz --image-size 0", ""),
    bad("an image size that is none", f"validate model {LFW} --image-size abc", ""),
    bad("an image size below the network's", "embed model faces/learn out.npz --image-size 20", ""),
]

SEVERAL = [
    bad(
        "all inputs at once",
        "plan recipe.yaml checkpoint=bad/squeezenet data.train=bad/empty lfw.pairs=bad/empty.txt 'output=[1]'",
        "",
    ),
]

TABLE = [*RECIPES, *CHECKPOINTS, *FACES, *PAIRS, *OUTPUTS, *OPTIONS, *SEVERAL]


def face(path: Path, size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(1).integers(0, 256, [size, size, 3], np.uint8)
    Image.fromarray(pixels).save(path)


def cut(path: Path) -> None:
    """Leaves the first half of a file."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


@pytest.fixture(scope="module")
def bad_files(faces: Path, drawn_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything that is wrong, once."""
    root = tmp_path_factory.mktemp("bad")
    bad_faces(root, faces)
    bad_pairs(root, faces)
    bad_checkpoints(root, drawn_checkpoint)
    for name, text in {"used/notes.txt": "mine", "begun/data.json": "{}", "begun/recipe.yaml": "seed: 3\n"}.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
    return root


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
    (root / "malformed.txt").write_text("1\t2\nann\t1\nann\t1\t2\nann\tone\tbob\t2\n")
    lines = (faces / "pairs.txt").read_text().splitlines()
    (root / "one_kind.txt").write_text("".join(f"{line}\n" for line in lines if line.count("\t") == 2))
    (root / "few.txt").write_text("".join(f"{line}\n" for line in lines[1:]))  # of 10 folds, without its header
    different = [line for line in lines if line.count("\t") == 3]
    (root / "few.txt").write_text("".join(f"{line}\n" for line in lines[1:] if line not in different[4:]))


def bad_checkpoints(root: Path, drawn_checkpoint: Path) -> None:
    from finetune.checkpoint import locate, write

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
    (root / "cut_data" / data.name).write_bytes(data.open("rb").read(1000))
    noise = random.Random(1).randbytes(999)
    (root / "garbage.pb").write_bytes(noise)
    (folder("garbage") / "model-x.ckpt-1.index").write_bytes(noise)
    (root / "garbage" / "model-x.ckpt-1.data-00000-of-00001").write_bytes(noise)

    scalar, weights = np.zeros([], np.float32), np.zeros([1792, 128], np.float32)
    write(root / "squeezenet", "s", 1, {"squeezenet/conv1/weights": scalar})
    write(root / "objects", "o", 1, {"_CHECKPOINTABLE_OBJECT_GRAPH": scalar})
    write(root / "other_shapes", "o", 1, {"InceptionResnetV1/Bottleneck/weights": weights, "mine": scalar})
    write(root / "two", "a", 1, {"a": scalar})
    write(root / "two", "b", 2, {"a": scalar})
    (root / "two" / "checkpoint").unlink()
    write(root / "folders" / "one", "a", 1, {"a": scalar})
    write(root / "[x]".replace("[", "").replace("]", ""), "a", 1, {"a": scalar})
    (root / "x").rename(root / "[x]")
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


def pattern(line: str) -> str:
    return ".*".join(re.escape(part) for part in line.split("..."))


@pytest.mark.parametrize("case", TABLE, ids=lambda case: case.about)
def test_a_bad_input_is_answered_by_its_lines_and_nothing_is_written(case: Bad, bad_files: Path, work: Path, finetune, tree):
    (work / "bad").symlink_to(bad_files)
    path = work / "recipe.yaml"
    if isinstance(case.edit, tuple):
        text = path.read_text()
        assert text.count(case.edit[0]) == 1
        path.write_text(text.replace(*case.edit))
    elif case.edit:
        path.write_bytes(case.edit if isinstance(case.edit, bytes) else case.edit.encode())
    before = tree(work)

    arguments = shlex.split(case.command)
    ended = finetune(*arguments)

    import os
    if os.environ.get("SHOW"):
        with open(os.environ["SHOW"], "a") as f:
            f.write(f"## {case.about} [{case.command}] rc={ended.status} changed={tree(work) != before} out={ended.out}\n" + "\n".join(ended.err) + "\n")
        return
