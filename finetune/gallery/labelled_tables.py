"""Tables of labelled photos on the terminal: rates with intervals, people with wrong photos, and confusions."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from finetune.gallery.labelled_figures import LabelledFigures
from finetune.progress import show
from finetune.words import counted

SHOWN = 10
"""Largest number of people, and of confusions, that a table lists."""


def show_figures(figures: LabelledFigures) -> None:
    """Print the tables; one without rows is left out."""
    rates = [
        (name, f"{found.value:.4f}", f"{found.low:.4f} to {found.high:.4f}", str(found.n))
        for name, found in figures.rows()
    ]
    curve = figures.curve
    caption = f"equal error rate {curve.eer:.4f}, area under the ROC curve {curve.auc:.4f}" if curve else ""
    _show(("figure", "rate", "95 % interval", "photos"), rates, caption)
    wrong = [person for person in figures.people if person.right < person.photos]
    people = [
        (
            person.name,
            str(person.photos),
            str(person.right),
            str(person.unknown),
            ", ".join(f"{name} ({n})" for name, n in person.confused.items()),
        )
        for person in wrong
    ]
    all_right = len(figures.people) - len(wrong)
    caption = f"{counted(all_right, 'person')} more: every photo right" if all_right and wrong else ""
    _show(("person", "photos", "right", "unknown", "as somebody else"), people, caption)
    confusions = [(person, name, str(n)) for person, name, n in figures.confusions()]
    _show(("person", "confused with", "photos"), confusions)


def _show(columns: Sequence[str], rows: Sequence[Sequence[str]], caption: str = "") -> None:
    """Print the first rows of a table, with the number of the others below it."""
    if not rows:
        return
    more = f"and {len(rows) - SHOWN} more, in --json" if len(rows) > SHOWN else ""
    below = "; ".join(filter(None, [more, caption]))
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), caption=below or None, caption_justify="left")
    for column in columns:
        numbers = column in ("rate", "photos", "right", "unknown")
        table.add_column(column, justify="right" if numbers else "left", no_wrap=True)
    for row in rows[:SHOWN]:
        table.add_row(*row)
    show(table)
