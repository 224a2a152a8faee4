"""Cases are timed in turn, and their medians and ratios are correct."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks.report import Result, Target, write
from benchmarks.timing import alternate, clock, ratio


def test_cases_take_turns_and_each_timing_is_kept() -> None:
    called: list[str] = []

    def case(name: str):
        def run() -> float:
            called.append(name)
            return float(len(called))

        return run

    seconds = alternate({name: case(name) for name in "abc"}, 3, "test")
    assert "".join(called) == "abcabcabc"
    assert seconds == {"a": [1, 4, 7], "b": [2, 5, 8], "c": [3, 6, 9]}


def test_a_ratio_is_the_median_of_each_rounds_own() -> None:
    # 10/5, 30/10, 8/1: a machine three times slower in the second round changes nothing.
    assert ratio([10, 30, 8], [5, 10, 1]) == 3
    assert ratio([1, 3], [1, 1]) == 2
    with pytest.raises(ValueError, match="shorter"):
        ratio([1, 2], [1])


def test_only_the_action_is_clocked(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter((10.0, 12.5))
    monkeypatch.setattr("time.perf_counter", lambda: next(now))
    assert clock(lambda: None) == 2.5


@pytest.mark.parametrize(
    ("figure", "limit", "least", "met"),
    [
        (1.2, 1.2, False, True),
        (1.21, 1.2, False, False),
        (25, 25, True, True),
        (24, 25, True, False),
        (None, 1, 1, None),
        (np.float64(0.5), 1, False, True),  # NumPy's own True could not be written as JSON
    ],
)
def test_a_target_is_met_on_its_side_of_the_limit(figure, limit, least, met) -> None:
    assert Target("figure", figure, limit, least).met is met


def test_the_report_says_figure_target_and_whether_it_is_met(tmp_path) -> None:
    timings = {"ours": [1.0, 3.0, 2.0], "theirs": [4.0, 4.0, 6.0]}
    targets = [Target("theirs / ours", 3.0, 2.5, True), Target("more", 2.0, 1.0), Target("absent", None, 1.0)]
    result = Result("suite", "What was done.", timings, targets=targets, notes=["A note."])
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in result.lines() if line.startswith("|")]
    assert ["ours", "2", "1", "3", "3"] in rows
    assert ["theirs", "4", "4", "6", "3"] in rows
    assert ["theirs / ours", "3 x", "at least 2.5 x", "met"] in rows
    assert ["more", "2 x", "at most 1 x", "NOT met"] in rows
    assert ["absent", "", "at most 1 x", "not measured"] in rows

    machine = {
        "cpu": "a CPU",
        "cores": 2,
        "instruction_sets": {"avx2": True, "amx_bf16": False},
        "memory_gib": 8.0,
        "load_average_at_start": [0.5, 0, 0],
        "date": "today",
        "python": "3.12",
        "packages": {"tensorflow": "2.21.0", "torch": None},
    }
    write(tmp_path, [result], machine, {"rounds": 3})
    stored = json.loads((tmp_path / "benchmarks.json").read_text())
    assert stored["machine"] == machine
    assert stored["suites"][0]["timings"] == timings
    assert [target["met"] for target in stored["suites"][0]["targets"]] == [True, False, None]
    text = (tmp_path / "benchmarks.md").read_text()
    assert "a CPU, 2 cores (avx2)" in text
    assert "torch" not in text
