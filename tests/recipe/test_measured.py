"""Sets of pairs beside LFW's: in a recipe, and in a file of their own."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from finetune.errors import RecipeError
from finetune.recipe import MeasuredSet, Recipe, load_sets
from finetune.recipe.measured import OPTIONS, RESERVED
from finetune.verification.protocols import PROTOCOLS, all_options
from tests.recipe.conftest import GOOD, load, problems

SETS = """\
measure:
  - {name: novel, images: faces, pairs: novel.txt, distance: cosine, subtract_mean: true, flip: true}
  - {name: far_2, images: ~/other, pairs: far.txt, protocol: fixed_far, far: 0.01, missing: skip, sample: 0.5}
"""
TWO = "measure:\n  - {{name: a, images: x, pairs: y{0}}}\n  - {{name: b, images: x, pairs: y{1}}}\n"


def test_a_recipe_lists_sets_beside_lfw():
    recipe = load(GOOD + SETS)
    assert list(recipe.sets) == ["lfw", "novel", "far_2"]
    novel, far = recipe.measure
    assert (novel.protocol, novel.options, novel.dir, novel.sample) == ("k_fold", {}, Path("faces"), None)
    assert (far.protocol, far.options, far.images) == ("fixed_far", {"far": 0.01}, Path("~/other").expanduser())
    assert (novel.flip, novel.subtract_mean, far.missing, far.sample) == (True, True, "skip", 0.5)
    Path("again.yaml").write_text(recipe.to_yaml())
    assert Recipe.load("again.yaml") == recipe


def test_a_recipe_without_sets_is_written_as_before():
    recipe = load(GOOD)
    assert (recipe.measure, list(recipe.sets)) == (None, ["lfw"])
    assert "measure" not in recipe.to_yaml()
    accepting = load(GOOD + "    accept: {metric: lfw_val, max_drop: 0}\n")
    assert "worst" not in accepting.to_yaml()


def test_the_section_knows_every_protocol_and_every_option():
    fields = MeasuredSet.model_fields
    assert set(get_args(fields["protocol"].annotation)) == set(PROTOCOLS)
    assert set(all_options()) <= fields.keys()
    for name, option in all_options().items():
        having = tuple(p.name for p in PROTOCOLS.values() if option in p.options)
        assert OPTIONS[name] == having


@pytest.mark.parametrize("name", RESERVED)
def test_a_reserved_name_is_refused(name):
    assert problems(GOOD + SETS.replace("far_2", name)) == (
        f"x.yaml:14 measure[1].name: found {name!r}, which has a key of its own; give the set another name",
    )


@pytest.mark.parametrize(
    ("first", "second", "lines"),
    [
        (", far: 0.1", "", ["[0].far: not an option of k_fold; fixed_far has it; drop it, or set protocol: fixed_far"]),
        (
            "",
            ", protocol: fixed_far, subtract_mean: true",
            ["[1].subtract_mean: not an option of fixed_far; k_fold has it; drop it, or set protocol: k_fold"],
        ),
        (", protocol: ten", ", far: 2", ["[0].protocol: found the text 'ten'; give k_fold or fixed_far",
                                         "[1].far: found 2; give a rate above 0, below 1"]),
        (", name: Novel", "", ["[0].name: written twice, first on line 13; remove one",
                               "[0].name: found the text 'Novel'; give 1 to 64 of the characters a-z, 0-9, '_' "
                               "and '-'"]),
        (", dir: x", ", sample: 1", ["[0].dir: unknown key; the keys here are name, pairs, images, groups, protocol, "
                                     "far, distance, subtract_mean, flip, missing and sample",
                                     "[1].sample: found 1; give a share of the pairs above 0, below 1"]),
        (", missing: no", ", flip: 1", ["[0].missing: found false; give error or skip",
                                        "[1].flip: found 1; give true or false"]),
        (", distance: cosin", "", ["[0].distance: found the text 'cosin'; did you mean 'cosine'?"]),
    ],
)  # fmt: skip
def test_every_problem_of_every_set_is_told_with_its_line(first, second, lines):
    found = problems(GOOD + TWO.format(first, second))
    assert found == tuple(f"x.yaml:{13 if line.startswith('[0]') else 14} measure{line}" for line in lines)


def test_names_are_given_once_and_nothing_may_be_missing():
    text = "measure:\n  - {name: a, images: x, pairs: y}\n  - {name: a, images: z, pairs: y}\n  - {name: b}\n"
    assert problems(GOOD + text) == (
        "x.yaml:14 measure[1].name: found 'a', as in [0]; give each set its own name",
        "x.yaml:15 measure[2].pairs: missing; give a path",
    )
    for empty in ("[]", "novel", "{name: a}"):
        assert problems(GOOD + f"measure: {empty}\n")[0].endswith("; give a list of one set or more")


@pytest.mark.parametrize(
    ("accept", "line"),
    [
        ("{metric: novel.accuracy, max_drop: 0.1}", ""),
        ("{metric: lfw.val, max_drop: 0.1}", ""),
        ("{worst: auc, max_drop: 0.1, bound: lower}", ""),
        (
            "{metric: nowel.accuracy, max_drop: 0.1}",
            ": there is no set 'nowel' to judge by; the sets are lfw, novel and far_2, "
            "or remove it (stages.1.accept=null)",
        ),
        ("{metric: novel.eer, max_drop: 0.1}", ".metric: found the text 'novel.eer'; give lfw_accuracy, lfw_val, "),
        ("{metric: novel.val, worst: val, max_drop: 0.1}", ".worst: found it beside metric; give one of the two"),
        ("{worst: eer, max_drop: 0.1}", ".worst: found the text 'eer'; give accuracy, val or auc"),
        ("{max_drop: 0.1}", ".metric: missing; give lfw_accuracy, lfw_val, "),
    ],
)
def test_a_gate_names_a_set_or_takes_the_worst(accept, line):
    text = GOOD + f"    accept: {accept}\n" + SETS
    if line:
        (found,) = problems(text)
        assert found.startswith(f"x.yaml:11 stages[1].accept{line}") or found.startswith(
            f"x.yaml:12 stages[1].accept{line}"
        )
    else:
        accepting = load(text).stages[1].accept
        assert accepting.figure in ("accuracy", "val", "auc")
        assert accepting.pairs in ("", "novel", "lfw")


def test_without_any_pairs_there_is_no_worst():
    text = GOOD.replace("lfw: {dir: lfw, pairs: pairs.txt}\n", "") + "    accept: {worst: val, max_drop: 0}\n"
    (line,) = problems(text)
    assert "there are no pairs to judge by; give lfw or measure, or remove it (stages.1.accept=null)" in line
    assert load(text + SETS).stages[1].accept.worst == "val"


def test_a_gate_whose_set_could_not_be_read_is_no_second_problem():
    text = GOOD + "    accept: {metric: novel.val, max_drop: 0}\n" + SETS.replace("name: novel", "name: NOVEL")
    assert len(problems(text)) == 1


def test_the_worst_metric_needs_no_underscore_in_a_name_to_be_read():
    text = GOOD + "    accept: {metric: far_2.auc, max_drop: 0}\n" + SETS
    accepting = load(text).stages[1].accept
    assert (accepting.pairs, accepting.figure) == ("far_2", "auc")


@pytest.mark.parametrize("text", [SETS, GOOD + SETS, SETS.partition("\n")[2]], ids=["measure", "a recipe", "a list"])
def test_a_file_of_its_own_lists_sets(text):
    Path("sets.yaml").write_text(text)
    assert load_sets("sets.yaml") == load(GOOD + SETS).measure


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", ["sets.yaml: the file is empty; give a list of sets"]),
        ("novel", ["sets.yaml: found the text 'novel'; give a list of sets, or measure: with a list"]),
        ("output: x\n", ["sets.yaml:1: found no measure; give a list of one set or more"]),
        ("[]", ["sets.yaml:1: found a list; give a list of one set or more"]),
        (
            "- {name: a, images: x, pairs: y, far: 0.1}\n- {name: lfw, images: x, pairs: y}\n- {name: a}\n",
            [
                "sets.yaml:1 [0].far: not an option of k_fold; fixed_far has it; drop it, or set protocol: fixed_far",
                "sets.yaml:2 [1].name: found 'lfw', which has a key of its own; give the set another name",
                "sets.yaml:3 [2].pairs: missing; give a path",
                "sets.yaml:3 [2].name: found 'a', as in [0]; give each set its own name",
            ],
        ),
        ("measure:\n- {name: a, images: 3, pairs: y}\n", ["sets.yaml:2 measure[0].images: found 3; put quotes around "
                                                         "what is meant as text"]),
        ("measure: [\n", ["sets.yaml:2: not YAML: "]),
    ],
)  # fmt: skip
def test_every_problem_of_such_a_file_is_told(text, lines):
    Path("sets.yaml").write_text(text)
    with pytest.raises(RecipeError) as caught:
        load_sets("sets.yaml")
    found = list(map(str, caught.value.problems))
    assert len(found) == len(lines)
    assert all(told.startswith(line) for told, line in zip(found, lines, strict=True)), found


def test_a_missing_file_is_told():
    with pytest.raises(RecipeError, match=r"none\.yaml: no such file"):
        load_sets("none.yaml")


def test_images_may_be_missing_where_the_file_holds_them():
    (held,) = load(GOOD + "measure:\n  - {name: a, pairs: x/agedb_30.bin}\n").measure
    assert held.dir == held.pairs == Path("x/agedb_30.bin")
    assert problems(GOOD + "measure:\n  - {name: a, pairs: x/pairs.txt}\n") == (
        "x.yaml:13 measure[0].images: missing; give a path",
    )
