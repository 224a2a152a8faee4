"""`finetune validate` takes its protocols, and their options, from the registry."""

from __future__ import annotations

import dataclasses
import json
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
