"""Report on the terminal: counts by kind, then the worst findings of each kind with their reasons."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.table import Table

from finetune.doctor.finding import KINDS
from finetune.doctor.report import Report
from finetune.progress import say, show

SHOWN = 3
"""Findings shown per kind."""


def show_report(report: Report) -> None:
    """Print the report."""
    say(report.summary()[0])
    if report.findings:
        show(_counts(report))
    for kind, count in report.counts().items():
        say(kind)
        for finding in [finding for finding in report.findings if finding.kind == kind][:SHOWN]:
            say(f"  {report.line(finding)}")
        if count > SHOWN:
            say(f"  and {count - SHOWN} more")
    for note in report.notes:
        say(note)


def _counts(report: Report) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("kind", no_wrap=True)
    table.add_column("found", justify="right")
    table.add_column("--fix moves", justify="right")
    table.add_column("what it is")
    moves = [finding.kind for finding in report.findings if finding.moves]
    for kind, count in report.counts().items():
        table.add_row(kind, str(count), str(moves.count(kind)), KINDS[kind])
    return table
