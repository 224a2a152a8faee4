"""Files of a run for people to read, written into the run's own folder."""

from __future__ import annotations

from pathlib import Path

from finetune import files
from finetune.report import card, page
from finetune.report.record import Record


def write_into(path: Path, *, faces: bool = True) -> None:
    """Write `report.html` and `MODEL_CARD.md` into a run's own folder, finished or not.

    Args:
        path: folder of the run.
        faces: True if the report shows the worst pairs.

    Raises:
        UserError: the folder holds no run, or is damaged.
        RunError: the files can't be written.
    """
    record = Record.read(path)
    files.write_text(path / page.REPORT_FILE, page.render([record], faces=faces))
    files.write_text(path / card.FILE_NAME, card.render(record))
