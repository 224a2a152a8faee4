"""Values given beside a recipe's file take precedence, and bad ones are reported by their keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.recipe.conftest import GOOD, load, problems


def test_overrides_go_before_the_file():
    recipe = load(
        GOOD,
        {
            "data.train": "~/else",
            "stages.1.epochs": "3",
            "stages.0.learning_rate": "{0: 0.5}",
            "stages.0.learning_rate.6": "0.25",
            "stages.1.accept.metric": "lfw_auc",
            "stages.1.accept.max_drop": 0.5,
            "augment": {"random_flip": True},
            "output": Path("a: b"),
            "lfw.pairs": "'quoted # pairs'",
        },
    )
    assert recipe.data.train == Path("~/else").expanduser()
    assert recipe.stages[0].learning_rate.to_value() == {0: 0.5, 6: 0.25}
    assert (recipe.stages[1].epochs, recipe.stages[1].accept.max_drop) == (3, 0.5)
    assert recipe.augment.random_flip
    assert (recipe.output, recipe.lfw.pairs) == (Path("a: b"), Path("quoted # pairs"))


def test_an_override_of_a_shared_value_changes_it_in_one_place():
    text = GOOD.replace("epochs: 5", "optimizer: &o {epsilon: 0.1}\n    epochs: 5") + "    optimizer: *o\n"
    recipe = load(text, {"stages.1.optimizer.epsilon": "0.5"})
    assert [stage.optimizer.constants["epsilon"] for stage in recipe.stages] == [0.1, 0.5]


BAD_OVERRIDES = [
    ("dat.train", "x", "command line dat: unknown key; did you mean 'data'?"),
    ("data.trian", "x", "command line data.trian: unknown key; did you mean 'train'?"),
    ("stages.2.epochs", "3", "command line stages.2.epochs: no item 2 in a list of 2; count from 0"),
    (
        "stages.last.epochs",
        "3",
        "command line stages.last.epochs: no stage has that name; the stages are 0 (head), 1 (last block)",
    ),
    ("stages.head", "3", "command line stages.0: found 3; "),
    ("stages.1.epochs", "0", "command line stages.1.epochs: found 0; give a whole number from 1"),
    ("stages.1.epochs", "1e1", "command line stages.1.epochs: found the text '1e1'; give a whole number from 1"),
    ("stages.1.learning_rate", "3e-4", "command line stages.1.learning_rate: found the text '3e-4'; write 3.0e-4"),
    ("stages.1.name.x", "3", "command line stages.1.name.x: found the text 'last block' there, which has no key 'x'; "),
    ("data.train", "", "command line data.train: found nothing; give a path"),
    ("data.train", "a #b", "command line data.train: found 'a #b', where '#' starts a comment; put quotes around the"),
    ("data.train", "a: b: c", "command line data.train: not YAML: mapping values are not allowed here"),
    ("data.train", "!!python/name:os.system", "command line data.train: found the tag 'tag:yaml.org,2002:python/name"),
    ("lfw", "{dir: a, dir: b, pairs: c}", "command line lfw.dir: written twice"),
    ("", "1", "command line : unknown key; the keys here are"),
]


@pytest.mark.parametrize(("key", "value", "expected"), BAD_OVERRIDES)
def test_a_bad_override_is_told_by_its_key(key: str, value: str, expected: str):
    (line,) = problems(GOOD, {key: value})
    assert line.startswith(expected)


@pytest.mark.parametrize("key", ["stages.last block.epochs", "stages.last-block.epochs", "stages.1.epochs"])
def test_an_override_finds_a_stage_by_its_name_its_folders_or_its_number(key: str):
    assert [stage.epochs for stage in load(GOOD, {key: "3"}).stages] == [5, 3]


def test_a_blank_in_an_override_finds_a_stage_that_is_named_with_a_hyphen():
    recipe = load(GOOD.replace("last block", "last-block"), {"stages.last block.epochs": 7})
    assert [stage.epochs for stage in recipe.stages] == [5, 7]


@pytest.mark.parametrize(
    ("text", "overrides", "line"),
    [
        (
            GOOD,
            {"stages.haed.epochs": "3"},
            "command line stages.haed.epochs: no stage has that name; did you mean 'head'? "
            "the stages are 0 (head), 1 (last block)",
        ),
        (
            GOOD,
            {"stages.xyzzy.epochs": "3"},
            "command line stages.xyzzy.epochs: no stage has that name; the stages are 0 (head), 1 (last block)",
        ),
        (
            GOOD.replace("last block", "head"),
            {"stages.head.epochs": "3"},
            "command line stages.head.epochs: 2 stages have that name; the stages are 0 (head), 1 (head)",
        ),
        (
            GOOD,
            {"stages.head.epochs": "3", "stages.0.epochs": "4"},
            "command line stages.0.epochs: given twice, by name and by number; give it once",
        ),
        (GOOD, {"stages.head.epochs": "x"}, "command line stages.0.epochs: found the text 'x'; give a whole number"),
    ],
)
def test_an_override_of_a_stage_that_is_not_known_is_one_line(text: str, overrides: dict[str, object], line: str):
    assert any(told.startswith(line) for told in problems(text, overrides))
