"""What a person sees of a run: one HTML file, and a model card."""

from __future__ import annotations

from pathlib import Path

from finetune import files
from finetune.report import card, page
from finetune.report.page import FILE_NAME, write
from finetune.report.record import Record

__all__ = ["FILE_NAME", "write", "write_into"]


def write_into(path: Path, *, faces: bool = True) -> None:
    """Writes `report.html` and `MODEL_CARD.md` into a run's own folder, finished or not.

    Args:
        path: the folder.
        faces: whether the report shows the worst pairs.

    Raises:
        UserError: it holds no run, or is damaged.
        RunError: they can't be written.
    """
    record = Record.read(path)
    files.write_text(path / FILE_NAME, page.render([record], faces=faces))
    files.write_text(path / card.FILE_NAME, card.render(record))
