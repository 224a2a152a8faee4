"""Report of runs as one HTML file that loads nothing from elsewhere."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jinja2

from finetune import __version__, files
from finetune.errors import Problem, UserError, attempt
from finetune.record import BASELINE, StageResult
from finetune.report import charts
from finetune.report.charts import Chart, Named
from finetune.report.groups import group_rows, in_words
from finetune.report.record import Record
from finetune.report.tables import duration
from finetune.report.worst_pairs import Worst, worst
from finetune.training.objectives import all_metrics
from finetune.verification import VerificationResult, compare, operating_point, paired_interval
from finetune.words import counted

REPORT_FILE = "report.html"
FARS = (0.1, 0.01, 0.001)
SHOWN = 3
"""Largest number of sets of pairs whose figures stand at the top."""
LISTED = 20
"""Largest number of left-out files, of the doctor's findings, and of people in a list."""


class RunSection(NamedTuple):
    """Contents of a run's part of the page, beside the record itself.

    Attributes:
        record: record of the run.
        name: name that differs from those of the page's other runs.
        place: prefix of the names of elements in this part.
        headline: outcome of the run in one or two sentences.
        charts: charts, by part.
        worst: wrongly decided pairs; None without pairs.
        stages: rows of the table of stages.
        rates: validation rates at several false accept rates.
        timings: times of the stages.
        people: held-back images by person; None if they are unknown.
        sets: every set of pairs with its figures, if there are other sets than LFW's.
        groups: rates by group of people at the end, for each column of each set's file of groups.
    """

    record: Record
    name: str
    place: str
    headline: str
    charts: dict[str, list[Chart]]
    worst: Worst | None
    stages: list[dict[str, Any]]
    rates: list[dict[str, Any]]
    timings: list[dict[str, str]]
    people: dict[str, Any] | None
    sets: list[dict[str, Any]]
    groups: list[dict[str, Any]]


def write(paths: Sequence[Path], target: Path, *, faces: bool = True) -> None:
    """Write the report of one run, or of several runs side by side.

    Args:
        paths: folders of the runs.
        target: file to write; an existing file is replaced.
        faces: True if the worst pairs are shown.

    Raises:
        UserError: a folder holds no run, or is damaged; one line per folder.
        RunError: the file can't be written.
    """
    problems: list[Problem] = []
    records = [attempt(problems, functools.partial(Record.read, path)) for path in paths]
    if problems:
        raise UserError(*problems)
    files.write_text(target, render([record for record in records if record], faces=faces))


def render(records: Sequence[Record], *, faces: bool = True) -> str:
    """Return the page of these runs."""
    named = list(zip(records, _apart(records), strict=True))
    return (
        environment()
        .get_template("report.html.jinja")
        .render(
            sections=[_section(record, name, f"run-{i}", faces=faces) for i, (record, name) in enumerate(named, 1)],
            comparison=_comparison(named) if len(named) > 1 else None,
            version=__version__,
        )
    )


@functools.cache
def environment() -> jinja2.Environment:
    """Return the templates, with their number formats. All values are escaped in HTML."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=lambda name: name is not None and ".html" in name,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {
        "fars": FARS,
        "listed": LISTED,
        "without_overlap": without_overlap,
        "why": why,
        "in_words": in_words,
    }
    made.filters |= {
        "accuracy": lambda value: "—" if value is None else f"{value:.4f}",
        "signed": lambda value: "—" if value is None else _signed(value),
        "thousands": lambda value: f"{value:,}",
        "duration": duration,
    }
    return made


def headline(record: Record) -> str:
    """Return the outcome of the run in one or two sentences."""
    kept = sum(result.accepted for result in record.results)
    parts = [f"{len(record.results)} of {len(record.recipe.stages)} stages finished, {kept} kept."]
    if not record.start.sets:
        parts.append("No LFW pairs were given: nothing was validated on them.")
    for name, first in list(record.start.sets.items())[:SHOWN]:
        last = record.standing.sets.get(name, first)
        if record.results:
            d = compare(first, last)
            parts.append(
                f"{_accuracy(first)} {first.accuracy:.4f} before, {last.accuracy:.4f} after: {_signed(d.accuracy)} "
                f"(95 %: {_signed(d.low)} to {_signed(d.high)})."
            )
        else:
            parts.append(f"{_accuracy(first)} of the checkpoint: {first.accuracy:.4f}.")
    if (more := len(record.start.sets) - SHOWN) > 0:
        parts.append(f"{counted(more, 'more set')} of pairs below.")
    return " ".join(parts)


def _accuracy(result: VerificationResult) -> str:
    """Return the name of an accuracy at the beginning of a sentence."""
    # The name of a set stays as it is written in the recipe.
    return result.accuracy_name if result.name else result.accuracy_name[0].upper() + result.accuracy_name[1:]


def _section(record: Record, name: str, place: str, *, faces: bool) -> RunSection:
    lfw, final = record.recipe.lfw, record.final
    return RunSection(
        record,
        name,
        place,
        headline(record),
        {part: [chart.within(place) for chart in made] for part, made in _charts(record).items()},
        worst(final.lfw, lfw, show=faces) if final and lfw else None,
        [_stage(result) for result in record.results],
        _rates(record),
        _timings(record),
        _people(record),
        set_rows(record),
        _groups(record, place),
    )


def _groups(record: Record, place: str) -> list[dict[str, Any]]:
    """Return the rates by group at the end of the run, with charts that the page may contain twice."""
    rows = group_rows(record.start, record.standing)
    return [row | {"chart": row["chart"] and row["chart"].within(place)} for row in rows]


def _charts(record: Record) -> dict[str, list[Chart]]:
    """Draw the charts of the training and of the pairs."""
    lfw, final, first = record.recipe.lfw, record.final, record.baseline
    training = [charts.training(record.rows, metric) for metric in all_metrics() if metric.charted]
    training += [charts.lfw(record.rows, first), charts.strangers(record.rows, record.trade_off)]
    training += [charts.of_set(record.rows, result) for result in record.start.others.values()]
    pairs: list[Chart | None] = []
    if lfw and first and final:
        named = [Named(m.name if m.accepted else f"{m.name} (rolled back)", m.lfw) for m in record.measured]
        pairs = [
            charts.roc(named, lfw.pairs.name),
            charts.distances(Named("before the run", first)),
            charts.distances(Named(f"after “{final.name}”", final.lfw)) if record.results else None,
        ]
    sets: list[Chart | None] = []
    if record.start.others:
        each = [Named(result.of_what, result) for result in record.standing.sets.values()]
        sets = [charts.roc(each, "every set at the end" if record.results else "every set before the first stage")]
    made = {"training": training, "pairs": pairs, "sets": sets}
    return {part: [chart for chart in of_part if chart is not None] for part, of_part in made.items()}


def _stage(result: StageResult) -> dict[str, Any]:
    """Return a row of the table of stages."""
    before, after = result.trade_off_before, result.measured_trade_off
    return {
        "result": result,
        "difference": result.difference,
        "strangers": paired_interval(before.strangers.correct, after.strangers.correct) if before and after else None,
        "outcome": result.outcome,
        "why": why(result),
    }


def why(result: StageResult) -> str:
    """Return why a stage was kept, rolled back or ended, and what it made worse; may be empty."""
    reasons = (result.failure or result.reason, result.harm)
    return "; ".join(reason for reason in reasons if reason)


def _rates(record: Record) -> list[dict[str, Any]]:
    """Return the validation rates of all measured weights at several false accept rates."""
    rows = []
    for measured in record.measured:
        points = [operating_point(measured.lfw, far) for far in FARS]
        if any(points):
            rows.append({"name": measured.name, "accepted": measured.accepted, "points": points})
    return rows


def set_rows(record: Record) -> list[dict[str, Any]]:
    """Return every set of pairs with its figures before and after each stage; empty without sets of `measure`."""
    if not record.start.others:
        return []
    found: list[dict[str, Any]] = []
    told: set[str] = set()
    for name, first in record.start.sets.items():
        last = record.standing.sets.get(name, first)
        notes = [note for note in last.notes if note not in told]
        told |= set(notes)
        measured = [(stage, stage.trained.sets[name]) for stage in record.results if name in stage.trained.sets]
        rows = [{"name": BASELINE, "result": first, "difference": None, "outcome": "as given"}]
        rows += [
            {"name": stage.name, "result": now, "difference": compare(first, now), "outcome": stage.outcome}
            for stage, now in measured
        ]
        section = record.recipe.sets[name]
        found.append(
            {
                "name": first.of_what,
                "section": section,
                "protocol": first.protocol.get("name", "k_fold"),
                "first": first,
                "last": last,
                "notes": notes,
                "rows": rows,
            }
        )
    return found


def _people(record: Record) -> dict[str, Any] | None:
    """Return the held-back images by person, those with the most mistakes first; None if they are unknown."""
    held_back = record.results[-1].standing.held_back if record.results else record.start.held_back
    if held_back is None or held_back.labels is None:
        return None
    mistakes: dict[str, list[str]] = {}
    for shown, named, n in held_back.mistakes():
        mistakes.setdefault(shown, []).append(f"{named} ({n})" if n > 1 else named)
    people = sorted(held_back.by_person().items(), key=lambda item: (item[1][0] - item[1][1], item[0]))
    rows = [
        {"name": name, "images": n, "right": right, "mistakes": mistakes.get(name, [])} for name, (right, n) in people
    ]
    kept = [result.name for result in record.results if result.accepted]
    of = f"after “{kept[-1]}”" if kept else "by the nearest class mean before the first stage"
    right, images = int(held_back.correct.sum()), len(held_back.correct)
    return {"rows": rows[:LISTED], "hidden": len(rows[LISTED:]), "right": right, "images": images, "of": of}


def _timings(record: Record) -> list[dict[str, str]]:
    rows = []
    for stage in record.recipe.stages:
        seconds = [row["seconds"] for row in record.rows if row.stage == stage.name]
        if seconds:
            rows.append(
                {
                    "name": stage.name,
                    "epochs": str(len(seconds)),
                    "each": f"{math.fsum(seconds) / len(seconds):.2f} s",
                    "all": duration(math.fsum(seconds)),
                }
            )
    return rows


def _comparison(named: Sequence[tuple[Record, str]]) -> dict[str, Any]:
    """Return the comparison of several runs."""
    rows = []
    for record, name in named:
        final, last = record.final, record.results[-1] if record.results else None
        rows.append(
            {
                "name": name,
                "record": record,
                "before": record.baseline,
                "after": final.lfw if final else None,
                "difference": compare(record.baseline, final.lfw) if record.baseline and final else None,
                "held_back": last.validation_accuracy if last else None,
                "trade_off": last.trade_off if last else record.trade_off,
                "kept": sum(result.accepted for result in record.results),
                "seconds": math.fsum(row["seconds"] for row in record.rows),
            }
        )
    measured = [(name, record.final.lfw) for record, name in named if record.final]
    same = len({(lfw.pairs_sha256, lfw.distance, lfw.subtract_mean, lfw.flip) for _, lfw in measured}) == 1
    chart = charts.roc([Named(*found) for found in measured], "at the end of each run") if same else None
    return {"rows": rows, "chart": chart, "same": same, "measured": len(measured)}


def _apart(records: Sequence[Record]) -> list[str]:
    """Return different names for the runs."""
    names = [record.name for record in records]
    return [name if names.count(name) == 1 else str(record.path) for name, record in zip(names, records, strict=True)]


def _signed(value: float) -> str:
    return f"{value:+.4f}".replace("-", "\N{MINUS SIGN}")


def without_overlap(result: VerificationResult) -> str:
    """Return a sentence on the accuracy on people who were not trained on; empty without an overlap."""
    if not result.left_out:
        return ""
    if result.without_overlap is None:
        return f"No figures without {result.left_out}: too few are left."
    return f"Without {result.left_out} the accuracy is {result.without_overlap.accuracy:.4f}."
