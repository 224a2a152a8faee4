"""`finetune validate --groups` prints the rates of each group below the four lines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from finetune.verification import VerificationResult

pytestmark = pytest.mark.tf
LFW = ("--lfw", "faces/strangers", "--pairs", "faces/pairs.txt")


def write_groups(work: Path, people: int = 6) -> None:
    names = sorted(folder.name for folder in (work / "faces/strangers").iterdir())[:people]
    lines = [f"{name},{'dark' if number % 2 else 'light'}" for number, name in enumerate(names)]
    (work / "groups.csv").write_text("\n".join(["identity,skin", *lines]) + "\n")


def test_groups_of_too_few_pairs_are_said_with_their_numbers(finetune, work: Path):
    write_groups(work)
    plain = finetune("validate", "model", *LFW)
    ended = finetune("validate", "model", *LFW, "--groups", "groups.csv", "--json", "lfw.json")
    assert (ended.status, ended.err) == (0, plain.err)
    assert ended.out[: len(plain.out)] == plain.out
    lines = [line.split() for line in ended.out[len(plain.out) :] if "too few pairs" in line]
    assert {line[0] for line in lines} == {"dark", "light"}
    (column,) = json.loads((work / "lfw.json").read_text())["group_rates"]
    for group in column["groups"]:
        assert group["fnmr"]["rate"] is None
        assert any(str(group["fnmr"]["pairs"]) in line for line in lines if line[0] == group["group"])
    assert sum(group["fnmr"]["pairs"] for group in column["groups"]) == 20  # all pairs of one person
    told = VerificationResult.from_json(json.loads((work / "lfw.json").read_text()))
    assert told.lines() == plain.out[:4]


@pytest.mark.usefixtures("enough_pairs")
def test_the_table_has_the_rates_that_the_library_computes(finetune, work: Path):
    write_groups(work)
    ended = finetune("validate", "model", *LFW, "--groups", "groups.csv", "--json", "lfw.json")
    (column,) = json.loads((work / "lfw.json").read_text())["group_rates"]
    for group in column["groups"]:
        (row,) = [line for line in ended.out if line.split()[:1] == [group["group"]] and " and " not in line]
        for rate in ("fnmr", "fmr", "accuracy"):
            found = group[rate]
            assert f"{found['rate']:.4f} ({found['low']:.4f} to {found['high']:.4f})" in row
    assert any(line.startswith("false match rate (FMR), worst over best: ") for line in ended.out)


@pytest.fixture
def enough_pairs(monkeypatch) -> None:
    """Let a rate take a single pair."""
    from finetune.verification import shares

    monkeypatch.setattr(shares, "LEAST_PAIRS", 1)
    monkeypatch.setattr(shares, "LEAST_PEOPLE", 1.5)


def test_a_file_that_lacks_people_is_refused_before_anything_is_computed(work: Path, refused):
    write_groups(work, people=4)
    refused(
        f"validate model {' '.join(LFW)} --groups groups.csv --json out.json",
        "groups.csv: lacks 2 of the 6 identities in the pairs: ...; add them, with an empty field where a group is not "
        "known",
    )
