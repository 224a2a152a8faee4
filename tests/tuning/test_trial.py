"""Trials are kept in a journal that is read back as it was written, and in a table."""

from __future__ import annotations

import csv
import json

import pytest

from finetune.errors import DataError
from finetune.tuning.trial import JOURNAL, TABLE, Trial, best_of, read_trials, write_trials

TRIALS = [
    Trial(0, {}, "finished", 0.1 + 0.2, {1: 1 / 3}),
    Trial(1, {"rate": 0.0123, "loss": {"name": "arcface"}}, "pruned", None, {1: 0.2, 1_000_001: 0.25}),
    Trial(2, {"rate": 1e-07, "loss": "=1+1"}, "failed", reason="the loss became nan"),
]


def test_the_journal_is_read_as_it_was_written(tmp_path):
    write_trials(tmp_path, TRIALS, ["rate", "loss"])
    assert read_trials(tmp_path) == TRIALS


def test_the_table_has_a_column_per_key_and_no_formula(tmp_path):
    write_trials(tmp_path, TRIALS, ["rate", "loss"])
    rows = list(csv.reader((tmp_path / TABLE).read_text().splitlines()))
    assert rows == [
        ["trial", "state", "score", "rate", "loss", "reason"],
        ["0", "finished", "0.30000000000000004", "", "", ""],
        ["1", "pruned", "", "0.0123", '{"name": "arcface"}', ""],
        ["2", "failed", "", "1e-07", "'=1+1", "the loss became nan"],
    ]


def test_without_a_journal_there_are_no_trials(tmp_path):
    assert read_trials(tmp_path) == []


@pytest.mark.parametrize("damage", ["", "{}", "[1]", '[{"number": 1}]', None])
def test_a_damaged_journal_is_one_line(tmp_path, damage):
    write_trials(tmp_path, TRIALS, [])
    journal = tmp_path / JOURNAL
    journal.write_text(json.dumps(json.loads(journal.read_text())[1:]) if damage is None else damage)
    with pytest.raises(DataError) as caught:
        read_trials(tmp_path)
    (problem,) = caught.value.problems
    assert "remove the folder to search again, or give another --output" in str(problem)


def test_the_best_is_the_highest_score_and_the_earliest_of_equal_ones():
    scores = [0.5, None, 0.7, 0.7, 0.6]
    trials = [
        Trial(number, {}, "failed" if score is None else "finished", score) for number, score in enumerate(scores)
    ]
    assert best_of(trials) is trials[2]
    assert best_of(trials[1:2]) is None
