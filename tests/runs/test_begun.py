"""A run goes on with what it began with, or the difference is named."""

from __future__ import annotations

import hashlib
import json
import shutil

import pytest

from finetune.errors import UserError
from finetune.recipe.recipe import Recipe

pytest.importorskip("tensorflow")
from finetune.record.machine import environment
from finetune.runs.begun import IMAGES, refuse_other_inputs, refuse_other_recipe, warn_of_another_machine
from finetune.runs.opening import Inputs
from finetune.runs.tuner import FineTuner

pytestmark = pytest.mark.tf

RECIPE = """\
checkpoint: model
output: run
data: {{train: faces}}
stages:
  - {{name: head, train_from: Logits, epochs: 9, learning_rate: {rate}}}
  - {{name: block, train_from: Block8, epochs: 2}}
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    return tmp_path


def recipe(here, rate, **overrides):
    (here / "recipe.yaml").write_text(RECIPE.format(rate=rate))
    return Recipe.load("recipe.yaml", overrides)


def refused(call, *arguments):
    with pytest.raises(UserError) as caught:
        call(*arguments)
    return list(map(str, caught.value.problems))


def test_the_steps_of_a_rate_file_are_part_of_the_run(here, capsys):
    (here / "rates.txt").write_text("0: 0.0005\n4: -\n")
    begun = recipe(here, "{file: rates.txt}")
    stored = here / "run/recipe.yaml"
    stored.write_text(begun.to_yaml())
    refuse_other_recipe(begun, stored)

    (here / "rates.txt").write_text("0: 0.05\n4: -\n")
    assert refused(refuse_other_recipe, recipe(here, "{file: rates.txt}"), stored) == [
        f"{stored} stages[0].learning_rate[0]: the run began with 0.0005, where the recipe now says 0.05; "
        f"resume it with finetune run {stored} --resume"
    ]
    (here / "rates.txt").unlink()
    itself = Recipe.load(stored)
    refuse_other_recipe(itself, stored)
    assert itself.to_yaml() == stored.read_text()
    assert [itself.stages[0].learning_rate.rate(epoch, 9) for epoch in (1, 3, 4)] == [0.0005, 0.0005, None]
    assert capsys.readouterr().out == ""


def test_every_key_that_differs_is_named_at_once(here):
    stored = here / "run/recipe.yaml"
    stored.write_text(recipe(here, "0.1").to_yaml())
    other = recipe(here, "0.1", **{"seed": 3, "stages.1.epochs": 5, "stages.1.ema": 0.9, "data.strangers": "others"})
    lines = refused(refuse_other_recipe, other, stored)
    assert [line.partition("; resume")[0].removeprefix(f"{stored} ") for line in lines] == [
        "data.strangers: the run began with nothing, where the recipe now says 'others'",
        "stages[1].epochs: the run began with 2, where the recipe now says 5",
        "stages[1].ema: the run began with 0.0, where the recipe now says 0.9",
        "seed: the run began with 666, where the recipe now says 3",
    ]


def test_of_a_run_that_kept_the_path_of_its_rates_that_is_said(here, capsys):
    (here / "rates.txt").write_text("0: 0.0005\n")
    stored = here / "run/recipe.yaml"
    stored.write_text(RECIPE.format(rate="{file: rates.txt}"))
    refuse_other_recipe(recipe(here, "{file: rates.txt}"), stored)
    assert capsys.readouterr().out == (
        "stage 'head': an earlier finetune began the run and kept no copy of rates.txt: "
        "whether the rates are the same can't be checked\n"
    )


@pytest.fixture
def begun(make, faces, tmp_path):
    """Return the tuner of a run that has measured its baseline, on its own images."""
    shutil.copytree(faces, tmp_path / "faces")
    data = {"train": tmp_path / "faces/learn", "validation_split": 0.2, "strangers": tmp_path / "faces/strangers"}
    shutil.copytree(tmp_path / "faces/strangers", tmp_path / "faces/lfw")
    tuner = make(data=data, lfw={"dir": tmp_path / "faces/lfw", "pairs": tmp_path / "faces/pairs.txt"})
    tuner.folder.write_json("inputs.json", tuner.inputs.summary())
    tuner.folder.write_text(IMAGES, "".join(f"{line}\n" for line in tuner.inputs.image_lines))
    tuner.folder.write_json("environment.json", environment(1))
    with tuner.folder.finishing(0, "baseline"):
        pass
    return tuner


def test_every_image_is_listed_with_the_digest_of_its_bytes(begun, tmp_path):
    faces = tmp_path / "faces"
    expected = {
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {part}/{path.relative_to(folder).as_posix()}"
        for part, folder in {"data": faces / "learn", "strangers": faces / "strangers", "lfw": faces / "lfw"}.items()
        for path in folder.rglob("*.png")
    }
    named = {line.split("  ")[1].removeprefix("lfw/") for line in begun.inputs.image_lines if "  lfw/" in line}
    listed = {line for line in expected if "  lfw/" not in line or line.split("  lfw/")[1] in named}
    assert sorted(begun.inputs.image_lines) == sorted(listed)
    assert {path.relative_to(faces / "lfw").as_posix() for path in begun.inputs.image_pairs.paths} == named


def test_images_that_were_replaced_under_their_names_are_named(begun, tmp_path):
    """Replace images between a kill and --resume. The inputs are opened anew, as in a new process."""
    faces = tmp_path / "faces"
    learned, stranger = (sorted((faces / name).rglob("*.png"))[0] for name in ("learn", "strangers"))
    in_a_pair = begun.inputs.image_pairs.paths[0]
    for path, other in ((learned, stranger), (stranger, learned.with_name("person_001_0002.png"))):
        shutil.copy(next(p for p in sorted(other.parent.iterdir()) if p != other), path)
    shutil.copy(begun.inputs.image_pairs.paths[-1], in_a_pair)
    again = FineTuner.from_inputs(Inputs.open(begun.recipe))
    ends = f"when the run in {begun.folder.path} began; put back what it began with, or start a new run"
    assert refused(again.resume) == [
        f"{folder}: {path.relative_to(folder).as_posix()}: other contents than {ends}"
        for folder, path in ((faces / "learn", learned), (faces / "strangers", stranger), (faces / "lfw", in_a_pair))
    ]
    assert again.results == []


def test_images_that_came_or_went_are_named(begun):
    inputs, folder = begun.inputs, begun.folder.path
    stored = json.loads((folder / "inputs.json").read_text())
    first, second, *rest = (folder / IMAGES).read_text().splitlines(keepends=True)
    (folder / IMAGES).write_text("".join([first.replace("person_001_0001", "old"), second, *rest]))
    stored["images"]["sha256"] = "another"
    train, name = inputs.recipe.data.train, first.split("data/")[1].strip()
    ends = f" when the run in {folder} began; put back what it began with, or start a new run"
    old = name.replace("person_001_0001", "old")
    assert refused(refuse_other_inputs, inputs, folder, stored) == [
        f"{train}: {old}: gone, but there{ends}",
        f"{train}: {name}: new, and not there{ends}",
    ]


def test_without_the_list_other_images_are_refused_all_the_same(begun):
    folder = begun.folder.path
    stored = json.loads((folder / "inputs.json").read_text())
    stored["images"]["sha256"] = "another"
    for text in ("", "garbage", None):
        (folder / IMAGES).unlink(missing_ok=True) if text is None else (folder / IMAGES).write_text(text)
        [line] = refused(refuse_other_inputs, begun.inputs, folder, stored)
        assert f"other images than ({folder / IMAGES} is missing or damaged, and can't name them) when the run" in line


def test_a_run_of_an_earlier_finetune_goes_on_with_a_line(begun, capsys):
    folder = begun.folder.path
    stored = json.loads((folder / "inputs.json").read_text())
    del stored["images"], stored["lfw"]["folds"], stored["lfw"]["trained"]
    refuse_other_inputs(begun.inputs, folder, stored)
    assert capsys.readouterr().out == (
        f"{folder}: an earlier finetune began the run and kept no digests of the images: "
        "whether they are the same can't be checked, but for their names\n"
    )
    stored["data"]["sha256"] = "another"
    del stored["strangers"]
    where, ends = begun.recipe.data, f"other files than when the run in {folder} began; put back what it began with, "
    assert refused(refuse_other_inputs, begun.inputs, folder, stored) == [
        f"{where.train}: {ends}or start a new run",
        f"{where.strangers}: {ends}or start a new run",
    ]


def test_all_else_that_differs_is_named(begun):
    folder, recipe = begun.folder.path, begun.recipe
    stored = json.loads((folder / "inputs.json").read_text())
    data = next(name for name in stored["checkpoint"]["sha256"] if ".data-" in name)
    stored["checkpoint"]["sha256"][data] = "another"
    stored["checkpoint"]["preprocessing"] |= {"image_size": 80, "standardization": "per_image"}
    stored["lfw"] |= {"folds": 10, "trained": "another"}
    ends = f" when the run in {folder} began; put back what it began with, or start a new run"
    assert refused(refuse_other_inputs, begun.inputs, folder, stored) == [
        f"{recipe.checkpoint}: {data}: other contents than{ends}",
        f"{recipe.checkpoint}: image_size 75, not 80 as{ends}",
        f"{recipe.checkpoint}: standardization fixed, not per_image as{ends}",
        f"{recipe.lfw.pairs}: other pairs than{ends}",
        f"{recipe.checkpoint}: class_names.txt beside it names other people than{ends}",
    ]


def test_other_versions_and_machines_are_told_of(capsys):
    stored = json.loads(json.dumps(environment(1)))
    warn_of_another_machine(stored, 1)
    assert capsys.readouterr().out == ""
    stored["packages"]["numpy"] = "0.1"
    del stored["cores"]  # an older finetune's may know less
    warn_of_another_machine(stored, 2)
    now = environment(2)["packages"]["numpy"]
    ends = ": its figures may differ from an uninterrupted run's"
    assert capsys.readouterr().out.splitlines() == [
        f"warning: the run began with packages.numpy '0.1' and goes on with {now!r}{ends}",
        f"warning: the run began with replicas 1 and goes on with 2{ends}",
    ]


def test_an_image_whose_name_has_blanks_is_named_whole(begun):
    inputs, folder = begun.inputs, begun.folder.path
    lines = list(inputs.image_lines)
    digest, name = lines[0].split("  ", 1)
    odd = name.replace(".png", "  and  more.png")
    (folder / IMAGES).write_text("".join(f"{line}\n" for line in [f"{digest}  {odd}", *lines[1:]]))
    stored = json.loads((folder / "inputs.json").read_text())
    stored["images"]["sha256"] = "another"
    gone = refused(refuse_other_inputs, inputs, folder, stored)
    assert any(f"{odd.partition('/')[2]}: gone, but there when the run in {folder} began" in line for line in gone)
