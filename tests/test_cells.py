"""Cells of CSV files: no text is a formula, and all text is read back."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given, strategies as st

from finetune.cells import csv_text, guarded, unguarded

TEXTS = st.text(st.one_of(st.sampled_from("'=+-@\t\r＝1.e"), st.characters(exclude_categories=("Cs",))))  # noqa: RUF001


@pytest.mark.parametrize("text", ["=HYPERLINK(1)", "@SUM(1)", "+1+1", "-A1", "\tx", "\r=1", "'=1", "＠a", "-1-1"])  # noqa: RUF001
def test_text_that_would_be_a_formula_begins_with_an_apostrophe(text):
    assert guarded([text]) == [f"'{text}"]


@pytest.mark.parametrize("text", ["Ann Lee", "O'Neil", "'tis", "", "-0.125", "+3", "-1e-05", "-.5", "a=b", "12"])
def test_names_and_numbers_stay_as_they_are(text):
    assert guarded([text]) == [text]
    assert unguarded(text) == text


@given(TEXTS)
def test_what_is_read_back_is_what_was_given_however_often_it_went(text):
    once = guarded([text])[0]
    twice = guarded([once])[0]
    assert unguarded(once) == text
    assert unguarded(unguarded(twice)) == text


@given(st.lists(st.lists(TEXTS, min_size=2, max_size=3), min_size=1, max_size=4))
def test_rows_are_read_back(rows):
    read = csv.reader(io.StringIO(csv_text(rows), newline=""))
    assert [[unguarded(cell) for cell in row] for row in read] == rows


def test_numbers_are_no_text():
    assert csv_text([("a", -1, None), ("=b", -0.5, "")]) == "a,-1,\n'=b,-0.5,\n"
