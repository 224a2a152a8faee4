"""Before the first stage a run reads its checkpoint once, and each image as few times as possible."""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from pathlib import Path

import pytest

from finetune.verification.pair_drawing import write_pairs

pytest.importorskip("tensorflow")
from finetune.checkpoint.formats import tf1
from finetune.images import reading
from finetune.model import Model
from finetune.runs.planning import plan

pytestmark = pytest.mark.tf

MEBIBYTE = 1 << 20


class Counting:
    """A sha256 that records the content it was computed from, if that is short."""

    sha256 = hashlib.sha256

    def __init__(self, seen: list[bytes], data: bytes = b"") -> None:
        self._seen, self._content, self._hash = seen, b"", self.sha256()
        self.update(data)

    def update(self, data: bytes) -> None:
        self._hash.update(data)
        if len(self._content) < MEBIBYTE:
            self._content += bytes(data)

    def digest(self) -> bytes:
        self._seen.append(self._content)
        return self._hash.digest()

    def hexdigest(self) -> str:
        self._seen.append(self._content)
        return self._hash.hexdigest()


@pytest.fixture
def images(faces, tmp_path) -> tuple[list[Path], list[Path]]:
    """Copy 20 images to train on into `learn/`, and 19 into `lfw/` with `pairs.txt`, all in one folder."""
    for source, name, most in (("learn", "learn", 5), ("strangers", "lfw", 3)):
        for person in sorted((faces / source).iterdir()):
            (tmp_path / name / person.name).mkdir(parents=True)
            for path in sorted(person.iterdir())[:most]:
                shutil.copy(path, tmp_path / name / person.name)
    person = min((faces / "strangers").iterdir())
    shutil.copy(sorted(person.iterdir())[3], tmp_path / "lfw" / person.name)
    write_pairs(tmp_path / "pairs.txt", tmp_path / "lfw", folds=2, pairs_per_fold=8, seed=1)
    found = [sorted((tmp_path / name).rglob("*.png")) for name in ("learn", "lfw")]
    assert [len(paths) for paths in found] == [20, 19]
    return found[0], found[1]


@pytest.mark.parametrize("planned", [False, True], ids=["held back", "planned"])
def test_before_stage_1_nothing_is_read_twice(images, make, tmp_path, monkeypatch, planned):
    """Allow two decodings per image: for its check, and for its measurement or the plan's training probe."""
    learn, lfw = images
    hashed: list[bytes] = []
    decoded: list[bytes] = []
    opened: list[Path] = []
    built: list[Model] = []
    load, decode, build = tf1.read_bundle, reading._decode, Model.__init__

    def decode_counted(file, max_pixels):
        decoded.append(file.read())
        file.seek(0)
        return decode(file, max_pixels)

    monkeypatch.setenv("FINETUNE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(hashlib, "sha256", lambda data=b"", **_: Counting(hashed, data))
    monkeypatch.setattr(reading, "_decode", decode_counted)
    monkeypatch.setattr(tf1, "read_bundle", lambda prefix, index: opened.append(index) or load(prefix, index))
    monkeypatch.setattr(
        Model, "__init__", lambda self, *parts, **more: built.append(self) or build(self, *parts, **more)
    )
    lfw_section = {"dir": tmp_path / "lfw", "pairs": tmp_path / "pairs.txt", "flip": True}
    tuner = make(data={"train": tmp_path / "learn", "validation_split": 0.0 if planned else 0.2}, lfw=lfw_section)
    if planned:
        plan(tuner.inputs)
    tuner.begin()
    monkeypatch.undo()
    assert tuner.baseline is not None
    assert (tuner.start.held_back is None) == planned
    assert set(tuner.inputs.image_pairs.paths) <= set(lfw)

    names = {path.read_bytes(): path for path in (*learn, *tuner.inputs.image_pairs.paths)}
    assert Counter(names[content] for content in hashed if content in names) == dict.fromkeys(names.values(), 1)
    # The plan also times how fast training images are read.
    times = {path: 2 + (planned and path in learn) for path in names.values()}
    assert Counter(names[content] for content in decoded) == times
    assert len(opened) == 1
    assert built == [tuner.model]


def test_a_run_on_a_folder_seen_before_hashes_and_decodes_nothing_unless_it_is_told_to(
    images, drawn_checkpoint, tmp_path, monkeypatch
):
    from finetune import files
    from finetune.images import inspection
    from finetune.recipe import Recipe
    from finetune.runs import Inputs

    monkeypatch.setenv("FINETUNE_CACHE", str(tmp_path / "cache/features"))
    monkeypatch.setattr(files, "UNSETTLED", -(10**12))
    hashed: list[Path] = []
    hash_image = inspection.hash_image
    monkeypatch.setattr(inspection, "hash_image", lambda path: hashed.append(path) or hash_image(path))
    recipe = Recipe(
        checkpoint=drawn_checkpoint,
        output=tmp_path / "run",
        data={"train": tmp_path / "learn"},
        lfw={"dir": tmp_path / "lfw", "pairs": tmp_path / "pairs.txt"},
        stages=[{"name": "head", "train_from": "Logits", "epochs": 1}],
    )
    first = Inputs.open(recipe)
    assert set(images[0]) <= set(hashed)
    every = len(hashed)
    hashed.clear()
    again = Inputs.open(recipe)
    assert hashed == []
    assert again.records == first.records
    assert again.report == first.report
    assert again.image_lines == first.image_lines
    assert Inputs.open(recipe, recheck=True).records == first.records
    assert len(hashed) == every


@pytest.mark.parametrize("command", ["plan", "run"])
@pytest.mark.parametrize("given", [[], ["--recheck"]])
def test_recheck_reaches_the_scan(command, given, faces, drawn_checkpoint, tmp_path, monkeypatch):
    from finetune.cli import main
    from finetune.errors import Problem, UserError
    from finetune.runs import Inputs

    asked: list[bool] = []

    def opened(*_arguments: object, recheck: bool) -> None:
        asked.append(recheck)
        raise UserError(Problem("", "enough"))

    monkeypatch.setattr(Inputs, "open", opened)
    recipe = tmp_path / "recipe.yaml"
    lines = [f"checkpoint: {drawn_checkpoint}", f"output: {tmp_path / 'run'}", f"data: {{train: {faces / 'learn'}}}"]
    stages = "stages: [{name: head, train_from: Logits, epochs: 1}]"
    recipe.write_text("\n".join([*lines, stages]), encoding="utf-8")
    assert main([command, str(recipe), *given]) == 2
    assert asked == [bool(given)]
