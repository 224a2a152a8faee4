"""`finetune validate --discard` prints the error-versus-discard characteristic."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from finetune.verification.pair_drawing import write_all_pairs

pytestmark = pytest.mark.tf
LFW = ("--lfw", "faces/strangers", "--pairs")


def test_the_rates_stand_below_the_plain_figures_and_in_the_json(finetune, work: Path):
    write_all_pairs(work / "all.txt", work / "faces" / "strangers")
    measured = (*LFW, "all.txt", "--protocol", "fixed_far", "--far", "0.1")
    plain = finetune("validate", "model", *measured, "--json", "plain.json")
    ended = finetune("validate", "model", *measured, "--discard", "--json", "lfw.json")
    assert (ended.status, ended.err) == (0, plain.err)
    assert ended.out[: len(plain.out)] == plain.out
    before, after = (json.loads((work / name).read_text()) for name in ("plain.json", "lfw.json"))
    curve = after.pop("discard")
    assert after == before
    assert [point["share"] for point in curve["points"]] == [0, 0.05, 0.1, 0.2, 0.3]
    assert [point["n_pairs"] for point in curve["points"]] == [276, 263, 249, 221, 194]
    for point in curve["points"]:
        cells = f"{point['n_pairs']} {point['score']:.3f} {point['fnmr']:.4f}"
        assert any(" ".join(line.split()[1:]).startswith(cells) for line in ended.out)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (
            "faces/pairs.txt --discard",
            "--discard: found 20 pairs of one person and 20 of two people; "
            "an FMR of 0.01 takes 99 pairs of two people, and one of one",
        ),
        (
            "faces/pairs.txt --pairs again.txt --discard 10",
            "--discard: found 2 sets of pairs; give one set",
        ),
        *(
            (
                f"faces/pairs.txt --discard {text}",
                f"argument --discard: found '{text}'; give percents from 0 to below 100, separated by commas, such as "
                "5,10,20,30; see finetune validate --help",
            )
            for text in ("100", "ten", "5,,10", "nan", "-1")
        ),
    ],
)
def test_what_can_not_be_discarded_is_refused_in_one_line(options: str, line: str, refused, work: Path):
    (work / "again.txt").write_text((work / "faces/pairs.txt").read_text())
    refused(f"validate model {' '.join(LFW)} {options} --json out.json", line)
