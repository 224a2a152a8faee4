"""Output and files of each command when all is well."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from finetune import VerificationResult, __version__
from finetune.cli import COMMANDS
from finetune.demo import OLD
from finetune.doctor.finding import KINDS
from finetune.verification import read_pairs, resolve
from finetune.verification.protocols.lfw import evaluate_pairs

pytestmark = pytest.mark.tf

NOTE = (
    "80 x 80 pixels, of which the central 75 x 75 are used, and so of 23 more of {} images; "
    "the network needs faces aligned to 75 pixels"
)
LFW = ("--lfw", "faces/strangers", "--pairs", "faces/pairs.txt")


@pytest.fixture(scope="session")
def model(drawn_checkpoint: Path):
    from finetune import Model

    return Model.restore(drawn_checkpoint)


def test_the_version_and_every_command_are_told(finetune):
    assert finetune("--version").out == [f"finetune {__version__}"]
    told = "\n".join(finetune("--help").out)
    for command in COMMANDS:
        assert re.search(rf"^ +{command} ", told, re.MULTILINE)
        assert finetune(command, "--help").status == 0


def test_check_needs_nothing_but_the_recipe(finetune, work: Path):
    (work / "model").unlink()
    (work / "faces").unlink()
    ended = finetune("check", "recipe.yaml", "output=elsewhere", "stages.1.name=body")
    assert ended == (0, ["recipe.yaml: no problems; stages: 'head', 'body'"], [])
    assert finetune("check", "recipes/vggface2.yaml").status == 0


def test_check_does_not_wait_for_tensorflow():
    script = "import sys; from finetune.cli import main; main(['check', 'recipes/small.yaml']); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert "tensorflow" not in loaded.split()


def test_plan_says_what_would_be_done_and_writes_nothing(finetune, work: Path, tree):
    shutil.copytree(work / "faces" / "learn", work / "mine")
    for name in ("person_005/notes.txt", "person_006/1.png"):
        (work / "mine" / name).parent.mkdir()
        shutil.copy(work / "mine/person_001/person_001_0001.png", work / "mine" / name)
    (work / "mine" / "person_005" / "notes.txt").write_text("no image")
    before = tree(work)
    stops = "stages.0.epochs=3", "stages.0.learning_rate={0: 0.01, 3: '-'}"
    ended = finetune("plan", "recipe.yaml", "data.train=mine", "data.min_images_per_person=2", *stops)
    assert (ended.status, ended.err) == (0, [])
    plan = {line[:15].strip() or line.strip(): line[15:] for line in ended.out}
    assert plan["checkpoint"] == "model/model-demo.ckpt-0"
    assert plan["preprocessing"] == "75 x 75 pixels, fixed standardization (preprocessing.json)"
    assert plan["data"].startswith("4 people, 16 images to train on, 8 held back, 1 file left out, 2 people with")
    assert "left out: mine/person_005/notes.txt: not an image (BMP, GIF, JPEG, PNG, PPM, TIFF or WEBP)" in plan
    assert plan["doctor"].startswith(
        "2 copy-across: person_001/person_001_0001.png: the same pixels as person_006/1.png"
    )
    assert "--fix" not in "".join(ended.out)
    advice = next(line for line in ended.out if " lists them, " in line)
    assert advice.endswith(" lists them, and shows them with --sheet suspects.png; look before anything is moved")
    advised = finetune(*shlex.split(advice.partition(" lists them")[0])[1:])
    rows = [line.split() for line in advised.out]
    counts = {row[0]: row[1] for row in rows if len(row) > 1 and row[0] in KINDS}
    told = re.findall(r"^(?:doctor)? +(\d+) ([a-z-]+): ", "\n".join(ended.out), re.MULTILINE)
    assert ("2", "copy-across") in told
    assert {kind: counts[kind] for _, kind in told} == {kind: number for number, kind in told}
    assert plan["LFW"].startswith("40 pairs of 24 images, measured before the first stage and after each")
    assert f"               warning: faces/strangers: {NOTE.format(24)}" in ended.out
    assert plan["output"] == "out"
    assert plan["stage 1"].startswith(
        "'head': trains Logits and after, 2,052 values in 2 variables; 490 variables frozen"
    )
    assert any(line.startswith("2 epochs of 2 steps of 12 images, ") for line in plan), plan
    assert "its schedule stops after epoch 2 of 3" in plan
    assert plan["stage 2"].startswith("'last block': trains Block8 and after, ")
    assert tree(work) == before


@pytest.mark.slow
def test_run_leaves_each_stage_and_the_table(finetune, work: Path):
    ended = finetune("run", "recipe.yaml")
    assert (ended.status, ended.err) == (0, [])
    baseline = json.loads((work / "out" / "0-baseline" / "lfw.json").read_text())
    told = f"baseline: LFW accuracy {baseline['accuracy']:.4f}±{baseline['accuracy_std']:.4f}, "
    assert any(line.startswith(told) for line in ended.out)
    table = ended.out[ended.out.index("saved in out/2-last-block") + 1 :]
    rows = [line.split()[0] for line in table if line.split()[-1:] == ["kept"] or line.split()[:1] == ["baseline"]]
    assert rows == ["baseline", "head", "last"]
    proposed = [line.split(": ", 1) for line in ended.out if line.startswith(("verdict: ", "next: ", "then: "))]
    assert [word for word, _ in proposed] == ["verdict", "next", "then"]
    for _, command in proposed[1:]:
        words = shlex.split(command.replace("FACES", "faces/strangers"), comments=True)
        assert finetune(*words[1:]).status == 0, command
    for stage in ("1-head", "2-last-block"):
        assert finetune("inspect", f"out/{stage}", "--json", "description.json").status == 0
        described = json.loads((work / "description.json").read_text())
        assert described["num_classes"] == 4
        assert described["preprocessing"] == {
            "image_size": 75,
            "standardization": "fixed",
            "source": "preprocessing.json",
            "assumed": False,
            "channels": "rgb",
            "convert": False,
        }
        assert (work / "out" / stage / "class_names.txt").read_text().split() == [f"person_00{i}" for i in range(1, 5)]
    assert not (work / "out" / ".resume").exists()
    examined = json.loads((work / "out" / "inputs.json").read_text())["doctor"]
    assert (examined["people"], examined["images"], examined["findings"]) == (4, 24, [])


def test_inspect_lists_units_and_digests(finetune, work: Path):
    ended = finetune("inspect", "model", "--variables", "--json", "description.json")
    assert (ended.status, ended.err) == (0, [])
    told = json.loads((work / "description.json").read_text())
    assert (told["embedding_size"], told["num_classes"]) == (512, len(OLD))
    assert (told["variables"], told["values"]) == (490, 23_497_424)
    files = [path for path in (work / "model").iterdir() if path.name.startswith("model-")]
    assert told["sha256"] == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    assert set(told["skipped"]) == {"Logits/weights", "Logits/biases"}
    for unit in told["units"]:
        at = ended.out.index(f"{unit['name']}: {len(unit['variables'])} variables, {unit['values']:,} values")
        assert len([line for line in ended.out[at + 1 :][: len(unit["variables"])] if line.startswith("  ")]) == len(
            unit["variables"]
        )


@pytest.mark.parametrize("flip", [False, True])
def test_embed_writes_names_and_embeddings(flip: bool, finetune, work: Path, model):
    shutil.copytree(work / "faces" / "learn", work / "mine" / "deep" / "down")
    (work / "mine" / "a.txt").write_text("no image")
    ended = finetune("embed", "model", "mine", "out.npz", *(["--flip"] if flip else []))
    first = "mine/deep/down/person_001/person_001_0001.png"
    assert ended.status == 0
    assert ended.out == ["24 embeddings of 512 values in out.npz; 1 file left out"]
    assert ended.err == [
        f"{first}: {NOTE.format(24)}",
        "left out: mine/a.txt: not an image (BMP, GIF, JPEG, PNG, PPM, TIFF or WEBP)",
    ]
    with np.load("out.npz", allow_pickle=False) as stored:
        assert stored["embeddings"].dtype == np.float32
        assert stored["embeddings"].shape == (24, 1024 if flip else 512)
        np.testing.assert_allclose(np.linalg.norm(stored["embeddings"][:, :512], axis=1), 1, atol=1e-5)
        assert stored["names"].tolist() == [
            p.relative_to("mine").as_posix() for p in sorted(Path("mine").rglob("*.png"))
        ]
        np.testing.assert_allclose(stored["embeddings"][:1], model.embed([first], flip=flip), atol=1e-5)
        rest = {name: stored[name].item() for name in ("image_size", "standardization", "flip", "checkpoint")}
    assert rest == {"image_size": 75, "standardization": "fixed", "flip": flip, "checkpoint": "model-demo.ckpt-0"}


def test_embed_takes_one_image_and_prepares_it_as_told(finetune, model):
    image = "faces/learn/person_001/person_001_0001.png"
    options = ("--standardization", "per_image", "--image-size", "80")
    ended = finetune("embed", "model", image, "out.npz", *options)
    assert (ended.status, ended.err) == (0, [])
    with np.load("out.npz", allow_pickle=False) as stored:
        assert stored["names"].tolist() == ["person_001_0001.png"]
        assert (stored["image_size"].item(), stored["standardization"].item()) == (80, "per_image")
        assert not np.allclose(stored["embeddings"], model.embed([image]), atol=1e-3)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"distance": "cosine", "subtract_mean": True, "flip": True},
    ],
)
def test_validate_prints_facenets_lines_and_writes_the_whole_protocol(options: dict, finetune, work: Path, model):
    flags = {"distance": ["--distance", "cosine"], "subtract_mean": ["--subtract-mean"], "flip": ["--flip"]}
    given = [word for name in options for word in flags[name]]
    ended = finetune("validate", "model", *LFW, *given, "--json", "lfw.json")
    assert ended.status == 0

    pairs = resolve(read_pairs("faces/pairs.txt"), "faces/strangers")
    embeddings = model.embed(pairs.paths, flip=options.get("flip", False))
    protocol = {name: value for name, value in options.items() if name != "flip"}
    expected = evaluate_pairs(embeddings[pairs.index1], embeddings[pairs.index2], pairs.is_same, n_folds=2, **protocol)
    assert ended.err == [f"faces/strangers: {NOTE.format(24)}", *expected.notes]
    assert ended.out == expected.lines()
    number = r"\d\.\d{5}"
    assert re.fullmatch(rf"Accuracy: {number}\+-{number}", ended.out[0])
    assert re.fullmatch(rf"Validation rate: {number}\+-{number} @ FAR={number}", ended.out[1])
    assert re.fullmatch(r"Area Under Curve \(AUC\): \d\.\d{3}", ended.out[2])
    assert re.fullmatch(r"Equal Error Rate \(EER\): \d\.\d{3}", ended.out[3])
    assert len(ended.out) == 4

    told = json.loads((work / "lfw.json").read_text())
    names = {field.name for field in dataclasses.fields(VerificationResult)}
    assert names - {"sample_of", "name", "rates", "accuracy_interval", "groups"} <= set(told)
    assert told["accuracy"] == expected.accuracy
    assert (told["error_rates"]["fmr"], told["error_rates"]["fnmr"]) == (expected.far, 1 - expected.val)
    assert {name: told[name] for name in options} == options
    rest = ("checkpoint", "lfw", "pairs", "images", "missing", "skipped_pairs", "image_size", "standardization")
    assert [told[name] for name in rest] == [
        "model/model-demo.ckpt-0",
        "faces/strangers",
        "faces/pairs.txt",
        24,
        [],
        0,
        75,
        "fixed",
    ]
    assert told["preprocessing_source"] == "preprocessing.json"


@pytest.mark.slow
def test_images_that_a_checkpoint_was_not_trained_on_as_standardized_are_noted(finetune):
    for command in (("validate", "model", *LFW), ("embed", "model", "faces/learn", "wrong.npz")):
        ended = finetune(*command, "--standardization", "per_image")
        (note,) = [line for line in ended.err if "fit 'fixed' better than 'per_image'" in line]
        assert note.endswith("if the checkpoint was trained so, give --standardization fixed")


def test_validate_counts_and_names_the_images_that_are_missing(finetune, work: Path):
    shutil.copytree(work / "faces" / "strangers", work / "lfw")
    (work / "lfw" / "person_011" / "person_011_0001.png").unlink()
    ended = finetune(
        "validate", "model", "--lfw", "lfw", "--pairs", "faces/pairs.txt", "--missing", "skip", "--json", "lfw.json"
    )
    assert ended.status == 0
    told = json.loads((work / "lfw.json").read_text())
    pairs = read_pairs("faces/pairs.txt").pairs
    skipped = sum("person_011/person_011_0001" in pair for pair in pairs)
    assert skipped
    assert told["missing"] == ["person_011/person_011_0001"]
    assert (told["skipped_pairs"], told["n_pairs"]) == (skipped, len(pairs) - skipped)
    assert f"{skipped} of {len(pairs)} pairs were skipped; missing images: 1" in ended.err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("checkpoint", "options"),
    [
        ("known", []),
        ("model", ["--trained", "known/class_names.txt"]),
        ("model", ["--trained", "people"]),
    ],
)
def test_validate_gives_the_figures_without_people_who_were_trained_on(checkpoint, options, finetune, work: Path):
    names = ["Person 012", *(f"old_{i}" for i in range(1, len(OLD)))]
    (work / "known").mkdir()
    for path in (work / "model").iterdir():
        (work / "known" / path.name).symlink_to(path)
    (work / "known" / "class_names.txt").write_text("".join(f"{name}\n" for name in names))
    for name in names[:2]:
        (work / "people" / name).mkdir(parents=True)
    plain = finetune("validate", "model", *LFW)
    ended = finetune("validate", checkpoint, *LFW, *options, "--json", "lfw.json")
    assert (ended.status, ended.out[:4], ended.err) == (0, plain.out, plain.err)
    told = VerificationResult.from_json(json.loads((work / "lfw.json").read_text()))
    n_shared = sum("person_012/" in pair.first + pair.second for pair in read_pairs("faces/pairs.txt").pairs)
    assert (told.overlap.identities, told.overlap.n_pairs) == (("person_012",), n_shared)
    assert ended.out[4:] == [
        f"Without the 1 of 6 identities trained on ({n_shared} of 40 pairs left out): "
        + "; ".join(told.without_overlap.lines())
    ]


def test_validate_says_in_a_note_where_too_few_pairs_are_left(finetune, work: Path):
    ended = finetune("validate", "model", *LFW, "--trained", "faces/strangers", "--json", "lfw.json")
    assert (ended.status, len(ended.out)) == (0, 4)
    assert ended.err[-1] == (
        "no figures without the 6 of 6 identities trained on (40 of 40 pairs left out); pairs kept: found 0 of one "
        "person and 0 of two, and 2 of 2 folds without one of the kinds; keep more of each"
    )
    assert json.loads((work / "lfw.json").read_text())["without_overlap"] is None


def test_what_is_assumed_of_the_images_is_said(finetune, work: Path):
    (work / "bare").mkdir()
    for path in (work / "model").iterdir():
        if path.name != "preprocessing.json":
            (work / "bare" / path.name).symlink_to(path)
    ended = finetune("inspect", "bare")
    assert "preprocessing   160 pixels, fixed (assumed; nothing beside the checkpoint says otherwise)" in ended.out
    told = "80 x 80 pixels, fixed standardization (image_size given, the rest assumed"
    ended = finetune("embed", "bare", "faces/learn/person_001", "out.npz", "--image-size", "80")
    assert ended.status == 0
    assert ended.err == [f"bare/model-demo.ckpt-0: {told}; nothing beside the checkpoint says otherwise)"]
