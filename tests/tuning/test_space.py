"""The file of ranges: what it may hold, and the line that each mistake gets."""

from __future__ import annotations

from pathlib import Path

import pytest

from finetune.errors import RecipeError
from finetune.recipe.reader import Document
from finetune.recipe.recipe import Recipe
from finetune.tuning.space import Choices, Span, own_values, read_space

RECIPE = """\
checkpoint: model
output: out
data: {train: faces, validation_split: 0.2}
stages:
  - {name: head, train_from: Logits, epochs: 3, learning_rate: 0.01, loss: {name: softmax, label_smoothing: 0.1}}
  - {name: last block, train_from: Block8, epochs: 2, learning_rate: {schedule: cosine, initial: 0.001}}
"""


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Return a function that reads a text as a file of ranges of the recipe above, with overrides of the recipe."""
    monkeypatch.chdir(tmp_path)
    Path("recipe.yaml").write_text(RECIPE)

    def read(text, **given):
        Path("ranges.yaml").write_text(text)
        document = Document("recipe.yaml")
        return read_space("ranges.yaml", lambda values: Recipe.load("recipe.yaml", given | values), document.numbered)

    return read


def refusal(read, text, **given):
    with pytest.raises(RecipeError) as caught:
        read(text, **given)
    return str(caught.value).splitlines()


def test_stages_are_named_as_on_the_command_line_and_kept_by_number(read):
    space = read("stages.head.l2_sp: [0, 1]\nstages.last-block.ema: [0, 0.9]\nstages.1.epochs: [2, 3]\n")
    assert list(space) == ["stages.0.l2_sp", "stages.1.ema", "stages.1.epochs"]


def test_a_range_is_whole_exactly_where_the_recipe_takes_nothing_else(read):
    space = read(
        "stages.0.epochs: {low: 2, high: 9}\nstages.0.keep_probability: {low: 0.5, high: 1}\n"
        "stages.0.distillation: {low: 0, high: 10}\nbatch_size: {low: 8, high: 64, log: true}\n"
    )
    assert list(space.values()) == [
        Span(2, 9, whole=True),
        Span(0.5, 1.0),
        Span(0, 10),
        Span(8, 64, log=True, whole=True),
    ]


def test_a_number_in_exponent_form_is_a_number(read):
    space = read("stages.0.learning_rate: {low: 1e-4, high: 1.0e-1, log: true}\nstages.1.l2_sp: [0, 1e-3]\n")
    assert list(space.values()) == [Span(0.0001, 0.1, log=True), Choices((0, 0.001))]


def test_choices_may_be_anything_that_the_key_takes(read):
    (choices,) = read("stages.1.learning_rate: [0.01, {schedule: cosine, initial: 0.1}, {0: 0.1, 1: 0.01}]").values()
    assert choices == Choices((0.01, {"schedule": "cosine", "initial": 0.1}, {0: 0.1, 1: 0.01}))


def test_every_problem_of_the_file_is_a_line_with_its_place(read):
    how = "give {low: …, high: …}, with log: true for a logarithmic scale, or a list of two choices or more"
    where = "search keys of stages, augment.…, or batch_size"
    shared = f"not searched: all trials share images, checkpoint and measurements; {where}"
    lines = {
        "seed: [1, 2]": f"seed: {shared}",
        "data.train: [a, b]": f"data.train: {shared}",
        "3: [1, 2]": f"ranges.yaml:3 [3]: {shared}",
        "stages.0.name: [a, b]": "stages.0.name: not searched: it names or judges a stage; "
        "give a key that changes the stage's training",
        "stages.1: [a, b]": "stages.1: not searched: it names or judges a stage; "
        "give a key that changes the stage's training",
        "stages.7.epochs: [1, 2]": "stages.7.epochs: no item 7 in a list of 2; count from 0",
        "stages.heat.epochs: [1, 2]": "stages.heat.epochs: no stage has that name; did you mean 'head'? "
        "the stages are 0 (head), 1 (last block)",
        "stages.0.epoch: [1, 2]": "stages.0.epoch: unknown key; did you mean 'epochs'?",
        "stages.0.ema: 0.9": f"stages.0.ema: found 0.9; {how}",
        "stages.0.clip_norm: [0.9]": f"stages.0.clip_norm: found a list; {how}",
        "stages.1.clip_norm: [0.9, 0.9]": f"stages.1.clip_norm: found a list; {how}",
        "stages.1.ema: {low: 0, high: 1}": "stages.1.ema: found 1.0; give a number from 0, below 1",
        "stages.0.epochs: {low: 0.5, high: 4}": "stages.0.epochs: found 0.5; give a whole number from 1",
        "stages.head.epochs: [1, 2]": "stages.head.epochs: given twice, by name and by number; give it once",
        "stages.0.loss: [softmax, arcfase]": "stages.0.loss: with the text 'arcfase', stages.0.loss.name: "
        "found the text 'arcfase'; did you mean 'arcface'?",
        "batch_size: {low: 9, high: 3}": "batch_size.high: found 3, where low is 9; give a higher one",
        "stages.0.l2_sp: {low: 0, high: 1, log: true}": "stages.0.l2_sp.low: found 0 with log: true; "
        "give a number above 0",
        "stages.0.weight_decay: {low: 0, hihg: 1}": "stages.0.weight_decay.hihg: unknown key; did you mean 'high'?",
        "stages.1.weight_decay: {high: 1}": "stages.1.weight_decay.low: missing; give a number",
        "stages.1.l2_sp: {low: a, high: 1}": "stages.1.l2_sp.low: found the text 'a'; give a number",
    }
    found = refusal(read, "".join(f"{line}\n" for line in lines))
    for number, line in enumerate(lines.values(), start=1):
        assert any(told.endswith(line) and told.startswith(f"ranges.yaml:{number} ") for told in found), (line, found)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "ranges.yaml: the file is empty; give each key to search with its range or its choices"),
        ("{}", "ranges.yaml:1: found no keys; search keys of stages, augment.…, or batch_size"),
        ("[1]", "ranges.yaml: found a list; give keys of the recipe, each with its range or its choices"),
        ("batch_size: [1, 2]\nbatch_size: [1, 2]", "written twice, first on line 1; remove one"),
        ("batch_size: !!python/object:os.system [1]", "found the tag 'tag:yaml.org,2002:python/object:os.system'"),
    ],
)
def test_a_file_that_is_none_gets_one_line(read, text, line):
    (told,) = refusal(read, text)
    assert line in told


def test_a_file_that_is_not_there_gets_an_example(read):
    with pytest.raises(RecipeError, match=r"none\.yaml: no such file; give a file of ranges, with a line such as"):
        read_space("none.yaml", lambda _: Recipe.load("recipe.yaml"), str)


def test_crops_that_depend_on_a_key_keep_it_out_of_the_search(read):
    assert read("augment.random_crop: [true, false]")
    (line,) = refusal(read, "augment.random_crop: [true, false]", **{"data.align": True})
    assert line.endswith(
        "augment.random_crop: not searched with data.align: the crops depend on it; set it in the recipe"
    )


def test_the_recipes_own_values_are_those_that_lie_in_the_space(read):
    space = read(
        "stages.0.learning_rate: {low: 0.001, high: 0.1}\nstages.1.learning_rate: {low: 0.001, high: 0.1}\n"
        "stages.0.epochs: {low: 4, high: 9}\nstages.0.loss.label_smoothing: [0, 0.1]\n"
        "augment.random_flip: [true, false]\nstages.0.clip_norm: [1, 2]\n"
    )
    own = own_values(Recipe.load("recipe.yaml").to_value(), space)
    assert own == {"stages.0.learning_rate": 0.01, "stages.0.loss.label_smoothing": 0.1, "augment.random_flip": False}
