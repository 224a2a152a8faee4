"""Rates by group of people, as a table on the terminal and as rows of report and model card."""

from __future__ import annotations

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from finetune.record import Evidence
from finetune.report import charts
from finetune.verification import LEAST_PAIRS, LEAST_PEOPLE, ColumnRates, Share, group_rates

NAMES = {"fnmr": "false non-match rate (FNMR)", "fmr": "false match rate (FMR)"}


def group_table(column: ColumnRates) -> Table:
    """Make the table of a column: the rates within each group, and the false match rates between groups."""
    caption = (
        f"FNMR: share of pairs of one person that are not accepted; FMR: share of pairs of two people that are\n"
        f"accepted; brackets: 95 % interval. A rate takes {LEAST_PAIRS} pairs, of {LEAST_PEOPLE} people."
    )
    caption += "".join(f"\n{line}" for line in worst_over_best(column))
    if column.unknown:
        caption += f"\nleft out, because a person's group is not known: {column.unknown:,} pairs"
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), caption=caption, caption_justify="left")
    table.add_column(column.column, no_wrap=True)
    for name in ("FNMR", "pairs of one", "FMR", "pairs of two", "accuracy"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in column.groups:
        accuracy = in_words(one.accuracy)
        table.add_row(one.group, in_words(one.fnmr), _size(one.fnmr), in_words(one.fmr), _size(one.fmr), accuracy)
    for pair in column.between:
        table.add_row(" and ".join(pair.groups), "", "", in_words(pair.fmr), _size(pair.fmr), "")
    return table


def group_rows(before: Evidence, now: Evidence) -> list[dict[str, Any]]:
    """Return the rates of every set of pairs with groups: one dict per column of its file.

    Args:
        before: measurements before the first stage.
        now: measurements of the weights that are reported.
    """
    rows = []
    for name, result in now.sets.items():
        if result.groups is None:
            continue
        first = before.sets.get(name, result)
        old = group_rates(first, result.groups).columns
        for column, was in zip(group_rates(result, result.groups).columns, old, strict=True):
            rows.append(
                {
                    "of": result.of_what,
                    "column": column,
                    "groups": list(zip(column.groups, was.groups, strict=True)),
                    "lines": worst_over_best(column),
                    "chart": charts.groups(column, result.of_what),
                }
            )
    return rows


def in_words(share: Share) -> str:
    """Return a rate with its interval, `too few pairs` or `no pairs`."""
    if share.rate is None:
        return "too few pairs" if share.pairs else "no pairs"
    return f"{share.rate:.4f} ({share.low:.4f} to {share.high:.4f})"


def worst_over_best(column: ColumnRates) -> list[str]:
    """Return one sentence per rate that two groups or more have, with the worst group over the best one."""
    lines = []
    for rate in ("fnmr", "fmr"):
        found = column.worst_over_best(rate)
        if found is None:
            continue
        ratio = f"{found.ratio:.2f}" if found.ratio is not None else "without a ratio, because the best is 0"
        overlap = "; their intervals overlap" if found.overlap else ""
        lines.append(f"{NAMES[rate]}, worst over best: {ratio} ({found.worst} over {found.best}{overlap})")
    return lines


def _size(share: Share) -> str:
    return f"{share.pairs:,}"
