"""Results of the suites: all timings, the targets, and tables of both."""

from __future__ import annotations

import dataclasses
import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import machine
from finetune import files


@dataclasses.dataclass(frozen=True)
class Target:
    """Figure with a limit that it must respect.

    Attributes:
        what: description of the figure.
        figure: measured value; None if it could not be measured.
        limit: value to compare the figure with.
        least: True if the figure must be at least the limit; False if it must be at most the limit.
        unit: unit of both, such as `x` for a ratio.
    """

    what: str
    figure: float | None
    limit: float
    least: bool = False
    unit: str = "x"

    @property
    def met(self) -> bool | None:
        """True if the figure respects the limit; None without a figure."""
        if self.figure is None:
            return None
        return bool(self.figure >= self.limit if self.least else self.figure <= self.limit)


@dataclasses.dataclass
class Result:
    """Result of a suite.

    Attributes:
        suite: name of the suite.
        about: description of the measurement, in a line or two.
        timings: timings by case, one per round.
        unit: unit of the timings.
        targets: targets, in the order of the table.
        tables: other tables by title, as rows of cells; the first row is the header.
        notes: remarks, such as the cases that were left out, with reasons.
        seconds: duration of the whole suite.
    """

    suite: str
    about: str
    timings: dict[str, list[float]]
    unit: str = "s"
    targets: list[Target] = dataclasses.field(default_factory=list)
    tables: dict[str, list[list[str]]] = dataclasses.field(default_factory=dict)
    notes: list[str] = dataclasses.field(default_factory=list)
    seconds: float = 0.0

    def lines(self) -> list[str]:
        """Return the result as Markdown that is also readable as plain text."""
        parts = [[f"## {self.suite}"], [self.about]]
        if self.timings:
            parts.append(_table(_timing_rows(self.timings, self.unit)))
        for title, rows in self.tables.items():
            parts += [[f"{title}:"], _table(rows)]
        if self.targets:
            parts.append(_table(_target_rows(self.targets)))
        parts.append([f"- {note}" for note in (*self.notes, f"The suite took {self.seconds:.0f} s.")])
        return [line for part in parts for line in (*part, "")]

    def to_json(self) -> dict[str, Any]:
        """Return all values, and for each target whether it was met."""
        targets = [dataclasses.asdict(target) | {"met": target.met} for target in self.targets]
        return dataclasses.asdict(self) | {"targets": targets}


def write(output: Path, results: Sequence[Result], found: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """Write `benchmarks.json` and `benchmarks.md`. It is called after each suite, so a kill costs at most one suite."""
    output.mkdir(parents=True, exist_ok=True)
    everything = {"machine": found, "settings": settings, "suites": [result.to_json() for result in results]}
    files.write_text(output / "benchmarks.json", json.dumps(everything, indent=1) + "\n")
    lines = [line for result in results for line in result.lines()]
    files.write_text(output / "benchmarks.md", "\n".join([*lines, *machine.lines(dict(found))]) + "\n")


def number(value: float) -> str:
    """Return a number as text: without decimals from 100, else with three significant digits."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _timing_rows(timings: Mapping[str, Sequence[float]], unit: str) -> list[list[str]]:
    rows = [["case", f"median ({unit})", "least", "most", "rounds"]]
    for name, values in timings.items():
        figures = (statistics.median(values), min(values), max(values))
        rows.append([name, *(number(figure) for figure in figures), str(len(values))])
    return rows


def _target_rows(targets: Sequence[Target]) -> list[list[str]]:
    words = {True: "met", False: "NOT met", None: "not measured"}
    rows = [["figure", "measured", "target", ""]]
    for target in targets:
        measured = "" if target.figure is None else f"{number(target.figure)}{_unit(target)}"
        limit = f"{'at least' if target.least else 'at most'} {target.limit:g}{_unit(target)}"
        rows.append([target.what, measured, limit, words[target.met]])
    return rows


def _unit(target: Target) -> str:
    return f" {target.unit}" if target.unit else ""


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} |" for row in rows]
    return [lines[0], f"| {' | '.join('-' * max(width, 3) for width in widths)} |", *lines[1:]]
