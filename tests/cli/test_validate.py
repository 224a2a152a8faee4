"""`finetune validate` takes its protocols, and their options, from the registry."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from finetune.verification import VerificationResult
from finetune.verification.protocols import K_FOLD, PROTOCOLS, Option, VerificationProtocol

pytestmark = pytest.mark.tf
LFW = ("--lfw", "faces/strangers", "--pairs", "faces/pairs.txt")


def positive(text: str) -> int:
    if int(text) < 1:
        raise ValueError
    return int(text)


@pytest.fixture
def halved(monkeypatch) -> None:
    """Register a protocol that needs no cli code: k_fold, with its accuracy divided by `--part-size`."""

    def evaluate(*arguments, part_size=2, **settings) -> VerificationResult:
        result = K_FOLD.evaluate(*arguments, **settings)
        return dataclasses.replace(result, accuracy=result.accuracy / part_size, protocol={"name": "halved"})

    def needs(*arguments, part_size=2, **settings):
        return K_FOLD.needs(*arguments, **settings)

    size = Option("part_size", "SIZE", positive, "a whole number from 1", "of the parts")
    monkeypatch.setitem(PROTOCOLS, "halved", VerificationProtocol("halved", "halves all", evaluate, needs, (size,)))


def test_a_protocol_of_the_registry_can_be_chosen_with_its_options(halved, finetune, work: Path):
    plain = finetune("validate", "model", *LFW, "--json", "plain.json")
    assert finetune("validate", "model", *LFW, "--protocol", "k_fold") == plain
    ended = finetune("validate", "model", *LFW, "--protocol", "halved", "--part-size", "4", "--json", "halved.json")
    assert (ended.status, ended.out[1:], ended.err) == (0, plain.out[1:], plain.err)
    before, after = (json.loads((work / name).read_text()) for name in ("plain.json", "halved.json"))
    accuracy = before["accuracy"] / 4
    assert after == before | {"accuracy": accuracy, "protocol": {"name": "halved"}}
    assert ended.out[0].startswith(f"Accuracy: {accuracy:.5f}+-")


def test_a_fixed_false_accept_rate_is_measured_over_all_pairs(finetune, work: Path):
    ended = finetune("validate", "model", *LFW, "--protocol", "fixed_far", "--far", "0.1", "--json", "lfw.json")
    told = VerificationResult.from_json(json.loads((work / "lfw.json").read_text()))
    assert (ended.status, ended.out) == (0, told.lines())
    of_two = np.sort(told.distances[~told.is_same])  # 20 pairs, a tenth of which are two
    assert (len(of_two), told.far_target) == (20, 0.1)
    assert told.val == np.mean(told.distances[told.is_same] < of_two[2])
    assert told.far == np.mean(of_two < of_two[2])
    assert ended.err == list(told.notes)
    assert told.protocol["name"] == "fixed_far"


def test_the_help_names_every_protocol_and_option(halved, finetune):
    text = " ".join(finetune("validate", "--help").out)
    assert all(f"{name}: " in text for name in PROTOCOLS)
    assert "--part-size SIZE of the parts" in " ".join(text.split())


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (
            "--protocol ten",
            "argument --protocol: invalid choice: 'ten' (choose from ...); see finetune validate --help",
        ),
        (
            "--protocol halved --part-size 0",
            "argument --part-size: found '0'; give a whole number from 1; see finetune validate --help",
        ),
        (
            "--protocol fixed_far --far 1",
            "argument --far: found '1'; give a rate above 0 and below 1; see finetune validate --help",
        ),
        ("--far 0.01", "far: not an option of k_fold; fixed_far has it"),
        (
            "--protocol fixed_far",
            "faces/pairs.txt: 20 pairs of two people can't tell a false accept rate of 0.001; "
            "give a rate of at least 1 in 20, or more pairs",
        ),
        (
            "--protocol fixed_far --far 0.1 --subtract-mean",
            "subtract_mean: fixed_far has no other folds to take the mean from; leave it out",
        ),
        ("--part-size 3", "part_size: not an option of k_fold; halved has it"),
        (
            "--protocol halved --pairs bad/few.txt",
            "bad/few.txt: 20 pairs of one person and 4 of two can be used, and ... folds need ...",
        ),
    ],
)
def test_a_protocol_or_an_option_that_can_not_be_used_is_refused_in_one_line(halved, options, line, refused):
    refused(f"validate model {' '.join(LFW)} {options} --json out.json", line)


SETS = """\
measure:
  - {name: novel, images: faces/strangers, pairs: faces/pairs.txt, distance: cosine, subtract_mean: true, flip: true}
  - {name: far, images: faces/strangers, pairs: faces/pairs.txt, protocol: fixed_far, far: 0.1}
  - {name: tenth, images: faces/strangers, pairs: faces/pairs.txt, sample: 0.5}
"""
ALONE = {
    "novel": ("--distance", "cosine", "--subtract-mean", "--flip"),
    "far": ("--protocol", "fixed_far", "--far", "0.1"),
}


def test_a_file_of_sets_gives_the_figures_of_each_set_alone(finetune, work: Path):
    (work / "sets.yaml").write_text(SETS)
    ended = finetune("validate", "model", "--measure", "sets.yaml", "--json", "all.json")
    assert ended.status == 0
    told = json.loads((work / "all.json").read_text())
    assert list(told["sets"]) == ["novel", "far", "tenth"]
    for place, (name, options) in enumerate(ALONE.items()):
        alone = finetune("validate", "model", *LFW, *options, "--json", f"{name}.json")
        stored = json.loads((work / f"{name}.json").read_text())
        of_set = told["sets"][name]
        assert ended.out[5 * place : 5 * place + 5] == [f"{name}:", *alone.out]
        for key in ("accuracy", "val", "far", "auc", "eer", "protocol", "pairs_sha256", "lfw", "pairs", "images"):
            assert of_set[key] == stored[key]
        np.testing.assert_allclose(of_set["distances"], stored["distances"], rtol=0, atol=1e-5)
    assert told["sets"]["tenth"]["sample_of"] == 40
    assert told["checkpoint"] == stored["checkpoint"]
    table = [line.split() for line in ended.out[15:]]
    assert ["novel", "k_fold", "40"] in [line[:3] for line in table]
    assert ["far", "fixed_far", "40"] in [line[:3] for line in table]
    assert any(line.startswith("tenth: a sample of 20 of 40 pairs") for line in ended.err)


def test_several_pairs_files_share_a_folder_and_are_named_by_their_stems(finetune, work: Path):
    lines = (work / "faces/pairs.txt").read_text().splitlines()
    (work / "fewer.txt").write_text("".join(f"{line}\n" for line in ("1\t10", *lines[1:21])))
    options = ("--lfw", "faces/strangers", "--pairs", "faces/pairs.txt", "--pairs", "fewer.txt")
    ended = finetune("validate", "model", *options, "--json", "all.json")
    assert (ended.status, ended.out[0], ended.out[5]) == (0, "pairs:", "fewer:")
    alone = finetune("validate", "model", *LFW)
    assert ended.out[1:5] == alone.out
    assert list(json.loads((work / "all.json").read_text())["sets"]) == ["pairs", "fewer"]


def test_one_set_of_a_file_has_its_name_and_no_table(finetune, work: Path):
    (work / "sets.yaml").write_text("".join(SETS.splitlines(keepends=True)[1:2]))
    ended = finetune("validate", "model", "--measure", "sets.yaml")
    assert (ended.status, ended.out[0], len(ended.out)) == (0, "novel:", 5)


def test_images_that_sets_share_are_embedded_once(finetune, work: Path, monkeypatch):
    from finetune.model import Model

    seen: Counter = Counter()
    embed = Model.embed

    def counting(self, paths, **options):
        seen.update(paths)
        return embed(self, paths, **options)

    monkeypatch.setattr(Model, "embed", counting)
    (work / "sets.yaml").write_text(SETS)
    assert finetune("validate", "model", "--measure", "sets.yaml").status == 0
    assert set(seen.values()) == {1}


@pytest.mark.parametrize(
    ("command", "lines"),
    [
        ("", ["--lfw: not given; give --lfw and --pairs, or --measure", "--pairs: not given; give --lfw and --pairs, "
              "or --measure"]),
        ("--pairs faces/pairs.txt", ["--lfw: not given; give --lfw and --pairs, or --measure"]),
        (
            "--measure sets.yaml --lfw x --flip --far 0.1",
            [f"{flag}: found it beside --measure; write it in that file" for flag in ("--lfw", "--flip", "--far")],
        ),
        ("--measure none.yaml", ["none.yaml: no such file; give a recipe, such as recipes/small.yaml"]),
        ("--measure recipe.yaml", ["recipe.yaml:1: found no measure; give a list of one set or more"]),
        (
            "--lfw faces/strangers --pairs faces/pairs.txt --pairs other/pairs.txt",
            ["--pairs pairs: two files of this name; rename one, or give --measure, where each set has a name"],
        ),
        (
            "--lfw bad/none --pairs faces/pairs.txt --pairs bad/few.txt",
            ["bad/none: found no folder; give the one that holds LFW's aligned faces, a folder for each person"],
        ),
        (
            "--measure bad/sets.yaml",
            [
                "measure.a: bad/lfw_missing: missing 2 of the 24 images in the pairs: ...",
                "measure.b: bad/empty.txt: found no pairs; give a pairs file in LFW's form",
                "measure.c: faces/pairs.txt: 20 pairs of two people can't tell a false accept rate of 0.001; ...",
            ],
        ),
    ],
)  # fmt: skip
def test_sets_that_can_not_be_used_are_refused(refused, work: Path, bad_files: Path, command: str, lines: list[str]):
    (bad_files / "sets.yaml").write_text(
        "- {name: a, images: bad/lfw_missing, pairs: faces/pairs.txt}\n"
        "- {name: b, images: faces/strangers, pairs: bad/empty.txt}\n"
        "- {name: c, images: faces/strangers, pairs: faces/pairs.txt, protocol: fixed_far}\n"
    )
    refused(f"validate model {command}", *lines)
