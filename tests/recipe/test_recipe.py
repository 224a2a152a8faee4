"""Recipes from YAML are read strictly, and every problem is reported with its place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from hypothesis import given, strategies as st

from finetune.backbones import by_name
from finetune.errors import RecipeError
from finetune.recipe.recipe import Recipe
from finetune.recipe.sections import LFW, Augment, Data
from finetune.recipe.stage import Stage
from tests.recipe.conftest import GOOD, ROOT, load, problems

V1 = by_name("inception_resnet_v1")


def test_a_recipe_is_read(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", "/home/of/mine")
    assert load(GOOD) == Recipe(
        checkpoint=Path("/home/of/mine/models/m"),
        output=Path("runs/r"),
        data=Data(Path("faces"), validation_split=0.1),
        lfw=LFW(Path("lfw"), Path("pairs.txt")),
        stages=(Stage("head", "Logits", 5), Stage("last block", "Block8", 10)),
    )


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "recipes").glob("*.yaml")))
def test_the_recipes_that_come_with_finetune_are_sound(name: str):
    recipe = Recipe.load(f"recipes/{name}")
    assert recipe.stages
    _, command = (ROOT / "recipes" / name).read_text(encoding="utf-8").splitlines()[:2]
    assert command.startswith("# finetune ")


# Each is GOOD with one text in place of another, and the line that answers it.
BAD_VALUES = [
    ("pairs.txt}", "pairs.txt, sample: 1}", "x.yaml:4 lfw.sample: found 1; give a share of the pairs above 0, below 1"),
    (
        "pairs.txt}",
        "pairs.txt, sample: 20%}",
        "x.yaml:4 lfw.sample: found the text '20%'; give a share of the pairs ab",
    ),
    ("runs/r", "runs/r\nsede: 1", "x.yaml:3 sede: unknown key; did you mean 'seed'?"),
    ("runs/r", "runs/r\nzebra: 1", "x.yaml:3 zebra: unknown key; the keys here are checkpoint, output, data, stages, "),
    ("runs/r", "runs/r\n12: 1", "x.yaml:3 [12]: unknown key; the keys here are checkpoint, "),
    ("checkpoint: ~/models/m\n", "", "x.yaml:1 checkpoint: missing; give a path"),
    ("train: faces, ", "", "x.yaml:3 data.train: missing; give a path"),
    ("    epochs: 10\n", "", "x.yaml:9 stages[1].epochs: missing; give a whole number from 1"),
    ("runs/r", "", "x.yaml:2 output: found nothing; give a path"),
    ("runs/r", "2024", "x.yaml:2 output: found 2024; put quotes around what is meant as text"),
    ("runs/r", "[a]", "x.yaml:2 output: found a list; give a path"),
    ("runs/r", "runs/r\noutput: runs/s", "x.yaml:3 output: written twice, first on line 2; remove one"),
    ("epochs: 10", "epochs: 10\n    epochs: 10", "x.yaml:12 stages[1].epochs: written twice, first on line 11; remove"),
    (
        "{train: faces, validation_split: 0.1}",
        "faces",
        "x.yaml:3 data: found the text 'faces'; give the keys train, a",
    ),
    (
        "{train: faces, validation_split: 0.1}",
        "",
        "x.yaml:3 data: found nothing; give the keys train, align, validation_",
    ),
    ("0.1", "1e-1", "x.yaml:3 data.validation_split: found the text '1e-1'; write 1.0e-1"),
    ("0.1", "'0.1'", "x.yaml:3 data.validation_split: found the text '0.1'; give a number from 0, below 1"),
    ("0.1", ".nan", "x.yaml:3 data.validation_split: found nan; give a number from 0, below 1"),
    ("0.1", "0.1, min_images_per_person: 0", "x.yaml:3 data.min_images_per_person: found 0; give a whole number from"),
    (
        "validation_split: 0.1",
        "validation_split: 0.1, validation: held",
        "x.yaml:3 data.validation: found it beside validation_split: 0.1; drop one",
    ),
    (
        "validation_split: 0.1",
        "share: 0",
        "x.yaml:3 data.share: found 0; give a share of the images above 0, at most 1",
    ),
    (
        "epochs: 10",
        "epochs: 10\n    steps_per_epoch: 0",
        "x.yaml:12 stages[1].steps_per_epoch: found 0; give a whole number of batches from 1",
    ),
    (
        "epochs: 10",
        "epochs: 10\n    steps_per_epoch: 2.5",
        "x.yaml:12 stages[1].steps_per_epoch: found 2.5; give a whole number of batches from 1",
    ),
    (
        "epochs: 10",
        "epochs: 10\n    class_weight: balance",
        "x.yaml:12 stages[1].class_weight: found the text 'balance'; did you mean 'balanced'?",
    ),
    (
        "epochs: 10",
        "epochs: 10\n    class_weight: balanced\n    loss: triplet",
        "x.yaml:12 stages[1].class_weight: a triplet loss has no classes to weigh; remove it",
    ),
    (
        "epochs: 10",
        "epochs: 10\n    class_weight: balanced\n    sampling: square_root",
        "x.yaml:12 stages[1].class_weight: found it beside a sampling that evens people out too; "
        "remove it, or give sampling: shuffled",
    ),
    ("validation_split: 0.1", "validation: 3", "x.yaml:3 data.validation: found 3; put quotes around what is meant as"),
    ("runs/r", "runs/r\nseed: -1", "x.yaml:3 seed: found -1; give a whole number from 0 to 2147483647"),
    ("runs/r", "runs/r\nbatch_size: yes", "x.yaml:3 batch_size: found true; give a whole number of images from 1"),
    ("runs/r", "runs/r\ncache: yes", "x.yaml:3 cache: found true; give auto, off, memory or disk"),
    ("runs/r", "runs/r\nstrategy:", "x.yaml:3 strategy: found nothing; give none, mirrored or multi_worker"),
    ("runs/r", "runs/r\nstrategy: 2", "x.yaml:3 strategy: found 2; give none, mirrored or multi_worker"),
    ("runs/r", "runs/r\nstrategy: miror", "x.yaml:3 strategy: found the text 'miror'; did you mean 'mirrored'?"),
    ("runs/r", "runs/r\ncache: dsk", "x.yaml:3 cache: found the text 'dsk'; did you mean 'disk'?"),
    (
        "runs/r",
        "runs/r\naugment: {random_flip: true}\ncache: disk",
        "x.yaml:4 cache: found 'disk', but augment draws each image anew; set cache: auto, or give augment.views",
    ),
    (
        "runs/r",
        "runs/r\nverification: {every: 0}",
        "x.yaml:3 verification.every: found 0; give a whole number of epochs from 1",
    ),
    ("runs/r", "runs/r\nverification: 2", "x.yaml:3 verification: found 2; give the key every"),
    (
        "lfw: {dir: lfw, pairs: pairs.txt}",
        "verification: {every: 2}",
        "x.yaml:4 verification: there are no pairs to measure; give lfw, measure or data.strangers, or remove it",
    ),
    ("runs/r", "runs/r\nruntime: onnx", "x.yaml:3 runtime: found the text 'onnx'; give tensorflow or openvino"),
    ("runs/r", "runs/r\nprecision: half", "x.yaml:3 precision: found the text 'half'; give float32 or bfloat16"),
    ("runs/r", "runs/r\nprecision: float16", "x.yaml:3 precision: found the text 'float16'; did you mean 'bfloat16'?"),
    (
        "runs/r",
        "runs/r\naugment: {random_flip: true, views: 0}",
        "x.yaml:3 augment.views: found 0; give a whole number from 1",
    ),
    (
        "runs/r",
        "runs/r\naugment: {views: 4}",
        "x.yaml:3 augment.views: no random augmentation is on, so all views would be the same; set random_flip, "
        "another key that begins with random_, or camera, or drop views",
    ),
    ("runs/r", "runs/r\npreprocessing: {standardization: per-image}", "x.yaml:3 preprocessing.standardization: found"),
    (
        "runs/r",
        "runs/r\npreprocessing: {image_size: 74}",
        "x.yaml:3 preprocessing.image_size: found 74, too few for inception_resnet_v1; give a whole number of",
    ),
    ("runs/r", "runs/r\naugment: {random_rotate: -5}", "x.yaml:3 augment.random_rotate: found -5; give degrees from 0"),
    (
        "runs/r",
        "runs/r\naugment: {random_shear: 46}",
        "x.yaml:3 augment.random_shear: found 46; give degrees from 0 to 45",
    ),
    (
        "runs/r",
        "runs/r\naugment: {random_zoom: 1}",
        "x.yaml:3 augment.random_zoom: found 1; give a relative change from 0, below 1",
    ),
    (
        "runs/r",
        "runs/r\naugment: {random_brightness: 20%}",
        "x.yaml:3 augment.random_brightness: found the text '20%'; give a relative change from 0, below 1",
    ),
    (
        "runs/r",
        "runs/r\naugment: {random_contrast: -0.1}",
        "x.yaml:3 augment.random_contrast: found -0.1; give a relative change from 0, below 1",
    ),
    (
        "runs/r",
        "runs/r\naugment: {random_auto_contrast: true}",
        "x.yaml:3 augment.random_auto_contrast: found true; give a number from 0 to 1",
    ),
    (
        "runs/r",
        "runs/r\naugment: {random_cutout: 1.5}",
        "x.yaml:3 augment.random_cutout: found 1.5; give a share of the image's side from 0, below 1",
    ),
    ("runs/r", "runs/r\naugment: {zoom: 0.2}", "x.yaml:3 augment.zoom: unknown key; the keys here are random_crop,"),
    ("pairs.txt", "pairs.txt, flip: 1", "x.yaml:4 lfw.flip: found 1; give true or false"),
    ("pairs.txt", "pairs.txt, distance: L2", "x.yaml:4 lfw.distance: found the text 'L2'; give euclidean or cosine"),
    ("Block8", "Mixed7a", "x.yaml:10 stages[1].train_from: no block 'Mixed7a'; did you mean 'Mixed_7a'?"),
    ("Logits", "Repeat_1", "x.yaml:10 stages[1].train_from: 'Block8' lies after 'Repeat_1', from which stages[0] trai"),
    ("last block", "Head", "x.yaml:9 stages[1].name: found 'Head', and stages[0] is 'head'; give each stage its own"),
    ("epochs: 10", "epochs: 10\n    learning_rate: 3e-4", "x.yaml:12 stages[1].learning_rate: found the text '3e-4'; "),
    (
        "epochs: 10",
        "epochs: 10\n    learning_rate: {0: 1, 6: 0}",
        "x.yaml:12 stages[1].learning_rate[6]: found 0; ",
    ),
    ("epochs: 10", "epochs: 10\n    learning_rate: {3: 1}", "x.yaml:12 stages[1].learning_rate: the first step is epo"),
]


@pytest.mark.parametrize(("old", "new", "expected"), BAD_VALUES)
def test_a_bad_value_is_told_with_its_line(old: str, new: str, expected: str):
    assert GOOD.count(old) == 1
    (line,) = problems(GOOD.replace(old, new))
    assert line.startswith(expected)
    assert "\n" not in line


BAD_FILES: list[tuple[str | bytes, str]] = [
    ("", "x.yaml: the file is empty; a recipe gives checkpoint, output, data and stages"),
    ("# nothing\n", "x.yaml: the file is empty"),
    ("- a\n", "x.yaml: found a list; a recipe is keys and values"),
    ("recipe", "x.yaml: found the text 'recipe'; a recipe is keys and values"),
    (b"\x89PNG\r\n\xff", "x.yaml: found no text in UTF-8; give a recipe in YAML"),
    ("a\0b", "x.yaml:1: not YAML: unacceptable character"),
    ("output: a\n\tdata: b", "x.yaml:2: found a tab; indent with spaces"),
    ("output: a\ndata: b: c", "x.yaml:2: not YAML: mapping values are not allowed here"),
    ("output: [a", "x.yaml:1: not YAML: expected ',' or ']'"),
    ("a: 1\n---\nb: 2", "x.yaml:2: not YAML: but found another document"),
    ("a: *b", "x.yaml:1: not YAML: found undefined alias"),
    (
        "output: a\ndata: !!python/object/apply:os.getcwd []",
        "x.yaml:2: found the tag 'tag:yaml.org,2002:python/object",
    ),
    ("seed: !!int abc", "x.yaml:1: found the tag 'tag:yaml.org,2002:int'; write plain values"),
    ("{[a]: b}", "x.yaml:1: not YAML: found unhashable key"),
    ("seed: " + "9" * 5000, "x.yaml:1: found a value that can't be read (Exceeds"),
    ("[" * 1000 + "]" * 1000, "x.yaml:1: nested too deeply to be a recipe"),
    ("{" * 400_000, "x.yaml:1: nested too deeply to be a recipe"),
    ("a: " + "[" * 102 + "]" * 102, "x.yaml:1: nested too deeply to be a recipe"),
    ("- " * 400_000, "x.yaml:1: nested too deeply to be a recipe"),
    ("#" * (2**20 + 1), "x.yaml: can't be read (larger than 1 MiB)"),
]


@pytest.mark.parametrize(("content", "expected"), BAD_FILES, ids=lambda value: repr(value)[:30])
def test_a_file_that_is_no_recipe_is_told_in_one_line(content: str | bytes, expected: str):
    (line,) = problems(content)
    assert line.startswith(expected)
    assert "\n" not in line


def test_a_file_that_is_not_there_or_is_a_folder_is_told():
    Path("folder.yaml").mkdir()
    for name, expected in {
        "none.yaml": "none.yaml: no such file; give a recipe, such as recipes/small.yaml",
        "folder.yaml": "folder.yaml: found a folder; give a recipe's file",
    }.items():
        with pytest.raises(RecipeError) as caught:
            Recipe.load(name)
        assert tuple(map(str, caught.value.problems)) == (expected,)


def test_every_problem_comes_at_once_in_the_files_order_the_overrides_last():
    text = GOOD.replace("output", "outptu").replace("Block8", "Blok8").replace("epochs: 5", "epochs: '5'")
    text = text.replace("0.1", "1.5") + "    early_stoping: 3\nseed: 1\nseed: 2\n"
    assert problems(text, {"lfw.dir": "3", "data.trian": "x"}) == (
        "x.yaml:1 output: missing; give a path",
        "x.yaml:2 outptu: unknown key; did you mean 'output'?",
        "x.yaml:3 data.validation_split: found 1.5; give a number from 0, below 1",
        "x.yaml:8 stages[0].epochs: found the text '5'; give a whole number from 1",
        "x.yaml:10 stages[1].train_from: no block 'Blok8'; did you mean 'Block8'?",
        "x.yaml:12 stages[1].early_stoping: unknown key; did you mean 'early_stopping'?",
        "x.yaml:14 seed: written twice, first on line 13; remove one",
        "command line data.trian: unknown key; did you mean 'train'?",
        "command line lfw.dir: found 3; put quotes around what is meant as text",
    )


@pytest.mark.parametrize("stages", ["", "stages: []\n"])
def test_a_recipe_needs_a_stage(stages: str):
    (line,) = problems(GOOD[: GOOD.index("stages:")] + stages)
    assert line.endswith(" stages: no stages; give at least one, with its name, train_from and epochs")


def test_a_stage_that_is_judged_needs_what_it_is_judged_by():
    judged = GOOD + "    accept: {metric: lfw_val, max_drop: 0}\n    early_stopping: 3\n"
    assert load(judged).stages[1].early_stopping == 3
    bare = judged.replace("lfw: {dir: lfw, pairs: pairs.txt}\n", "").replace(", validation_split: 0.1", "")
    assert problems(bare) == (
        "x.yaml:11 stages[1].accept: there are no LFW figures to judge by; give lfw.dir and lfw.pairs, or remove it "
        "(stages.1.accept=null)",
        "x.yaml:12 stages[1].early_stopping: there is no validation loss to judge by; "
        "give data.validation_split, or remove it (stages.1.early_stopping=null)",
    )


def test_a_folder_of_validation_images_gives_a_loss_to_judge_by():
    text = GOOD.replace("validation_split: 0.1", "validation: held") + "    early_stopping: 3\n"
    assert load(text).data.validation == Path("held")


def test_pairs_may_be_lfws_or_the_strangers():
    assert load(GOOD.replace("runs/r", "runs/r\nverification: {every: 2}")).verification.every == 2
    text = GOOD.replace("lfw: {dir: lfw, pairs: pairs.txt}", "verification: {}").replace("0.1", "0.1, strangers: 0.3")
    assert load(text).verification.every == 1


def test_a_section_that_cannot_be_read_is_not_said_to_be_absent():
    judged = GOOD + "    accept: {metric: lfw_val, max_drop: 0}\n    early_stopping: 3\n"
    (line,) = problems(judged.replace("{dir: lfw, pairs: pairs.txt}", "lfw"))
    assert line.startswith("x.yaml:4 lfw: found the text 'lfw'; give the keys dir, pairs,")
    (line,) = problems(judged.replace("0.1", "-1"))
    assert line.startswith("x.yaml:3 data.validation_split: found -1")


@given(st.lists(st.sampled_from(V1.boundaries), min_size=2, max_size=4))
def test_a_boundary_stays_or_moves_toward_the_input(boundaries: list[str]):
    stages = [{"name": f"s{i}", "train_from": name, "epochs": 1} for i, name in enumerate(boundaries)]
    back = [i for i in range(1, len(stages)) if V1.boundary(boundaries[i]) > V1.boundary(boundaries[i - 1])]
    values = {"checkpoint": "m", "output": "o", "data": {"train": "d"}, "stages": stages}
    try:
        Recipe.from_values(values)
        told = []
    except RecipeError as error:
        told = [problem.where for problem in error.problems]
    assert told == [f"Recipe.stages[{i}].train_from" for i in back]


def test_a_byte_order_mark_anchors_and_merges_are_fine():
    text = GOOD.replace("epochs: 5", "<<: &long {epochs: 7, weight_decay: 0.5}").replace("epochs: 10", "<<: *long")
    recipe = load("\ufeff" + text + "    weight_decay: 0.25\n")
    assert [(stage.epochs, stage.weight_decay) for stage in recipe.stages] == [(7, 0.5), (7, 0.25)]


def test_aliases_that_grow_without_end_are_told_quickly():
    bomb = "".join(f"k{i}: &a{i} [{', '.join(f'*a{i - 1}' for _ in range(9)) if i else 'x'}]\n" for i in range(40))
    assert len(problems(bomb + GOOD)) == 40
    assert problems(GOOD.replace("faces,", "&f [*f],")) == ("x.yaml:3 data.train: found a list; give a path",)


def test_a_date_is_a_name():
    assert load(GOOD.replace("head", "2018-04-02")).stages[0].name == "2018-04-02"


@given(st.from_regex(r"[-+]?[0-9]{0,4}\.?[0-9]{0,4}[eE][-+]?[0-9]{1,2}", fullmatch=True))
def test_an_exponent_that_yaml_takes_for_text_is_spelled_as_it_takes_it(text: str):
    try:
        value = float(text)
    except ValueError:
        return
    if isinstance(yaml.safe_load(text), str):
        with pytest.raises(RecipeError) as caught:
            Augment(random_rotate=text)
        assert yaml.safe_load(caught.value.problems[0].advice.removeprefix("write ")) == value


def test_views_may_be_kept_where_augment_draws_them():
    recipe = load(GOOD.replace("runs/r", "runs/r\naugment: {random_flip: true, views: 4}\ncache: disk"))
    assert (recipe.cache, recipe.augment.views) == ("disk", 4)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root reads every file")
def test_a_file_that_may_not_be_read_is_told():
    Path("x.yaml").write_text(GOOD, encoding="utf-8")
    Path("x.yaml").chmod(0)
    with pytest.raises(RecipeError, match=r"x\.yaml: can't be read \(Permission denied\)"):
        Recipe.load("x.yaml")


SILENT = {
    "seed": 666,
    "batch_size": 90,
    "cache": "auto",
    "precision": "float32",
    "runtime": "tensorflow",
    "strategy": "none",
    "data": {"align": False, "validation_split": 0.0, "min_images_per_person": 1},
    "augment": {"random_crop": False, "random_flip": False, "random_rotate": 0.0},
    "lfw": {"distance": "euclidean", "subtract_mean": False, "flip": False, "missing": "error"},
}
SILENT_STAGE = {
    "learning_rate": 0.001,
    "optimizer": {"name": "adam"},
    "batch_norm": "frozen",
    "keep_probability": 1.0,
    "loss": {"name": "softmax", "label_smoothing": 0.0},
    "sampling": "shuffled",
    "weight_decay": 0.0,
    "l2_sp": 0.0,
    "distillation": 0.0,
    "center_loss": {"factor": 0.0, "alfa": 0.95},
    "prelogits_norm": {"factor": 0.0, "p": 1.0},
    "warmup_epochs": 0.0,
    "layer_decay": 1.0,
    "ema": 0.0,
}


def test_what_a_recipe_leaves_out_is_what_the_documentation_says():
    """Assert the documented defaults. A changed one would silently change every run that relies on it."""
    text = GOOD.replace(", validation_split: 0.1", "")
    found = load(text).to_value()
    for key, value in SILENT.items():
        assert (found[key] | value == found[key]) if isinstance(value, dict) else (found[key] == value), key
    assert found["stages"][0] | SILENT_STAGE == found["stages"][0]
    accept = load(text.replace("epochs: 5", "epochs: 5\n    accept: {metric: lfw_val, max_drop: 0}")).stages[0].accept
    assert (accept.bound, accept.otherwise, accept.retries, accept.rate_factor) == ("estimate", "continue", None, None)


def test_a_section_where_a_single_value_stands_is_said_in_words():
    assert problems(GOOD + "seed: {a: 1}\n")[0].endswith(
        "found keys and values; give a whole number from 0 to 2147483647"
    )


def with_boundary(train_from: str, **values: object) -> Recipe:
    stages = [{"name": "s", "train_from": train_from, "epochs": 1}]
    return Recipe.from_values({"checkpoint": "m", "output": "o", "data": {"train": "d"}, "stages": stages} | values)


@pytest.mark.parametrize(
    ("train_from", "told"),
    [
        ("Mixed7a", "no block 'Mixed7a'; did you mean 'Mixed_7a'?"),
        ("AvgPool_1a_8x8", "no block 'AvgPool_1a_8x8'; "),
        ("Repeat_", "no block 'Repeat_'; did you mean 'Repeat"),
    ],
)
def test_what_is_no_boundary_is_told_with_the_nearest(train_from: str, told: str):
    with pytest.raises(RecipeError) as caught:
        with_boundary(train_from)
    assert str(caught.value).startswith(f"Recipe.stages[0].train_from: {told}")


@pytest.mark.parametrize(
    ("train_from", "train_to", "told"),
    [
        ("Repeat_1", "Mixed7a", "train_to: no block 'Mixed7a'; did you mean 'Mixed_7a'?"),
        (
            "Repeat_1",
            "Mixed_5b",
            "train_to: 'Mixed_5b' is not a block of inception_resnet_v1; choose one of Conv2d_1a_",
        ),
        ("Repeat_1", "Logits", "train_to: 'Logits' trains anyway; remove it, or give a block before the head"),
        ("Repeat_1", "Mixed_6a", "train_to: 'Mixed_6a' lies before 'Repeat_1'; give a block from train_from on"),
        ("Logits", "Bottleneck", "train_to: 'Bottleneck' lies before 'Logits'; give a block from train_from on"),
        ("Repeat_1", "", "train_to: found the text ''; give the last block that trains, such as Bottleneck"),
    ],
)
def test_the_last_block_that_trains_is_one_after_the_first(train_from: str, train_to: str, told: str):
    stage = {"name": "s", "train_from": train_from, "train_to": train_to, "epochs": 1}
    with pytest.raises(RecipeError) as caught:
        with_boundary(train_from, stages=[stage])
    assert str(caught.value).startswith(f"Recipe.stages[0].{told}")


@pytest.mark.parametrize("train_to", [None, "Repeat_1", "Repeat_1/block17_10", "Bottleneck"])
def test_a_stage_may_train_one_block_or_more(train_to: str | None):
    stage = {"name": "s", "train_from": "Repeat_1", "epochs": 1} | ({"train_to": train_to} if train_to else {})
    recipe = with_boundary("Repeat_1", stages=[stage])
    assert recipe.stages[0].train_to == train_to
    assert recipe.stages[0].trains == ("Repeat_1 and after" if train_to is None else f"Repeat_1 to {train_to}")


def test_boundaries_are_those_of_the_backbone_that_the_recipe_names():
    assert with_boundary("Block8").backbone == "inception_resnet_v1"
    assert with_boundary("Mixed_5b", backbone="inception_resnet_v2").to_value()["backbone"] == "inception_resnet_v2"
    with pytest.raises(RecipeError) as caught:
        with_boundary("Mixed_5b")
    assert str(caught.value) == (
        "Recipe.stages[0].train_from: 'Mixed_5b' is not a block of inception_resnet_v1; choose one of Conv2d_1a_3x3, "
        "Conv2d_2a_3x3, Conv2d_2b_3x3, Conv2d_3b_1x1, Conv2d_4a_3x3, Conv2d_4b_3x3, Repeat, Mixed_6a, Repeat_1, "
        "Mixed_7a, Repeat_2, Block8, Bottleneck, Logits, or set backbone: inception_resnet_v2"
    )


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("inception_resnet_v3", "no backbone 'inception_resnet_v3'; did you mean 'inception_resnet_v"),
        ("vgg", "no backbone 'vgg'; choose one of inception_resnet_v1, inception_resnet_v2"),
        (1, "found 1; give inception_resnet_v1, inception_resnet_v2, squeezenet, small_cnn, inception_v3, "),
    ],
)
def test_another_backbone_is_told_with_those_that_there_are(name: object, told: str):
    with pytest.raises(RecipeError) as caught:
        with_boundary("Mixed_5b", backbone=name)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"Recipe.backbone: {told}")
