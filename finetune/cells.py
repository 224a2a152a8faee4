"""The cells of CSV files, guarded so that a spreadsheet does not take text for a formula."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

FORMULA = re.compile(r"'*[=+\-@\t\r＝＋－＠]")  # noqa: RUF001
"""Beginning of a cell that some spreadsheet takes for a formula, or that was guarded before."""
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)


def guarded(cells: Iterable[object]) -> list[object]:
    """Return a row's cells with an apostrophe before text that looks like a formula; numbers stay unchanged."""
    return [f"'{cell}" if isinstance(cell, str) and _is_formula(cell) else cell for cell in cells]


def unguarded(cell: str) -> str:
    """Return the original text of a guarded cell."""
    return cell[1:] if cell.startswith("'") and FORMULA.match(cell) else cell


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Return rows as CSV with guarded cells, one line per row."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(map(guarded, rows))
    return text.getvalue()


def _is_formula(cell: str) -> bool:
    return bool(FORMULA.match(cell)) and not NUMBER.fullmatch(cell)
