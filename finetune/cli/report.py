"""Write the results of runs, finished or not, as one HTML file: figures, curves, the worst pairs, recipe and data."""

from __future__ import annotations

import argparse

from finetune.cli.values import path, text_file
from finetune.progress import say

EXAMPLES = (
    "finetune report runs/mine",
    "finetune report runs/one runs/other --out compared.html",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the runs, the file, and the option to leave faces out."""
    parser.add_argument("runs", metavar="RUN", nargs="+", help="folder of a run; several runs are shown side by side")
    parser.add_argument(
        "--out",
        metavar="FILE",
        help="file to write (default: report.html in the run's folder, together with MODEL_CARD.md; for several runs, "
        "report.html in the current folder)",
    )
    parser.add_argument("--no-faces", action="store_true", help="leave out the pictures of the worst pairs")


def run(options: argparse.Namespace) -> None:
    """Write the report and print its path."""
    from finetune.report import REPORT_FILE, write, write_into

    runs = [path(text) for text in options.runs]
    faces = not options.no_faces
    if options.out is None and len(runs) == 1:
        write_into(runs[0], faces=faces)
        say(f"report: {runs[0] / REPORT_FILE}")
        return
    target = text_file(options.out or REPORT_FILE, (".html", ".htm"))
    write(runs, target, faces=faces)
    say(f"report: {target}")
