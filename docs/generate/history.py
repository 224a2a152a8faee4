"""The page of `history.csv`: its columns, from the code that writes them."""

from __future__ import annotations

from docs.generate.markdown import escape
from finetune.training.history import column_meanings

INTRO = """# Columns of history.csv

A run writes `history.csv` with one row per epoch. Each stage's folder has the rows of that stage. A cell is empty where
its number does not apply to the stage or was not measured. Means are over the training images of the epoch unless the
meaning says otherwise.

Each set of `measure` in the recipe has four more columns, which follow the others. For a set named `novel` they are
`novel.accuracy`, `novel.low`, `novel.high` and `novel.val`, with the meanings of LFW's columns.

`FineTuner.history` holds the same rows as [EpochRow](api/results.md#epochrow).

| column | meaning |
| --- | --- |
"""


def page() -> str:
    """Return the page."""
    return INTRO + "\n".join(f"| `{name}` | {escape(meaning)} |" for name, meaning in column_meanings().items())
