"""What a person sees of a run: one HTML file, and a model card."""

from __future__ import annotations

from pathlib import Path

from finetune.report import card, page
from finetune.report.page import FILE_NAME, write

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
    page.write([path], path / FILE_NAME, faces=faces)
    card.write(path)
