"""HTML tables that show results and recipes in notebooks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def html_table(title: str, rows: Iterable[Sequence[object]], header: Sequence[str] = ()) -> str:
    """Return an HTML table with a title, an optional header, and rows whose first cell is their heading."""
    from html import escape

    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "".join(
        f"<tr><th style='text-align: left'>{escape(str(first))}</th>"
        + "".join(f"<td style='text-align: left'>{escape(str(cell))}</td>" for cell in cells)
        + "</tr>"
        for first, *cells in rows
    )
    return f"<table><caption>{escape(title)}</caption>{head and f'<tr>{head}</tr>'}{body}</table>"
