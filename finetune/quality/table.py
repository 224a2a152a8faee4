"""Quality of faces as a CSV table."""

from __future__ import annotations

from collections.abc import Mapping

from finetune.cells import csv_text
from finetune.quality.face import Quality


def quality_table(qualities: Mapping[str, Quality]) -> str:
    """Return the measures of faces as CSV, the worst face first; cells of unknown measures are empty.

    Args:
        qualities: quality by the name of the file.
    """
    rows = []
    for name, quality in sorted(qualities.items(), key=lambda item: (item[1].score, item[0])):
        measured = quality.to_json()
        cells = ["" if value is None else f"{value:g}" for value in measured.values()]
        rows.append([name, *cells, " ".join(quality.defects())])
    names = ["file", *next(iter(qualities.values())).to_json(), "defects"] if qualities else ["file"]
    return csv_text([names, *rows])
