"""The history as CSV: exact, and readable from older files."""

from __future__ import annotations

import pytest

from finetune.training.history import FIELDS, EpochRow, from_csv, to_csv

pytestmark = pytest.mark.tf


def test_history_reads_back_exactly():
    rows = [
        EpochRow(stage="a, b", attempt=1, epoch=1, learning_rate=0.1, loss=1 / 3, accuracy=0.5, seconds=3.25),
        EpochRow(stage="c", attempt=2, epoch=2, learning_rate=1e-05, loss=0.2, strangers_low=-0.01, drawn_std=0.0),
    ]
    assert from_csv(to_csv(rows)) == rows
    assert to_csv(rows).splitlines()[0] == ",".join(FIELDS)


def test_a_history_of_before_there_were_attempts_is_read_and_unknown_columns_are_passed_over():
    text = "stage,epoch,learning_rate,loss,cross_entropy,mood,seconds\nhead,3,0.1,0.5,0.4,good,2.0\n"
    expected = EpochRow(stage="head", attempt=1, epoch=3, learning_rate=0.1, loss=0.5, cross_entropy=0.4, seconds=2.0)
    assert from_csv(text) == [expected]


def test_lines_end_as_on_unix_and_each_figure_stands_under_its_name():
    values = {name: float(place) for place, name in enumerate(FIELDS)}
    row = EpochRow(**values | {"stage": "s", "attempt": 1, "epoch": 2})
    text = to_csv([row])
    assert "\r" not in text
    header, line = (part.split(",") for part in text.splitlines())
    assert dict(zip(header, line, strict=True)) == {name: str(getattr(row, name)) for name in FIELDS}
