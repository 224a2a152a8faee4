"""`finetune validate --perturb` prints a table per perturbation and draws their curves."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finetune.images import PERTURBATIONS

pytestmark = pytest.mark.tf
LFW = ("--lfw", "faces/strangers", "--pairs", "faces/pairs.txt")


def test_perturbations_are_measured_below_the_plain_figures_and_drawn(finetune, work: Path):
    plain = finetune("validate", "model", *LFW, "--json", "plain.json")
    files = ("--json", "lfw.json", "--picture", "curves.png")
    ended = finetune("validate", "model", *LFW, "--perturb", "mask,brightness", *files)
    assert (ended.status, ended.err) == (0, plain.err)
    assert ended.out[: len(plain.out)] == plain.out
    assert ended.out[-1] == "curves.png: curves of mask, brightness"
    before, after = (json.loads((work / name).read_text()) for name in ("plain.json", "lfw.json"))
    robustness = after.pop("robustness")
    assert after == before
    assert list(robustness) == ["mask", "brightness"]
    for name, curve in robustness.items():
        assert [level["level"] for level in curve["levels"]] == list(PERTURBATIONS[name].levels)
        for level in curve["levels"]:
            row = f"{level['difference']:+.4f} ({level['low']:+.4f} to {level['high']:+.4f})"
            assert any(line.split()[:1] == [f"{level['level']:g}"] and row in line for line in ended.out)
    with Image.open(work / "curves.png") as picture:
        assert len(np.unique(np.asarray(picture.convert("L")))) > 10


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        ("--perturb blur,tilt", [f"--perturb: found 'tilt'; choose among {', '.join(PERTURBATIONS)}, or all"]),
        ("--picture a.png", ["--picture: given without --perturb; give both, or neither"]),
        ("--perturb --picture a.jpg", ["--picture: found 'a.jpg'; give a file name that ends in .png"]),
        ("--perturb --pairs faces/pairs_again.txt", ["--perturb: found 2 sets of pairs; give one set"]),
        ("--groups none.csv", ["none.csv: can't be read ...; give a CSV file with the header identity,GROUP"]),
    ],
)
def test_what_can_not_be_perturbed_is_refused_in_one_line(options, lines, refused, work: Path):
    if "again" in options:
        (work / "pairs_again.txt").write_text((work / "faces/pairs.txt").read_text())
        options = options.replace("faces/", "")
    refused(f"validate model {' '.join(LFW)} {options} --json out.json", *lines)
