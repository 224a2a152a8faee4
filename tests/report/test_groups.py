"""Rates by group as a table, as rows of a report and as a chart."""

from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console

from finetune.verification import Column, PairGroups, group_rates
from finetune.verification.protocols import evaluate_pairs

pytest.importorskip("tensorflow")
from finetune.report import charts
from finetune.report.groups import group_table, in_words, worst_over_best

pytestmark = pytest.mark.tf


def rates(groups=("dark", "light", "few"), wrong_every=(3, 10, 2)):
    """Return the rates of three groups of 200, 200 and 20 pairs; nobody is in two pairs."""
    sizes = [200, 200, 20]
    same = np.arange(420) % 2 == 0
    of = np.repeat(np.arange(3), sizes)
    wrong = same & (np.arange(420) // 2 % np.array(wrong_every)[of] == 0)
    nearby = same ^ wrong
    result = evaluate_pairs(np.eye(2)[np.zeros(420, int)], np.eye(2)[(~nearby).astype(int)], same, n_folds=4)
    person = np.arange(420)
    pairs = PairGroups(person, np.where(same, person, person + 420), (Column("skin", groups, np.tile(of, 2)),))
    return group_rates(result, pairs).columns[0]


def test_the_table_has_every_rate_with_its_interval_and_says_where_pairs_are_too_few():
    console = Console(file=io.StringIO(), width=200)
    console.print(group_table(rates()))
    lines = [line.split() for line in console.file.getvalue().splitlines()]
    dark, light, few = (next(line for line in lines if line[:1] == [name]) for name in ("dark", "light", "few"))
    assert dark[1] == "0.3400"  # 34 of 100
    assert light[1] == "0.1000"
    assert few[1:4] == ["too", "few", "pairs"]
    text = console.file.getvalue()
    assert "false non-match rate (FNMR), worst over best: 3.40 (dark over light)" in text
    assert "false match rate (FMR), worst over best: without a ratio, because the best is 0" in text


def test_a_rate_is_never_zero_without_its_interval():
    found = rates().groups[0].fmr
    assert found.rate == 0
    assert in_words(found) == f"0.0000 (0.0000 to {found.high:.4f})"
    assert found.high > 0.03


def test_one_group_alone_is_compared_with_nobody():
    column = rates()
    assert worst_over_best(type(column)(column.column, column.groups[:1], ())) == []


def test_the_chart_names_the_groups_that_have_rates():
    chart = charts.groups(rates(), "LFW")
    assert chart.title == "Error rates by skin, LFW"
    assert "dark: FNMR 0.3400, FMR 0.0000; light: FNMR 0.1000, FMR 0.0000." in chart.description
    assert "few" not in chart.description
    assert "dark" in chart.svg


def test_without_a_rate_there_is_no_chart():
    column = rates()
    assert charts.groups(type(column)(column.column, column.groups[2:], ()), "LFW") is None
