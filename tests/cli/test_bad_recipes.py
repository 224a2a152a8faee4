"""Unusable recipes and overrides give every problem with its place, exit status 2, and no written file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.tf

A_RATE = "write a whole epoch from 0 and a rate, such as '100: 0.005', or '100: -'"


def recipe(about: str, edit: tuple[str, str] | str | bytes, *lines: str) -> Any:
    """Return a test case: a bad recipe and the lines that answer it.

    Args:
        edit: text of the good recipe and its replacement; or the whole bad recipe.
    """
    return pytest.param(edit, lines, id=about)


def bad(about: str, command: str, *lines: str) -> Any:
    """Return a test case: a command and the lines that answer it."""
    return pytest.param(command, lines, id=about)


RECIPES = [
    recipe("a duplicate key", ("out\n", "out\noutput: b\n"), ":3 output: written twice, first on line 2; remove one"),
    recipe(
        "a misspelt key",
        ("output:", "outptu:"),
        ":1 output: missing; give a path",
        ":2 outptu: unknown key; did you mean 'output'?",
    ),
    recipe(
        "a rate that YAML reads as text",
        ("name: head", "name: head\n    learning_rate: 3e-4"),
        ":8 stages[0].learning_rate: found the text '3e-4'; write 3.0e-4",
    ),
    recipe(
        "a boundary that moves back",
        ("Logits", "Repeat_2"),
        ":11 stages[1].train_from: 'Block8' lies after 'Repeat_2', from which stages[0] trains; "
        "a boundary stays or moves toward the input",
    ),
    recipe(
        "a block that does not exist",
        ("Block8", "Mixed7a"),
        ":11 stages[1].train_from: no block 'Mixed7a'; did you mean 'Mixed_7a'?",
    ),
    recipe(
        "a stage without its epochs",
        ("Logits\n    epochs: 1", "Logits"),
        ":7 stages[0].epochs: missing; give a whole number from 1",
    ),
    recipe(
        "no stages",
        "checkpoint: model\noutput: out\ndata: {train: faces/learn}\n",
        ":1 stages: no stages; give at least one, with its name, train_from and epochs",
    ),
    recipe(
        "two stages of one name",
        ("last block", "Head"),
        ":10 stages[1].name: found 'Head', and stages[0] is 'head'; give each stage its own name",
    ),
    recipe(
        "no epochs",
        ("Block8\n    epochs: 1", "Block8\n    epochs: 0"),
        ":12 stages[1].epochs: found 0; give a whole number from 1",
    ),
    recipe(
        "a truth value for a number",
        ("batch_size: 12", "batch_size: yes"),
        ":5 batch_size: found true; give a whole number of images from 1",
    ),
    recipe(
        "not a number",
        ("validation_split: 0.2", "validation_split: .nan"),
        ":3 data.validation_split: found nan; give a number from 0, below 1",
    ),
    recipe(
        "an image size below the network's",
        ("batch_size", "preprocessing: {image_size: 74}\nbatch_size"),
        ":5 preprocessing.image_size: found 74, too few for inception_resnet_v1; give a whole number of pixels from 75",
    ),
    recipe(
        "a gate and early stopping with nothing to judge by",
        "checkpoint: model\noutput: out\ndata: {train: faces/learn}\nstages:\n"
        "  - {name: head, train_from: Logits, epochs: 9, accept: {metric: lfw_auc, max_drop: 0}, early_stopping: 3}\n",
        ":5 stages[0].accept: there are no LFW figures to judge by; give lfw.dir and lfw.pairs, or remove it "
        "(stages.0.accept=null)",
        ":5 stages[0].early_stopping: there is no validation loss to judge by; give data.validation_split, or ...",
    ),
    recipe(
        "a schedule's file that is not there",
        ("name: head", "name: head\n    learning_rate: {file: rates.txt}"),
        ":8 stages[0].learning_rate.file: rates.txt can't be read (No such file or directory); "
        "give a file of `epoch: rate` lines",
    ),
    recipe(
        "a schedule's file that is something else",
        ("name: head", "name: head\n    learning_rate: {file: bad/malformed.txt}"),
        f":8 stages[0].learning_rate.file: bad/malformed.txt:1: found '1\\t2'; {A_RATE}",
        f":8 stages[0].learning_rate.file: bad/malformed.txt:2: found 'ann\\t1'; {A_RATE}",
        f":8 stages[0].learning_rate.file: bad/malformed.txt:3: found 'ann\\t1\\t2'; {A_RATE}",
        f":8 stages[0].learning_rate.file: bad/malformed.txt:4: found 'ann\\tone\\tbob\\t2'; {A_RATE}",
    ),
    recipe(
        "a constant of another optimizer",
        ("name: head", "name: head\n    optimizer: {name: adam, rho: 0.9}"),
        ":8 stages[0].optimizer.rho: unknown key; the keys here are name, beta_1, beta_2, epsilon and constants",
    ),
    recipe(
        "a gate with no strangers to judge by",
        ("Block8\n    epochs: 1", "Block8\n    epochs: 1\n    accept: {metric: strangers_val, max_drop: 0.1}"),
        ":13 stages[1].accept: there are no strangers' figures to judge by; give data.strangers, or remove it "
        "(stages.1.accept=null)",
    ),
    recipe(
        "strangers and a filter out of range",
        ("validation_split: 0.2", "validation_split: 0.2, strangers: 1.5, filter: {percentile: 0}"),
        ":3 data.strangers: found 1.5; give a share of the people above 0, below 1, or the path of a folder of people",
        ":3 data.filter.percentile: found 0; give a percentile above 0, at most 100",
    ),
    recipe(
        "what several workers can't do",
        "checkpoint: model\noutput: out\nstrategy: multi_worker\n"
        "data: {train: faces/learn, strangers: 0.2, filter: {percentile: 99}}\nstages:\n"
        "  - {name: a, train_from: Block8, epochs: 1, loss: triplet, ema: 0.9}\n"
        "  - {name: b, train_from: Block8, epochs: 1, loss: adaface}\n",
        ":4 data.strangers: not under strategy: multi_worker; part the folder first (finetune split), or ...",
        ":4 data.filter: not under strategy: multi_worker; part the folder first (finetune split), or ...",
        ":6 stages[0].loss: not under strategy: multi_worker (losses over a whole batch, and what follows them, ...",
        ":6 stages[0].ema: not under strategy: multi_worker (losses over a whole batch, and what follows them, ...",
        ":7 stages[1].loss: not under strategy: multi_worker (losses over a whole batch, and what follows them, ...",
    ),
    recipe(
        "a history in no such form",
        ("batch_size: 12", "history: {tensorbord: true}"),
        ":5 history.tensorbord: unknown key; did you mean 'tensorboard'?",
    ),
    recipe(
        "the home of nobody",
        ("output: out", "output: ~nobody-at-all/out"),
        ":2 output: found the text '~nobody-at-all/out', but no such user has a home here; give the whole path",
    ),
    recipe("an empty file", b"\n", ": the file is empty; a recipe gives checkpoint, output, data and stages"),
    recipe("a binary file", b"\x89PNG\r\n\x1a\n\xff", ": found no text in UTF-8; give a recipe in YAML"),
    recipe("a list", "- checkpoint: model\n", ": found a list; a recipe is keys and values"),
    recipe("a tab", "checkpoint: model\n\toutput: out\n", ":2: found a tab; indent with spaces"),
    recipe(
        "a Python object",
        "checkpoint: !!python/object/apply:os.getcwd []\n",
        ":1: found the tag 'tag:yaml.org,2002:python/object/apply:os.getcwd'; write plain values",
    ),
    recipe(
        "several at once",
        "chekpoint: model\noutput: out\ndata: {train: 3, validation_split: 1.5}\nstages:\n"
        "  - {name: a, train_from: Blok8, epochs: two}\n",
        ":1 chekpoint: unknown key; did you mean 'checkpoint'?",
        ":1 checkpoint: missing; give a path, or weights: none, imagenet or a file",
        ":3 data.train: found 3; put quotes around what is meant as text",
        ":3 data.validation_split: found 1.5; give a number from 0, below 1",
        ":5 stages[0].epochs: found the text 'two'; give a whole number from 1",
        ":5 stages[0].train_from: no block 'Blok8'; did you mean 'Block8'?",
    ),
]

OVERRIDES = [
    bad("a recipe that is a folder", "check bad", "bad: found a folder; give a recipe's file"),
    bad(
        "a recipe that is not there",
        "plan recipes/vgface2.yaml",
        "recipes/vgface2.yaml: no such file; give a recipe, such as recipes/small.yaml",
    ),
    bad(
        "an override of text for a number",
        "check recipe.yaml batch_size=many",
        "command line batch_size: found the text 'many'; give a whole number of images from 1",
    ),
    bad(
        "an override that YAML reads as text",
        "check recipe.yaml stages.0.learning_rate=1e-3",
        "command line stages.0.learning_rate: found the text '1e-3'; write 1.0e-3",
    ),
    bad(
        "an override of a misspelt key",
        "plan recipe.yaml data.trian=faces",
        "command line data.trian: unknown key; did you mean 'train'?",
    ),
    bad(
        "an override of a stage that does not exist",
        "check recipe.yaml stages.2.epochs=3",
        "command line stages.2.epochs: no item 2 in a list of 2; count from 0",
    ),
    bad(
        "overrides without a value",
        "check recipe.yaml batch_size =3",
        "command line 'batch_size': not a setting; write key=value",
        "command line '=3': not a setting; write key=value",
    ),
    bad("an override given twice", "check recipe.yaml seed=1 seed=2", "command line seed: given twice; give it once"),
    bad(
        "an override after an option",
        "run recipe.yaml --resume seed=x",
        "command line seed: found the text 'x'; give a whole number from 0 to 2147483647",
    ),
]


@pytest.mark.parametrize(("edit", "lines"), RECIPES)
def test_a_bad_recipe_is_answered_by_its_lines(
    edit: tuple[str, str] | str | bytes, lines: tuple[str, ...], work: Path, refused
):
    path = work / "recipe.yaml"
    if isinstance(edit, tuple):
        text = path.read_text()
        assert text.count(edit[0]) == 1
        edit = text.replace(*edit)
    path.write_bytes(edit if isinstance(edit, bytes) else edit.encode())
    refused("check recipe.yaml", *(f"recipe.yaml{line}" for line in lines))


@pytest.mark.parametrize(("command", "lines"), OVERRIDES)
def test_a_bad_override_is_answered_by_its_lines(command: str, lines: tuple[str, ...], refused):
    refused(command, *lines)
