"""Stage and the other sections take raw values from Python, check them, and report every problem at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from finetune.backbones import by_name
from finetune.errors import RecipeError
from finetune.recipe.accept import Accept
from finetune.recipe.recipe import Recipe
from finetune.recipe.sections import LFW, Augment, Data
from finetune.recipe.stage import Stage
from finetune.training.objectives import PrelogitsNorm
from finetune.training.optimization.optimizer import Optimizer

V1, V2 = by_name("inception_resnet_v1"), by_name("inception_resnet_v2")


def test_a_silent_stage_is_adam_at_0_001_with_nothing_else():
    stage = Stage("head", train_from="Logits", epochs=5)
    assert stage.learning_rate.rate(1, 5) == stage.learning_rate.rate(5, 5) == 0.001
    assert stage.optimizer == Optimizer("adam", {})
    assert (stage.batch_norm, stage.keep_probability, stage.weight_decay) == ("frozen", 1.0, 0.0)
    assert stage.prelogits_norm == PrelogitsNorm(factor=0.0, p=1.0)
    assert stage.early_stopping is stage.accept is None


def test_a_silent_recipe_augments_and_measures_nothing():
    recipe = Recipe(checkpoint="m", output="o", data={"train": "d"})
    assert recipe.augment == Augment(random_crop=False, random_flip=False, random_rotate=0)
    assert recipe.preprocessing.image_size is recipe.preprocessing.standardization is recipe.lfw is None
    assert (recipe.seed, recipe.batch_size, recipe.data.validation_split, recipe.stages) == (666, 90, 0, ())


def test_raw_values_and_sections_make_the_same_stage():
    raw = Stage(
        "s",
        train_from="Block8",
        epochs=3,
        optimizer={"name": "adam", "epsilon": 0.1},
        prelogits_norm={"factor": 0.0005},
        accept={"metric": "lfw_val", "max_drop": 0.01},
    )
    assert raw == Stage(
        "s",
        train_from="Block8",
        epochs=3,
        optimizer=Optimizer("adam", {"epsilon": 0.1}),
        prelogits_norm=PrelogitsNorm(0.0005),
        accept=Accept("lfw_val", 0.01, since="previous"),
    )


def test_numpy_numbers_become_plain_ones():
    stage = Stage("s", train_from="Logits", epochs=np.int64(3), weight_decay=np.float32(0.5))
    assert type(stage.epochs) is int
    assert type(stage.weight_decay) is float


def test_paths_may_be_text_and_begin_with_the_home_folder(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", "/home/of/mine")
    lfw = LFW(dir="~/lfw", pairs=Path("pairs.txt"))
    assert (lfw.dir, lfw.pairs) == (Path("/home/of/mine/lfw"), Path("pairs.txt"))


@pytest.mark.parametrize("train_from", dict.fromkeys((*V1.boundaries, *V2.boundaries)))
def test_every_boundary_can_be_trained_from(train_from: str):
    assert Stage("s", train_from=train_from, epochs=1).train_from == train_from


def test_distillation_is_its_factor_or_its_keys_and_is_written_as_before():
    short, whole, same = (
        Stage("s", "Block8", 1, distillation=value).distillation
        for value in (20, {"factor": 20, "of": "clean"}, {"factor": 20, "of": "same"})
    )
    assert short == whole != same
    assert (short.factor, short.of, same.of) == (20, "clean", "same")
    keys = {"factor": 20, "of": "same", "relations": 0}
    assert [one.to_value() for one in (short, whole, same)] == [20, 20, keys]
    assert not Stage("s", "Block8", 1).distillation.is_asked_for


def test_a_slug_holds_no_spaces():
    assert Stage("last block 2", train_from="Block8", epochs=1).slug == "last-block-2"


FACENET = {
    "adam": {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 0.1},
    "adagrad": {"initial_accumulator_value": 0.1},
    "adadelta": {"rho": 0.9, "epsilon": 1e-6},
    "rmsprop": {"rho": 0.9, "momentum": 0.9, "epsilon": 1.0},
    "momentum": {"momentum": 0.9, "nesterov": True},
}


@pytest.mark.parametrize("name", FACENET)
def test_the_published_constants_can_be_asked_for_and_changed(name: str):
    changed = next(iter(FACENET[name]))
    assert _optimizer({"name": name, "constants": "facenet"}).constants == FACENET[name]
    assert _optimizer({"name": name, "constants": "facenet", changed: 0.5}).constants == FACENET[name] | {changed: 0.5}


def test_constants_are_keras_own_where_silent_but_momentum_has_some():
    assert [_optimizer(name).constants for name in FACENET] == [{}, {}, {}, {}, {"momentum": 0.9}]


def test_an_optimizer_without_a_name_is_adam():
    assert _optimizer({"epsilon": 0.1}) == Optimizer("adam", {"epsilon": 0.1})


def _optimizer(value: object) -> Optimizer:
    return Stage("s", train_from="Logits", epochs=1, optimizer=value).optimizer


BAD_STAGES = [
    ({"name": ""}, "Stage.name: found the text ''; give 1 to 64 letters, digits, '_', '-' and spaces between them"),
    ({"name": "a/b"}, "Stage.name: found the text 'a/b'; give 1 to 64 letters"),
    ({"name": "."}, "Stage.name: found the text '.'; give"),
    ({"name": " head"}, "Stage.name: found the text ' head'; give"),
    ({"name": "tête"}, "Stage.name: found the text 'tête'; give"),
    ({"name": "n" * 65}, f"Stage.name: found the text '{'n' * 57}...'; give"),
    ({"name": 12}, "Stage.name: found 12; put quotes around what is meant as text"),
    ({"train_from": ""}, "Stage('s').train_from: found the text ''; give the first block that trains, such as"),
    ({"train_from": ["Logits"]}, "Stage('s').train_from: found a list; give the first block that trains, such as"),
    ({"epochs": 0}, "Stage('s').epochs: found 0; give a whole number from 1"),
    ({"epochs": 2.0}, "Stage('s').epochs: found 2.0; give a whole number from 1"),
    ({"epochs": True}, "Stage('s').epochs: found true; give a whole number from 1"),
    ({"learning_rate": 0}, "Stage('s').learning_rate: found 0; give a number above 0"),
    ({"learning_rate": False}, "Stage('s').learning_rate: found false; give a number above 0"),
    ({"learning_rate": float("nan")}, "Stage('s').learning_rate: found nan; give a number above 0"),
    ({"learning_rate": 10**400}, "Stage('s').learning_rate: found 1000"),
    ({"learning_rate": None}, "Stage('s').learning_rate: found nothing; give a number above 0"),
    ({"learning_rate": {}}, "Stage('s').learning_rate: found no keys; give a number above 0, {epoch: rate} steps"),
    ({"learning_rate": {"a": 1}}, "Stage('s').learning_rate: found the keys 'a'; give a number above 0, {epoch"),
    ({"learning_rate": {0: 1, "a": 1}}, "Stage('s').learning_rate: found the keys 0, 'a'; give"),
    ({"learning_rate": {0: 1, True: 1}}, "Stage('s').learning_rate: found the keys 0, True; give"),
    ({"learning_rate": {2: 1}}, "Stage('s').learning_rate: the first step is epoch 2; give a rate for epoch 1, or 0"),
    ({"learning_rate": {0: -1}}, "Stage('s').learning_rate[0]: found -1; give a number above 0"),
    ({"learning_rate": {-1: 1}}, "Stage('s').learning_rate[-1]: the epoch: found -1; give a whole number from 0"),
    ({"learning_rate": {"schedule": "cosin"}}, "Stage('s').learning_rate.schedule: found the text 'cosin'; did you"),
    (
        {"learning_rate": {"schedule": "cosine", "initial": 1, "decay": 2}},
        "Stage('s').learning_rate.decay: unknown key",
    ),
    ({"learning_rate": {"schedule": "cosine"}}, "Stage('s').learning_rate.initial: missing; give a number above 0"),
    ({"learning_rate": {"file": "none.txt"}}, "Stage('s').learning_rate.file: none.txt can't be read (No such file"),
    ({"learning_rate": {"file": "."}}, "Stage('s').learning_rate.file: . can't be read (Is a directory"),
    ({"optimizer": "adm"}, "Stage('s').optimizer.name: found the text 'adm'; did you mean 'adam'?"),
    ({"optimizer": "sgd"}, "Stage('s').optimizer.name: found the text 'sgd'; give adam, adagrad, adadelta, rmsprop or"),
    ({"optimizer": 3}, "Stage('s').optimizer: found 3; give adam, adagrad, adadelta, rmsprop or momentum, or {name: "),
    ({"optimizer": {"epsilon": 0}}, "Stage('s').optimizer.epsilon: found 0; give a number above 0"),
    ({"optimizer": {"rho": 0.9}}, "Stage('s').optimizer.rho: unknown key; the keys here are name, beta_1, beta_2"),
    ({"optimizer": {"constants": "keras"}}, "Stage('s').optimizer.constants: found the text 'keras'; give facenet"),
    ({"batch_norm": "freeze"}, "Stage('s').batch_norm: found the text 'freeze'; did you mean 'frozen'?"),
    ({"keep_probability": 0}, "Stage('s').keep_probability: found 0; give a number above 0, at most 1"),
    ({"weight_decay": "5e-4"}, "Stage('s').weight_decay: found the text '5e-4'; write 5.0e-4"),
    ({"weight_decay": -1}, "Stage('s').weight_decay: found -1; give a number from 0"),
    ({"prelogits_norm": {"p": 0}}, "Stage('s').prelogits_norm.p: found 0; give a number above 0"),
    ({"prelogits_norm": 0.1}, "Stage('s').prelogits_norm: found 0.1; give the keys factor and p"),
    ({"early_stopping": 0}, "Stage('s').early_stopping: found 0; give a whole number of epochs from 1"),
    ({"accept": {"metric": "accuracy", "max_drop": 0}}, "Stage('s').accept.metric: found the text 'accuracy'; did you"),
    ({"accept": {"metric": "lfw_auc"}}, "Stage('s').accept.max_drop: missing; give a number from 0 to 1"),
    ({"accept": {"metric": "lfw_auc", "max_drop": 0, "bound": "low"}}, "Stage('s').accept.bound: found the text 'low'"),
    (
        {"accept": {"metric": "lfw_auc", "max_drop": 0, "since": "start"}},
        "Stage('s').accept.since: found the text 'start'; give previous or baseline",
    ),
    (
        {"accept": {"metric": "lfw_auc", "max_drop": 0, "since": "basline"}},
        "Stage('s').accept.since: found the text 'basline'; did you mean 'baseline'?",
    ),
    ({"accept": {"metric": "lfw_auc", "max_drop": 0, "retries": 2}}, "Stage('s').accept.retries: found it with other"),
    (
        {"accept": {"metric": "lfw_auc", "max_drop": 0, "otherwise": "stop", "rate_factor": 0.5}},
        "Stage('s').accept.rate_factor: found it with otherwise: stop; give otherwise: retry, or drop it",
    ),
    (
        {"accept": {"metric": "lfw_auc", "max_drop": 0, "otherwise": "retry", "rate_factor": 1}},
        "Stage('s').accept.rate_factor: found 1; give a number above 0, below 1",
    ),
    ({"loss": "arc"}, "Stage('s').loss.name: found the text 'arc'; did you mean 'arcface'?"),
    (
        {"loss": "contrastive"},
        "Stage('s').loss.name: found the text 'contrastive'; give softmax, arcface, cosface, ",
    ),
    (
        {"loss": 3},
        "Stage('s').loss: found 3; give softmax, arcface, cosface, combined, curricularface, adaface, sub_arcf",
    ),
    (
        {"loss": {"name": "softmax", "margin": 1}},
        "Stage('s').loss.margin: unknown key; the keys here are name and la",
    ),
    ({"loss": {"label_smoothing": 1}}, "Stage('s').loss.label_smoothing: found 1; give a number from 0, below 1"),
    ({"loss": {"name": "arcface", "margin": 3.2}}, "Stage('s').loss.margin: found 3.2; give radians from 0, below pi"),
    ({"loss": {"name": "cosface", "margin": 2}}, "Stage('s').loss.margin: found 2; give a number from 0, below 2"),
    ({"loss": {"name": "cosface", "scale": 0}}, "Stage('s').loss.scale: found 0; give a number above 0"),
    ({"loss": {"name": "adaface", "t_alpha": 0}}, "Stage('s').loss.t_alpha: found 0; give a number above 0, at most 1"),
    ({"loss": {"name": "adaface", "h": -1}}, "Stage('s').loss.h: found -1; give a number from 0"),
    ({"loss": {"name": "adaface", "margin": 4}}, "Stage('s').loss.margin: found 4; give radians from 0, below pi"),
    ({"loss": "adafaces"}, "Stage('s').loss.name: found the text 'adafaces'; did you mean 'adaface'?"),
    (
        {"loss": {"name": "sub_arcface", "centers": 1}},
        "Stage('s').loss.centers: found 1; give a whole number from 2",
    ),
    (
        {"loss": {"name": "sub_arcface", "k": 3}},
        "Stage('s').loss.k: unknown key; the keys here are name, margin, scale and centers",
    ),
    ({"mining": "hard", "loss": "sub_arcface"}, "Stage('s').mining: only triplets are mined; give loss: triplet, or "),
    (
        {"loss": "triplet"},
        "Stage('s').train_from: a triplet loss trains embeddings and no classifier, and all before L",
    ),
    ({"init": "means"}, "Stage('s').init: found the text 'means'; give prototypes"),
    ({"sampling": "even"}, "Stage('s').sampling: found the text 'even'; give shuffled, balanced or square_root, or {p"),
    ({"sampling": {"people": 1, "images": 5}}, "Stage('s').sampling.people: found 1; give a whole number from 2"),
    ({"sampling": {"people": 4}}, "Stage('s').sampling.images: missing; give a whole number from 2"),
    ({"mining": "hard"}, "Stage('s').mining: only triplets are mined; give loss: triplet, or remove it"),
    ({"mining": "hardest"}, "Stage('s').mining: found the text 'hardest'; did you mean 'hard'?"),
    ({"l2_sp": -1}, "Stage('s').l2_sp: found -1; give a number from 0"),
    ({"distillation": "1"}, "Stage('s').distillation: found the text '1'; give a number from 0"),
    ({"distillation": -1}, "Stage('s').distillation: found -1; give a number from 0"),
    ({"distillation": True}, "Stage('s').distillation: found true; give a number from 0, or keys such as {factor: 20"),
    ({"distillation": {"factor": -1}}, "Stage('s').distillation.factor: found -1; give a number from 0"),
    (
        {"distillation": {"factor": 1, "of": "noisy"}},
        "Stage('s').distillation.of: found the text 'noisy'; give clean, view or same",
    ),
    ({"distillation": {"of": "same"}}, "Stage('s').distillation.factor: missing, or 0; give a number above 0, or drop"),
    ({"distillation": {"relations": 1}}, "Stage('s').distillation.factor: missing, or 0; give a number above 0, or"),
    ({"distillation": {"factor": 1, "relations": "1"}}, "Stage('s').distillation.relations: found the text '1'; give"),
    ({"distillation": {"weight": 2}}, "Stage('s').distillation.weight: unknown key; the keys here are factor, of a"),
    ({"center_loss": {"alfa": 1}}, "Stage('s').center_loss.alfa: found 1; give a number from 0, below 1"),
    ({"center_loss": 0.1}, "Stage('s').center_loss: found 0.1; give the keys factor and alfa"),
    ({"warmup_epochs": -1}, "Stage('s').warmup_epochs: found -1; give a number from 0"),
    ({"layer_decay": 0}, "Stage('s').layer_decay: found 0; give a number above 0, at most 1"),
    ({"clip_norm": 0}, "Stage('s').clip_norm: found 0; give a number above 0"),
    ({"ema": 1}, "Stage('s').ema: found 1; give a number from 0, below 1"),
    ({"accept": {"metric": "lfw_auc", "max_drop": 1.5}}, "Stage('s').accept.max_drop: found 1.5; give a number from"),
]


@pytest.mark.parametrize(("raw", "expected"), BAD_STAGES)
def test_a_bad_value_is_told_in_one_line(raw: dict[str, object], expected: str):
    with pytest.raises(RecipeError) as caught:
        Stage(**{"name": "s", "train_from": "Logits", "epochs": 1} | raw)
    (line,) = map(str, caught.value.problems)
    assert line.startswith(expected)
    assert "\n" not in line


def test_all_problems_come_at_once():
    with pytest.raises(RecipeError) as caught:
        Stage("head", train_from="", epochs=0, optimizer={"epsilon": -1, "rho": 1}, accept={"metric": "x"})
    assert [problem.where for problem in caught.value.problems] == [
        "Stage('head').train_from",
        "Stage('head').epochs",
        "Stage('head').optimizer.rho",
        "Stage('head').optimizer.epsilon",
        "Stage('head').accept.metric",
        "Stage('head').accept.max_drop",
    ]


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: Data(train=""), "Data.train: found the text ''; give a path"),
        (lambda: Data(train="x", validation_split=1), "Data.validation_split: found 1; give a number from 0, below 1"),
        (lambda: LFW("~no-such-user/x", "p"), "LFW.dir: found the text '~no-such-user/x', but no such user has a home"),
        (lambda: Augment(random_rotate=181), "Augment.random_rotate: found 181; give degrees from 0 to 180"),
        (lambda: Augment(random_flip=1), "Augment.random_flip: found 1; give true or false"),
    ],
)
def test_the_other_sections_check_themselves_too(make, expected: str):
    with pytest.raises(RecipeError) as caught:
        make()
    (line,) = map(str, caught.value.problems)
    assert line.startswith(expected)


def test_plain_values_make_a_recipe_and_tell_their_problems():
    recipe = Recipe.from_values({"checkpoint": "m", "output": "o", "data": {"train": "d"}, "seed": 1})
    assert (recipe.seed, recipe.data) == (1, Data(Path("d")))
    with pytest.raises(RecipeError) as caught:
        Recipe.from_values({"checkpoint": "m", "output": "o", "data": {}, "sed": 1})
    assert tuple(map(str, caught.value.problems)) == (
        "Recipe.sed: unknown key; did you mean 'seed'?",
        "Recipe.data.train: missing; give a path",
    )


def test_a_stage_is_made_without_tensorflow():
    code = (
        "import sys; from finetune import Stage; Stage('s', train_from='Logits', epochs=1); print(sorted(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "finetune.recipe" in done.stdout
    assert "tensorflow" not in done.stdout
    assert "numpy" not in done.stdout


TRIPLETS = [
    ({"mining": {"then": "bank"}}, "Stage('s').mining.negatives: missing; give random, semi_hard, hard or bank"),
    ({"mining": "hard"}, "Stage('s').mining: 'hard' negatives are found within a batch; give sampling: {people: 18"),
    ({"init": "prototypes"}, "Stage('s').init: a triplet loss makes the classifier from the people's mean embeddings"),
    ({"sampling": {"people": 4, "images": 2}}, "Stage('s').sampling: random and bank negatives are drawn from the who"),
    ({"sampling": "balanced"}, "Stage('s').sampling: found it beside loss: triplet, where each image is an anchor onc"),
    (
        {"mining": {"negatives": "bank", "candidates": 0}},
        "Stage('s').mining.candidates: found 0; give a whole number f",
    ),
    ({"mining": {"negatives": "bank", "tolerance": 0}}, "Stage('s').mining.tolerance: found 0; give a number above 0"),
]


@pytest.mark.parametrize(("raw", "expected"), TRIPLETS)
def test_what_does_not_go_with_triplets_is_told_in_one_line(raw: dict[str, object], expected: str):
    with pytest.raises(RecipeError) as caught:
        Stage(**{"name": "s", "train_from": "Block8", "epochs": 1, "loss": "triplet"} | raw)
    (line,) = map(str, caught.value.problems)
    assert line.startswith(expected)


WHOLE = {
    "loss": [
        "softmax",
        "arcface",
        "cosface",
        "adaface",
        {"name": "sub_arcface", "centers": 2},
        {"name": "softmax", "label_smoothing": 0.1},
    ],
    "sampling": ["balanced", "square_root", {"people": 4, "images": 3}],
    "init": ["prototypes"],
    "l2_sp": [0.01],
    "distillation": [2.0, {"factor": 2, "of": "same"}, {"factor": 2, "relations": 5}],
    "center_loss": [{"factor": 0.1}],
    "warmup_epochs": [0.5],
    "layer_decay": [0.7],
    "clip_norm": [1.0],
    "ema": [0.99],
    "accept": [{"metric": "strangers_val", "max_drop": 0.1, "bound": "lower", "otherwise": "retry", "retries": 2}],
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in WHOLE.items() for value in values])
def test_what_a_stage_gives_makes_the_same_stage(key: str, value: object):
    stage = Stage("s", "Block8", 3, **{key: value})
    assert stage != Stage("s", "Block8", 3) or value == "softmax"
    assert Stage(**stage.to_value()) == stage


@pytest.mark.parametrize("mining", ["bank", {"negatives": "random", "then": "bank", "candidates": 7}])
def test_a_stage_of_triplets_too(mining: object):
    stage = Stage("s", "Block8", 3, loss={"name": "triplet", "distance": "euclidean"}, mining=mining)
    assert Stage(**stage.to_value()) == stage


def test_the_constants_are_those_of_the_papers():
    arcface, cosface, squared, euclidean = (
        Stage("s", "Block8", 1, loss=loss).loss
        for loss in ("arcface", "cosface", "triplet", {"name": "triplet", "distance": "euclidean"})
    )
    assert (arcface.margin, arcface.scale) == (0.5, 64)
    sub = Stage("s", "Block8", 1, loss="sub_arcface").loss
    assert (sub.margin, sub.scale, sub.centers) == (0.5, 64, 3)
    assert (cosface.margin, cosface.scale) == (0.35, 64)
    assert (squared.gap, euclidean.gap) == (0.2, 1.0)
    assert Stage("s", "Block8", 1).center_loss.alfa == 0.95


@pytest.mark.parametrize(
    ("values", "attempts", "slower"),
    [
        ({"otherwise": "retry"}, 2, 0.1),
        ({"otherwise": "retry", "retries": 3, "rate_factor": 0.5}, 4, 0.5),
        ({"otherwise": "stop"}, 1, 0.1),
        ({}, 1, 0.1),
    ],
)
def test_a_gate_that_retries_does_so_once_at_a_tenth_of_the_rate_where_it_says_no_more(values, attempts, slower):
    accept = Stage("s", "Logits", 1, accept={"metric": "lfw_accuracy", "max_drop": 0.01, **values}).accept
    assert (accept.attempts, accept.slower, accept.bound) == (attempts, slower, "estimate")
