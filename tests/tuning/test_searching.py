"""A search finds better values, goes on after an end at any moment, and compares its best on images held out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from finetune.errors import UserError
from finetune.recipe.recipe import Recipe

pytestmark = pytest.mark.tf


def files_of(folder):
    """Return the files of a search. The path of the folder stands in a comment and in the recipe."""
    return {path.name: path.read_text().replace(str(folder), "FOLDER") for path in folder.iterdir() if path.is_file()}


def test_a_search_finds_the_good_rate_and_writes_a_recipe_with_it(plan, numbers, capsys):
    from finetune.tuning.searching import search

    plan = plan()
    found = search(plan)
    rates = [trial.values.get("stages.0.learning_rate", 0.2) for trial in found.trials]
    assert len(found.trials) == 8
    assert found.trials[0].values == {}
    assert found.best.values["stages.0.learning_rate"] < 0.2
    assert found.best.score > found.trials[0].score
    assert max(rates) > 0.2, "a rate that is worse than the recipe's was tried too"
    best = Recipe.load(plan.output / "best.yaml")
    assert best == Recipe.load(numbers, dict(found.best.values)) == found.recipe
    header = (plan.output / "best.yaml").read_text().splitlines()
    assert header[0] == f"# finetune run {plan.output / 'best.yaml'}"
    assert header[2].startswith(
        f"# Trial {found.best.number}, the best of 8 trials by accuracy on the validation images"
    )
    assert f"# stages.0.learning_rate={found.best.values['stages.0.learning_rate']} (was 0.2)" in header
    assert "best" in capsys.readouterr().out
    assert not (plan.output / ".lock").exists()


def test_the_search_never_sees_the_images_that_it_is_tested_on(plan, monkeypatch):
    from finetune.runs.rehearsal import Rehearsal
    from finetune.tuning import searching as module

    seen, tested = set(), []
    run, named = Rehearsal.run, Rehearsal.named

    def watched(rehearsal, *arguments):
        seen.update(rehearsal.inputs.train.paths, rehearsal.inputs.validation.paths)
        return run(rehearsal, *arguments)

    def tests(rehearsal, recipe, images):
        tested.append(images.paths)
        return named(rehearsal, recipe, images)

    monkeypatch.setattr(Rehearsal, "run", watched)
    monkeypatch.setattr(Rehearsal, "named", tests)
    found = module.search(plan())
    first, second = tested
    assert first == second
    assert len(first) == 8  # 2 of the 6 images of each of 4 people
    assert seen.isdisjoint(first)
    assert len(seen) == 16
    assert found.contest.best.accuracy >= found.contest.given.accuracy
    stored = json.loads((plan().output / "test.json").read_text())
    assert stored["best"]["accuracy"] == found.contest.best.accuracy


def test_without_images_held_out_nothing_is_compared(plan):
    from finetune.tuning.searching import search

    found = search(plan(held_out=0.0, trials=3))
    assert found.contest is None
    assert not (plan().output / "test.json").exists()


class Stop(Exception):
    pass


@pytest.mark.parametrize("write", range(1, 14, 2))
def test_a_search_that_ends_at_any_write_goes_on_as_if_it_had_not(plan, tmp_path, write):
    from finetune.tuning.searching import search
    from tests.runs.of_numbers import before_each_write

    alone, output = plan(output=tmp_path / "alone", trials=5), plan(output=tmp_path / "stopped", trials=5)
    search(alone)
    renames = 0

    def stop(what):
        nonlocal renames
        if what.startswith("os.rename"):
            renames += 1
            if renames == write:
                raise Stop

    try:
        with before_each_write(stop):
            search(output)
    except Stop:
        assert renames == write
    search(output)
    assert files_of(output.output) == files_of(alone.output)


def test_more_trials_go_on_from_those_that_are_done(plan, tmp_path, capsys):
    from finetune.tuning.searching import search

    search(plan(trials=4))
    capsys.readouterr()
    search(plan(trials=6))
    assert "4 trials of" in capsys.readouterr().out
    search(plan(trials=6, output=tmp_path / "alone"))
    assert files_of(tmp_path / "tuned") == files_of(tmp_path / "alone")


def test_values_that_were_tried_before_are_not_trained_again(plan, monkeypatch):
    from finetune.runs.rehearsal import Rehearsal
    from finetune.tuning.searching import search
    from finetune.tuning.space import Choices

    trained, run = [], Rehearsal.run
    monkeypatch.setattr(Rehearsal, "run", lambda rehearsal, *of: trained.append(0) or run(rehearsal, *of))
    found = search(plan(space={"stages.0.learning_rate": Choices((0.01, 0.02))}, held_out=0.0))
    assert len(found.trials) == 8
    assert len(trained) == 3  # the recipe as given, and two rates


def test_a_trial_that_fails_says_why_and_the_search_goes_on(plan, monkeypatch):
    from finetune.errors import Problem
    from finetune.runs.rehearsal import Rehearsal
    from finetune.training import StageFailed
    from finetune.tuning.searching import search

    run = Rehearsal.run

    def failing(rehearsal, recipe, *of):
        if recipe.stages[0].learning_rate.value > 0.3:
            raise StageFailed(Problem("stage 'head'", "the loss became nan"))
        return run(rehearsal, recipe, *of)

    monkeypatch.setattr(Rehearsal, "run", failing)
    found = search(plan(trials=12))
    failed = [trial for trial in found.trials if trial.state == "failed"]
    assert failed
    assert {trial.reason for trial in failed} == {"stage 'head': the loss became nan"}
    assert found.best.state == "finished"


def test_the_weights_of_one_trial_do_not_reach_the_next(plan):
    from finetune.runs.opening import Inputs
    from finetune.tuning.searching import search

    model = Inputs.open(plan().load({})).model
    before = model.tensors()
    search(plan(trials=2))
    after = model.tensors()
    assert all((after[name] == before[name]).all() for name in before)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"held_out": 0.3}, "the search there began with another share held out; choose another --output"),
        ({"space": {}}, "the search there began with other ranges;"),
    ],
)
def test_a_folder_with_another_search_is_refused(plan, changes, line):
    from finetune.tuning.searching import search

    search(plan(trials=1))
    before = files_of(plan().output)
    with pytest.raises(UserError, match=line):
        search(plan(**changes))
    assert files_of(plan().output) == before


def test_a_folder_with_something_else_is_refused(plan):
    from finetune.tuning.searching import search

    plan().output.mkdir()
    (plan().output / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="the folder holds something other than a search; choose another --output"):
        search(plan())
    assert [path.name for path in plan().output.iterdir()] == ["notes.txt"]


def test_a_recipe_that_holds_nothing_back_is_refused(plan, numbers):
    from finetune.tuning.searching import search

    load = plan().load
    with pytest.raises(UserError, match=r"no validation images judge the trials; give data\.validation_split=0\.2"):
        search(plan(load=lambda values: load({"data.validation_split": 0, **values})))
    assert not plan().output.exists()


def test_without_optuna_one_line_says_what_to_install(plan, monkeypatch):
    from finetune.tuning import begun
    from finetune.tuning.searching import search

    find = begun.importlib.util.find_spec
    monkeypatch.setattr(begun.importlib.util, "find_spec", lambda name: None if name == "optuna" else find(name))
    with pytest.raises(UserError) as caught:
        search(plan())
    assert str(caught.value) == "tune: optuna is not installed; pip install 'facenet-finetune[tune]'"
    assert not Path(plan().output).exists()


@pytest.mark.parametrize("gated", [False, True])
def test_pairs_are_measured_only_where_a_gate_judges_by_them(plan, faces, monkeypatch, capsys, gated):
    from finetune.runs.rehearsal import Rehearsal
    from finetune.tuning.searching import search

    inputs, run = [], Rehearsal.run
    monkeypatch.setattr(Rehearsal, "run", lambda of, *given: inputs.append(of.inputs) or run(of, *given))
    load, lfw = plan().load, {"dir": faces / "strangers", "pairs": faces / "pairs.txt"}
    gate = {"stages.0.accept": {"metric": "lfw_accuracy", "max_drop": 1}} if gated else {}
    found = search(plan(load=lambda values: load({"lfw": lfw, **gate, **values}), trials=3, held_out=0.0))
    assert [(bool(of.sets), of.strangers is not None) for of in inputs] == [(gated, gated)] * 3
    judged = "lfw_accuracy after the last stage, as in its accept section" if gated else "accuracy on the validation"
    assert f"3 trials over 1 setting, judged by: {judged}" in capsys.readouterr().out
    # The accuracy on 40 pairs is a multiple of 1/40, and on 12 validation images of 1/12.
    shares = {trial.score * (40 if gated else 12) for trial in found.trials}
    assert all(share == pytest.approx(round(share)) for share in shares)


def test_the_course_of_a_trial_has_every_epoch_of_first_attempts_and_the_end_of_every_stage_but_the_last(
    plan, faces, capsys
):
    from finetune.tuning.searching import STEP_OF_STAGE, search

    load, lfw = plan().load, {"dir": faces / "strangers", "pairs": faces / "pairs.txt"}
    gate = {"metric": "lfw_accuracy", "max_drop": 0, "otherwise": "retry"}
    stages = [
        {"name": "head", "train_from": "Logits", "epochs": 2, "learning_rate": 0.01},
        {"name": "too much", "train_from": "Bottleneck", "epochs": 1, "learning_rate": 50.0, "accept": gate},
        {"name": "last", "train_from": "Bottleneck", "epochs": 3},
    ]
    found = search(plan(load=lambda values: load({"lfw": lfw, "stages": stages, **values}), trials=1, held_out=0.0))
    second, third = STEP_OF_STAGE, 2 * STEP_OF_STAGE
    assert list(found.trials[0].course) == [1, 2, second, second + 1, third, third + 1, third + 2, third + 3]
    of_row = 2 / 12  # each of two batches of 12 images tells of one that is correct
    assert found.trials[0].course[1] == pytest.approx(of_row)
    assert "trying again" in capsys.readouterr().out
