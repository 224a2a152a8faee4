"""The JSON schema accepts and refuses the same recipes as the reader, except by rules between keys."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from finetune.cli import main
from finetune.errors import RecipeError
from finetune.recipe.json_schema import recipe_schema
from finetune.recipe.recipe import Recipe
from tests.recipe.conftest import GOOD, ROOT
from tests.test_schema import PLACES, WHOLE, with_values

TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "null": type(None),
    "number": (int, float),
    "integer": int,
}
TOLD = {"description", "default", "examples", "title", "$defs", "$schema"}
SCHEMA = recipe_schema()


def is_a(value: Any, kind: str) -> bool:
    return isinstance(value, TYPES[kind]) and not (isinstance(value, bool) and kind in ("number", "integer"))


def valid(value: Any, schema: dict[str, Any]) -> bool:
    """Return whether a value matches a schema of draft 2020-12. An unknown keyword fails the test."""
    assert schema.keys() - TOLD <= CHECKS.keys(), schema.keys() - TOLD - CHECKS.keys()
    return all(CHECKS[key](value, wanted, schema) for key, wanted in schema.items() if key not in TOLD)


def members(value: Any, schema: dict[str, Any]) -> Iterator[bool]:
    """Yield for each value of a mapping whether it matches the schema of its key."""
    for key, part in value.items() if isinstance(value, dict) else ():
        known = [wanted for name, wanted in schema.get("properties", {}).items() if name == key]
        known += [wanted for name, wanted in schema.get("patternProperties", {}).items() if re.search(name, str(key))]
        yield all(valid(part, wanted) for wanted in known)
        if not known and "additionalProperties" in schema:
            assert schema["additionalProperties"] is False
            yield False


def number(value: Any) -> bool:
    return is_a(value, "number")


CHECKS = {
    "$ref": lambda value, wanted, _: valid(value, SCHEMA["$defs"][wanted.removeprefix("#/$defs/")]),
    "anyOf": lambda value, wanted, _: any(valid(value, part) for part in wanted),
    "type": lambda value, wanted, _: is_a(value, wanted),
    "enum": lambda value, wanted, _: any(value == one and type(value) is type(one) for one in wanted),
    "const": lambda value, wanted, _: value == wanted and type(value) is type(wanted),
    "minimum": lambda value, wanted, _: not number(value) or value >= wanted,
    "maximum": lambda value, wanted, _: not number(value) or value <= wanted,
    "exclusiveMinimum": lambda value, wanted, _: not number(value) or value > wanted,
    "exclusiveMaximum": lambda value, wanted, _: not number(value) or value < wanted,
    "minLength": lambda value, wanted, _: not isinstance(value, str) or len(value) >= wanted,
    "pattern": lambda value, wanted, _: not isinstance(value, str) or bool(re.search(wanted, value)),
    "minItems": lambda value, wanted, _: not isinstance(value, list) or len(value) >= wanted,
    "maxItems": lambda value, wanted, _: not isinstance(value, list) or len(value) <= wanted,
    "items": lambda value, wanted, _: not isinstance(value, list) or all(valid(item, wanted) for item in value),
    "minProperties": lambda value, wanted, _: not isinstance(value, dict) or len(value) >= wanted,
    "required": lambda value, wanted, _: not isinstance(value, dict) or value.keys() >= set(wanted),
    "properties": lambda value, _, schema: all(members(value, schema)),
    "patternProperties": lambda value, _, schema: all(members(value, schema)),
    "additionalProperties": lambda value, _, schema: all(members(value, schema)),
    "if": lambda value, wanted, schema: valid(value, wanted) or valid(value, schema["else"]),
    "else": lambda *_: True,
}


def read(values: dict[str, Any]) -> bool:
    try:
        Recipe.from_values(values)
    except RecipeError:
        return False
    return True


def test_the_file_beside_the_recipes_is_what_the_command_prints(capsys: pytest.CaptureFixture[str]):
    """Compare with the output of: finetune schema > recipes/recipe.schema.json."""
    assert main(["schema"]) == 0
    printed = capsys.readouterr().out
    assert json.loads(printed) == SCHEMA
    assert (ROOT / "recipes/recipe.schema.json").read_text(encoding="utf-8") == printed


@pytest.mark.parametrize("path", sorted((ROOT / "recipes").glob("*.yaml")), ids=lambda path: path.name)
def test_the_recipes_that_come_with_finetune_are_valid_and_name_the_schema(path):
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# yaml-language-server: $schema=recipe.schema.json\n# finetune ")
    assert valid(yaml.safe_load(text), SCHEMA)
    assert valid(yaml.safe_load(Recipe.load(path).to_yaml()), SCHEMA)


FORMS = {
    "learning_rate": [
        1,
        {0: 0.1, 5: "-"},
        {"schedule": "cosine", "initial": 0.1},
        {"schedule": "exponential", "initial": 0.1, "decay": 1, "every": 2},
        {"file": "data/learning_rate_retrain_tripletloss.txt"},
    ],
    "optimizer": ["momentum", {"epsilon": 0.1}, {"name": "rmsprop", "constants": "facenet", "rho": 0.5}],
    "loss": [
        "arcface",
        {"label_smoothing": 0.1},
        {"name": "cosface", "margin": 0.1},
        {"name": "sub_arcface", "centers": 2},
    ],
    "sampling": ["balanced", {"people": 3, "images": 2}],
    "init": [None, "prototypes"],
    "distillation": [0, 20.0, {"factor": 20}, {"factor": 20, "of": "same"}],
    "accept": [None, {"metric": "strangers_auc", "max_drop": 0, "otherwise": "retry"}],
}
REFUSED = {
    "learning_rate": [0, "fast", {}, {"0": "x"}, {-1: 1}, {"initial": 0.1}, {"schedule": "cosine"}, {"file": ""}],
    "optimizer": ["sgd", {"rho": 0.5}, {"name": "adam", "rho": 0.5}, {"name": "momentum", "nesterov": 1}, 3],
    "loss": ["arc", {"margin": 0.1}, {"name": "softmax", "margin": 1}, {"name": "arcface", "margin": 3.2}, None],
    "sampling": ["even", {"people": 3}, {"people": 1, "images": 2}, None],
    "mining": ["hardest", {"then": "bank"}, {"negatives": "bank", "candidates": 0}, 1],
    "distillation": [-1, "20", None, {"factor": -1}, {"factor": 20, "of": "dirty"}, {"weight": 20}],
    "epochs": [0, 1.5, "3", True, None],
    "name": ["", "a/b", " a", "n" * 65, 3],
    "train_from": ["Blok8", 3],
    "keep_probability": [0, 1.1],
    "epoch": [1],
    "accept": [{"metric": "lfw_auc"}, {"metric": "auc", "max_drop": 0}],
}


def stage_with(key: str, value: Any) -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load(GOOD)
    values["data"]["strangers"] = 0.1
    values["stages"][1][key] = value
    return values


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in FORMS.items() for value in values])
def test_each_form_that_is_read_is_valid(key: str, value: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)
    assert read(stage_with(key, value))
    assert valid(stage_with(key, value), SCHEMA)


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in REFUSED.items() for value in values])
def test_what_is_not_read_is_not_valid(key: str, value: Any):
    assert not read(stage_with(key, value))
    assert not valid(stage_with(key, value), SCHEMA)


@pytest.mark.parametrize("wrong", ["nonsense", -1, [], {"x": 1}, True, None])
def test_a_value_is_valid_where_it_is_read(wrong: Any):
    """Try every place of a recipe that gives every key. The schema may accept what a rule between keys refuses."""
    assert valid(WHOLE, SCHEMA)
    for at in PLACES:
        values = with_values((at, wrong))
        assert valid(values, SCHEMA) or not read(values) or values["stages"] == [], at


def test_keys_that_are_not_known_and_recipes_without_stages_are_not_valid():
    for at in [at for at in PLACES if isinstance(at[-1], str)]:
        values: Any = copy.deepcopy(WHOLE)
        holder = values
        for key in at[:-1]:
            holder = holder[key]
        holder["zebra"] = 1
        assert not valid(values, SCHEMA), at
    assert not valid(WHOLE | {"stages": []}, SCHEMA)
    assert not valid({key: value for key, value in WHOLE.items() if key != "stages"}, SCHEMA)


def test_every_key_is_described_and_no_default_is_hidden():
    sections = [SCHEMA, *SCHEMA["$defs"].values()]
    keys = [(key, part) for section in sections for key, part in section["properties"].items()]
    assert len(keys) > 80
    assert [key for key, part in keys if not part["description"].endswith((".", ")"))] == []
    stage = SCHEMA["$defs"]["Stage"]["properties"]
    assert stage["weight_decay"]["description"] == "Factor of the L2 penalty on the weights that train, from 0."
    assert (stage["learning_rate"]["default"], stage["batch_norm"]["default"]) == (0.001, "frozen")
    assert "Block8" in SCHEMA["else"]["properties"]["stages"]["items"]["properties"]["train_from"]["enum"]


def test_boundaries_of_a_network_in_a_file_are_any_names():
    values = stage_with("train_from", "my_block")
    assert not valid(values, SCHEMA)
    assert valid(values | {"backbone": "mine.keras"}, SCHEMA)
