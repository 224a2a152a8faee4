"""The cells of CSV files: text that a spreadsheet would take for a formula is written as text, and read back."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

FORMULA = re.compile(r"'*[=+\-@\t\r＝＋－＠]")  # noqa: RUF001
"""How a cell begins that is a formula to some spreadsheet, or one that was guarded before."""
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)


def guarded(cells: Iterable[object]) -> list[object]:
    """Return the cells of a row with an apostrophe before text that would be a formula; numbers stay as they are."""
    return [f"'{cell}" if isinstance(cell, str) and _is_formula(cell) else cell for cell in cells]


def unguarded(cell: str) -> str:
    """Return what `guarded` was given."""
    return cell[1:] if cell.startswith("'") and FORMULA.match(cell) else cell


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Return rows as CSV, a line each, guarded."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(map(guarded, rows))
    return text.getvalue()


def _is_formula(cell: str) -> bool:
    return bool(FORMULA.match(cell)) and not NUMBER.fullmatch(cell)
