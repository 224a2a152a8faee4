"""Charts as SVG with the colours and fonts of the page, so that they follow its light and dark themes."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from finetune.record import TradeOff
from finetune.training import EpochRow
from finetune.training.objectives import LOSS, Metric
from finetune.verification import ColumnRates, Share, VerificationResult

SIZE = (4.9, 3.3)
"""Size in inches. At 72 points per inch this is slightly wider than a phone."""
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)))
NAME = 48
"""Largest number of characters of a name in a legend. Longer names are shortened in the middle."""
MOST_GROUPS = 12
"""Largest number of groups in a chart."""
MARKERS = ("o", "s", "^", "D", "v", "P")
# Placeholders for the page's own colours. Any values will do that occur nowhere else.
INK, FAINT = "#010203", "#010204"
SERIES = ("#010211", "#010212", "#010213", "#010214", "#010215", "#010216")
_VARIABLES = {INK: "--ink", FAINT: "--faint", **{colour: f"--series-{i}" for i, colour in enumerate(SERIES, 1)}}
_STYLE = {
    "font.size": 11,
    "svg.fonttype": "none",
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": FAINT,
    "grid.alpha": 0.35,
    "grid.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 10,
    "lines.linewidth": 1.8,
    "lines.markersize": 4.5,
    "path.simplify_threshold": 0.3,
    "text.parse_math": False,
}


class Chart(NamedTuple):
    """Chart with its texts.

    Attributes:
        title: subject of the chart.
        description: description of what the chart shows, for people who can't see it.
        svg: SVG element for use in a page.
    """

    title: str
    description: str
    svg: str

    def within(self, place: str) -> Chart:
        """Return the chart with `place` before every name in it, so that a page may contain it twice."""
        return self._replace(svg=re.sub(r'( id="|="#|url\(#)', rf"\g<1>{place}-", self.svg))


class Named(NamedTuple):
    """Result with its name in a legend."""

    name: str
    lfw: VerificationResult


def roc(results: Sequence[Named], pairs: str) -> Chart | None:
    """Draw the validation rate over the false accept rate, on a logarithmic axis; None if no distances were kept."""
    known = [result for result in results if result.lfw.distances is not None and result.lfw.is_same is not None]
    if not known:
        return None

    def draw(axes: Axes) -> None:
        least = min(1 / max(1, result.lfw.n_pairs - result.lfw.n_same) for result in known)
        for number, result in enumerate(known):
            far, val = rates(result.lfw)
            axes.plot(far, val, label=result.name, drawstyle="steps-post", **_line(number))
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.set_xlim(least, 1)
        axes.set_ylim(0, 1.02)
        axes.set_xlabel("false accept rate")
        axes.set_ylabel("validation rate")
        _legend(axes)

    areas = "; ".join(f"{result.name}: area {result.lfw.auc:.4f}" for result in known)
    return _chart(f"ROC, {pairs}", f"Validation rate over false accept rate. {areas}.", draw)


def rates(result: VerificationResult) -> tuple[np.ndarray, np.ndarray]:
    """Return the ROC curve over all pairs at once.

    Returns:
        False accept rates above 0 in ascending order, and the validation rate at each.
    """
    assert result.distances is not None
    assert result.is_same is not None
    same, different = np.sort(result.distances[result.is_same]), np.sort(result.distances[~result.is_same])
    far = np.arange(1, len(different) + 1) / len(different)
    val = np.searchsorted(same, different, side="right") / len(same)
    return far, val


def distances(result: Named) -> Chart | None:
    """Draw the distances of pairs of one person and of pairs of two people, with the threshold."""
    lfw = result.lfw
    if lfw.distances is None or lfw.is_same is None:
        return None
    same, different = lfw.distances[lfw.is_same], lfw.distances[~lfw.is_same]

    def draw(axes: Axes) -> None:
        bins = np.linspace(min(same.min(), different.min()), max(same.max(), different.max()), 41).tolist()
        for number, (values, label) in enumerate(((same, "one person"), (different, "two people"))):
            axes.hist(values, bins, label=label, histtype="step", linewidth=1.8, color=SERIES[number], ls=LINES[number])
            axes.hist(values, bins, alpha=0.18, color=SERIES[number])
        axes.axvline(lfw.threshold, color=INK, linewidth=1.2)
        axes.annotate(
            "threshold", (lfw.threshold, 0.98), xycoords=("data", "axes fraction"), xytext=(4, 0),
            textcoords="offset points", va="top", fontsize=10,
        )  # fmt: skip
        axes.margins(y=0.12)
        axes.set_xlabel(f"{lfw.distance} distance")
        axes.set_ylabel("pairs")
        _legend(axes)

    description = (
        f"Pairs of one person lie {np.median(same):.3f} apart in the median, pairs of two people "
        f"{np.median(different):.3f}; the mean threshold of the folds is {lfw.threshold:.3f}."
    )
    return _chart(f"Distances, {result.name}", description, draw)


def groups(column: ColumnRates, of_what: str) -> Chart | None:
    """Draw the error rates of each group with their 95 % intervals; None if no group has a rate, or for many groups."""
    rows = [group for group in column.groups if group.fnmr.rate is not None or group.fmr.rate is not None]
    if not rows or len(rows) > MOST_GROUPS:
        return None

    def draw(axes: Axes) -> None:
        for number, (name, label) in enumerate((("fnmr", "false non-match rate"), ("fmr", "false match rate"))):
            known = [(place, found) for place, row in enumerate(rows) if (found := getattr(row, name)).rate is not None]
            x = np.array([found.rate for _, found in known])
            ends = np.array([(found.rate - found.low, found.high - found.rate) for _, found in known]).reshape(-1, 2).T
            y = np.array([place for place, _ in known]) + (0.12 if number else -0.12)
            axes.errorbar(x, y, xerr=ends, label=label, fmt=MARKERS[number], color=SERIES[number], capsize=3)
        axes.set_yticks(range(len(rows)), [row.group for row in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlim(left=0)
        axes.set_xlabel("share of the pairs, with its 95 % interval")
        _legend(axes)

    told = "; ".join(f"{row.group}: {_rate('FNMR', row.fnmr)}, {_rate('FMR', row.fmr)}" for row in rows)
    return _chart(f"Error rates by {column.column}, {of_what}", f"{told}.", draw)


def _rate(name: str, share: Share) -> str:
    return f"{name} unknown" if share.rate is None else f"{name} {share.rate:.4f}"


def training(rows: Sequence[EpochRow], metric: Metric) -> Chart | None:
    """Draw a metric by epoch over all stages, on training and on held-back images; None if no row has it."""
    series = []
    for name, label in ((metric.column, "training"), (metric.held_back, "held back")):
        values = np.array([np.nan if row.get(name) is None else row[name] for row in rows], float)
        if np.isfinite(values).any():
            series.append((label, values))
    if not rows or not series:
        return None
    starts = _starts(rows)

    def draw(axes: Axes) -> None:
        x = np.arange(1, len(rows) + 1)
        for number, (label, values) in enumerate(series):
            axes.plot(x, values, label=label, marker=MARKERS[number] if len(rows) < 40 else None, **_line(number))
        _mark(axes, starts)
        _epochs(axes, "epoch of the run")
        axes.set_ylabel(metric.title)
        _legend(axes)

    ends = "; ".join(f"{label} from {values[0]:.4g} to {values[-1]:.4g}" for label, values in series)
    stages = ", ".join(f"“{name}” from epoch {start}" for start, name in starts)
    terms = " In training it holds every term of the loss; held back, the plain one." if metric == LOSS else ""
    return _chart(metric.title.capitalize(), f"By epoch: {ends}. Stages: {stages}.{terms}", draw)


def strangers(rows: Sequence[EpochRow], before: TradeOff | None) -> Chart | None:
    """Draw the accuracy on people trained on and on held-out identities, by epoch, beginning before the run."""
    if before is None:
        return None
    learned = before.learned.rank1 if before.learned else None
    series = {
        "strangers, verified": _since(before.strangers.accuracy, rows, "strangers_accuracy"),
        "learned, named": _since(learned, rows, "learned_accuracy"),
    }
    return _over_the_run("Gain against forgetting", series, rows)


def lfw(rows: Sequence[EpochRow], before: VerificationResult | None) -> Chart | None:
    """Draw accuracy and validation rate on LFW, by epoch, beginning before the run; None without such epochs."""
    return _within("LFW", "lfw_", rows, before)


def of_set(rows: Sequence[EpochRow], before: VerificationResult) -> Chart | None:
    """Draw accuracy and validation rate on a set of `measure`, as `lfw` does; `before` is its result before the run."""
    return _within(before.of_what, f"{before.name}.", rows, before)


def _within(pairs: str, prefix: str, rows: Sequence[EpochRow], before: VerificationResult | None) -> Chart | None:
    if before is None or not any(f"{prefix}accuracy" in row.numbers for row in rows):
        return None
    series = {
        "accuracy": _since(before.accuracy, rows, f"{prefix}accuracy"),
        "validation rate": _since(before.val, rows, f"{prefix}val"),
    }
    return _over_the_run(f"{pairs} within the stages", series, rows)


def _since(before: float | None, rows: Sequence[EpochRow], column: str) -> dict[int, float]:
    """Return the measured values of a column by epoch of the run; the value before the run is that of epoch 0."""
    values = [before, *(row.get(column) for row in rows)]
    return {epoch: value for epoch, value in enumerate(values) if value is not None}


def _over_the_run(title: str, series: Mapping[str, Mapping[int, float]], rows: Sequence[EpochRow]) -> Chart:
    """Draw accuracies over the epochs of the run."""
    known = {label: values for label, values in series.items() if values}

    def draw(axes: Axes) -> None:
        for number, (label, values) in enumerate(known.items()):
            axes.plot(list(values), list(values.values()), label=label, marker=MARKERS[number], **_line(number))
        _mark(axes, _starts(rows))
        _epochs(axes, "epoch of the run; 0 is the checkpoint")
        axes.set_ylabel("accuracy")
        _legend(axes)

    ends = {label: list(values.values()) for label, values in known.items()}
    told = "; ".join(f"{label}: from {values[0]:.4f} to {values[-1]:.4f}" for label, values in ends.items())
    return _chart(title, f"{told}.", draw)


def _line(number: int) -> dict[str, Any]:
    """Return the style of a line. Dashes differ as well as colours, for people who can't tell the colours apart."""
    return {"color": SERIES[number % len(SERIES)], "linestyle": LINES[number % len(LINES)]}


def _epochs(axes: Axes, label: str) -> None:
    axes.set_xlabel(label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _legend(axes: Axes) -> None:
    """Draw the legend above the curves, where it hides none of them."""
    handles, labels = axes.get_legend_handles_labels()
    columns = 1 if max(map(len, labels)) > NAME // 2 else 2
    axes.legend(
        handles,
        [label if len(label) <= NAME else f"{label[: NAME // 2]}…{label[1 - NAME // 2 :]}" for label in labels],
        loc="lower left",
        bbox_to_anchor=(-0.02, 0.99),
        ncols=columns,
        borderaxespad=0,
        columnspacing=1.2,
    )


def _starts(rows: Sequence[EpochRow]) -> list[tuple[int, str]]:
    """Return the first epoch of each stage, counted from 1 over the run."""
    names = [row.stage for row in rows]
    return [(i + 1, name) for i, name in enumerate(names) if i == 0 or names[i - 1] != name]


def _mark(axes: Axes, starts: Sequence[tuple[int, str]]) -> None:
    for start, _ in starts[1:]:
        axes.axvline(start - 0.5, color=FAINT, linewidth=0.8)


def _chart(title: str, description: str, draw: Callable[[Axes], None]) -> Chart:
    # The salt makes names within the element reproducible, and different from those in other charts of the page.
    with mpl.rc_context(_STYLE | {"svg.hashsalt": title + description}):
        figure = Figure(SIZE, layout="constrained")
        figure.patch.set_visible(False)
        axes = figure.add_subplot()
        axes.patch.set_visible(False)
        draw(axes)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return Chart(title, description, _for_page(buffer.getvalue()))


def _for_page(svg: str) -> str:
    """Return the SVG element alone, hidden from screen readers, which read the description instead."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' (width|height)="[\d.]+pt"', "", svg, count=2)
    svg = re.sub(r"font: ([\d.]+px)[^;\"]*", r"font-size: \1", svg)
    svg = re.sub(r"font-family: [^;\"]*;? ?", "", svg)
    used = set(re.findall(r"#([\w.-]+)", svg))
    svg = re.sub(r' id="([\w.-]+)"', lambda found: found[0] if found[1] in used else "", svg)
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, f"var({variable})")
    svg = svg.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)
    return re.sub(r"\n\s*", "\n", svg)
