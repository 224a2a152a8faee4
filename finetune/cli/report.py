"""Shows what runs gave as one HTML file, finished or not: figures, curves, the pairs decided worst, recipe and data."""

from __future__ import annotations

import argparse

from finetune.cli.arguments import path, text_file
from finetune.progress import say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The runs, the file, and whether faces are shown."""
    parser.add_argument("runs", metavar="RUN", nargs="+", help="a run's folder; several are shown side by side")
    parser.add_argument(
        "--out",
        metavar="FILE",
        help="where to write it; else report.html in the run's folder, beside its MODEL_CARD.md, or here for several",
    )
    parser.add_argument("--no-faces", action="store_true", help="leave the pictures of the pairs decided worst out")


def run(options: argparse.Namespace) -> None:
    """Prints where the report is."""
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
